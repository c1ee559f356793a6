"""The Transformer: attention and feed-forward layers, positions told apart by what is added."""

from huashi.seq2seq.models.transformer.decoder import TransformerDecoder
from huashi.seq2seq.models.transformer.encoder import TransformerEncoder

__all__ = ["TransformerDecoder", "TransformerEncoder"]
