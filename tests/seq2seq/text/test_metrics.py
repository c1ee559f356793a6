"""Scores of texts in any script."""

from unicodedata import normalize

import pytest

from huashi.seq2seq.text.metrics import bleu_tokenizer, text_scores


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [
        ("一只狗在草地上奔跑。", "zh"),
        ("犬が草の上を走っています。", "char"),
        ("สุนัขวิ่งบนหญ้า", "char"),
        ("A dog runs on the grass in Beijing (北京).", "13a"),
        ("개가 풀밭에서 뛰고 있다.", "13a"),
        ("1979-05-03", "13a"),
    ],
)
def test_bleu_splits_words_where_the_language_has_no_spaces(text, tokenizer):
    assert bleu_tokenizer([text]) == tokenizer
    scores = text_scores([text], [text])
    assert f"tok:{tokenizer}|" in scores["BLEU signature"]


def test_good_chinese_scores():
    scores = text_scores(["一只狗在草地上跑。"], ["一只狗在草地上奔跑。"])
    assert scores["BLEU"] > 50


def test_composed_and_decomposed_texts_are_the_same():
    found, wanted = "Genève", normalize("NFD", "Genève")
    assert text_scores([found], [wanted])["exact match, %"] == 100
