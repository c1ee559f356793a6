"""Scores of texts in any script."""

from importlib.util import find_spec
from unicodedata import normalize

import pytest

from huashi.seq2seq.text import metrics
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.metrics import (
    bleu_tokenizer,
    check_bleu_tokenizer,
    scores_by_length,
    text_scores,
)


@pytest.fixture
def none_installed(monkeypatch):
    monkeypatch.setattr(metrics, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [
        ("一只狗在草地上奔跑。", "zh"),
        ("犬が草の上を走っています。", "char"),
        ("สุนัขวิ่งบนหญ้า", "char"),
        ("ｲﾇｶﾞﾊｼﾙ", "char"),
        ("東京都交通局が運営する地下鉄路線である。", "char"),  # more Han than kana
        ("ཁྱི་ཞིག་རྩྭ་ཐང་ལ་རྒྱུག", "char"),
        ("A dog runs on the grass in Beijing (北京).", "13a"),
        ("개가 풀밭에서 뛰고 있다.", "13a"),
        ("1979-05-03", "13a"),
    ],
)
def test_bleu_splits_words_where_the_language_has_no_spaces(text, tokenizer, none_installed):
    assert bleu_tokenizer([text]) == tokenizer
    scores = text_scores([text], [text])
    assert f"tok:{tokenizer}|" in scores["BLEU signature"]


def test_good_chinese_scores():
    scores = text_scores(["一只狗在草地上跑。"], ["一只狗在草地上奔跑。"])
    assert scores["BLEU"] > 50


def test_composed_and_decomposed_texts_are_the_same():
    found, wanted = "Genève", normalize("NFD", "Genève")
    assert text_scores([found], [wanted])["exact match, %"] == 100


def test_japanese_and_korean_are_split_into_words_where_what_does_it_is_installed(monkeypatch):
    monkeypatch.setattr(metrics, "find_spec", lambda name: object())
    assert bleu_tokenizer(["犬が草の上を走っています。"]) == "ja-mecab"
    assert bleu_tokenizer(["개가 풀밭에서 뛰고 있다."]) == "ko-mecab"
    assert bleu_tokenizer([normalize("NFD", "개가 풀밭에서 뛰고 있다.")]) == "ko-mecab"


def test_a_tokenizer_that_cannot_be_used_here_is_refused():
    check_bleu_tokenizer("bleu_tokenizer", "intl")
    with pytest.raises(ValueError, match=r"bleu_tokenizer must be one of .* got 'none at all'"):
        check_bleu_tokenizer("bleu_tokenizer", "none at all")
    if find_spec("MeCab") is None:
        with pytest.raises(ValueError, match=r"bleu_tokenizer ja-mecab must be usable here, but"):
            check_bleu_tokenizer("bleu_tokenizer", "ja-mecab")


def test_error_rates():
    scores = text_scores(["a dog rums fast"], ["a dog runs"])
    assert scores["CER"] == 60.0  # m for n, and five characters more
    assert scores["TER"] == pytest.approx(100 * 2 / 3, abs=0.01)
    assert "asian:no" in scores["TER signature"]
    scores = text_scores(["一只狗在跑"], ["一只猫在跑"])  # each a word of its own
    assert (scores["CER"], scores["TER"]) == (20.0, 20.0)
    assert "asian:yes" in scores["TER signature"]
    assert text_scores([""], [""], tokenizer="none")["CER"] == 0


def test_no_word_errors_where_nothing_parts_the_words():
    scores = text_scores(["สุนัขวิ่งบนหญ้"], ["สุนัขวิ่งบนหญ้า"])
    assert "TER" not in scores
    assert scores["CER"] == pytest.approx(100 / 15, abs=0.01)


def test_by_length_too_composed_and_decomposed_texts_are_the_same():
    pairs = [Pair("x", normalize("NFD", "une école à Genève où il est né"))]
    [row] = scores_by_length(["une école à Genève où il est né"], pairs, groups=1)
    assert row["BLEU"] == 100
