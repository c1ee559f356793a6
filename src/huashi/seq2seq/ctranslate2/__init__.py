"""Models of CTranslate2, https://github.com/OpenNMT/CTranslate2, as runs of Huashi."""

from huashi.seq2seq.ctranslate2.importing import import_ctranslate2

__all__ = ["import_ctranslate2"]
