"""Tokenizers: what goes in comes out, in all four kinds, through the file too."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huashi.seq2seq.text.tokenizer import (
    BOS,
    EOS,
    PAD,
    SPELLED,
    UNKNOWN,
    Kind,
    Tokenizer,
    tokenizer_of,
    train_tokenizer,
)

KINDS = get_args(Kind)
TEXTS = [
    "3 de mayo de 1979",
    "Donnerstag, 3. Mai 1979",
    "1979年5月3日",
    "le 3 mai 1979 à Genève",
] * 3


def trained(kind, **options):
    return train_tokenizer(TEXTS, kind, 400, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_back(kind):
    tokenizer = trained(kind)
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_the_tokenizer(kind, tmp_path):
    tokenizer = trained(kind, tags=["<es>"])
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert len(again) == len(tokenizer)
    for text in ["<es> 3 de mayo", "</s> 3", "unheard-of ☃"]:
        assert again.encode(text) == tokenizer.encode(text)


@given(st.text(max_size=30))
def test_bytes_know_every_text(text):
    from unicodedata import normalize

    tokenizer = _BYTES
    ids = tokenizer.encode(text)
    assert UNKNOWN not in ids
    wanted = normalize("NFC", text)
    if not SPELLED.search(text):
        assert tokenizer.decode(ids) == wanted


_BYTES = trained("bpe")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", ["<pad>", "<unk>", "<s>", "</s>"])
def test_a_text_cannot_spell_a_special_token(kind, special):
    tokenizer = train_tokenizer([*TEXTS, f"a {special} b"], kind, 400)
    ids = tokenizer.encode(f"3 {special} de")
    assert not {PAD, BOS, EOS} & set(ids)
    if kind != "word":  # as a word it is a new one, as characters it is not
        assert UNKNOWN not in ids
    assert "".join(tokenizer.tokens([PAD, UNKNOWN, BOS, EOS])) == "<pad><unk><s></s>"
    whole = f"a {special} b"
    assert tokenizer.decode(tokenizer.encode(whole)) == whole
    assert tokenizer.join(tokenizer.tokens(tokenizer.encode(whole))) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_is_one_token_and_takes_its_space(kind):
    tokenizer = trained(kind, tags=["<es>", "<pt-BR>"])
    for tag in ("<es>", "<pt-BR>"):
        ids = tokenizer.encode(f"{tag} 3 de mayo")
        assert tokenizer.tokens(ids[:1]) == [tag]
        assert ids[1:] == tokenizer.encode("3 de mayo")


@pytest.mark.parametrize("kind", KINDS)
def test_composed_and_decomposed_characters_are_the_same(kind):
    tokenizer = trained(kind)
    assert tokenizer.encode("Gen\u00e8ve") == tokenizer.encode("Gene\u0300ve")


def test_unknown_characters_are_unknown():
    assert UNKNOWN in trained("character").encode("☃")


def test_the_vocabulary_keeps_to_its_size():
    assert len(train_tokenizer(TEXTS, "character", 12, tags=["<es>"])) == 12


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"kind": "letters"},
            "kind must be one of 'character', 'word', 'bpe', 'unigram', got 'letters'",
        ),
        ({"kind": "word", "vocabulary_size": 5, "tags": ["<es>"]}, "vocabulary_size must be > 5"),
        ({"vocabulary_size": 259}, "vocabulary_size must be >= 260 for bpe"),
        (
            {"kind": "unigram", "vocabulary_size": 12},
            "vocabulary_size must be large enough for every character .* got 12",
        ),
    ],
)
def test_errors_name_the_argument(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        train_tokenizer(TEXTS, **options)


def test_a_known_vocabulary_reads_no_special_token_in_a_text():
    tokenizer = tokenizer_of(["<pad>", "<unk>", "<s>", "</s>", "a"], "word")
    assert tokenizer.encode("a </s> a") == [4, UNKNOWN, 4]


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    trained("character").save(path)
    whole = path.read_text()
    path.write_text(whole[:100])
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a tokenizer file"):
        Tokenizer.load(path)
    foreign = json.loads(whole)
    foreign["added_tokens"] = foreign["added_tokens"][:2]
    foreign["model"]["vocab"] = {"<unk>": 0, "a": 1}
    path.write_text(json.dumps(foreign))
    with pytest.raises(ValueError, match="must number <pad>, <unk>, <s>, </s> from 0 to 3"):
        Tokenizer.load(path)
    with pytest.raises(FileNotFoundError):
        Tokenizer.load(tmp_path / "none.json")


@pytest.mark.parametrize("tag", ["", " ", "a b", "<s>", "</s>", "<unk>", "<pad>", "\t"])
def test_a_tag_is_a_word_of_its_own(tag):
    with pytest.raises(ValueError, match="tags must be words such as <2de>, and none of <pad>"):
        train_tokenizer(["a b"], "word", 20, tags=[tag])


def test_a_tag_of_letters_is_none_within_a_word():
    tokenizer = train_tokenizer(["w1 x2 w"], "word", 20, tags=["w"])
    assert tokenizer.tokens(tokenizer.encode("w w1 x2")) == ["w", "w1", "x2"]


def test_no_vocabulary_is_larger_than_the_library_can_learn():
    with pytest.raises(
        ValueError, match="vocabulary_size must be at most 10,000,000, got 10000001"
    ):
        train_tokenizer(["a b"], "unigram", 10_000_001)


def test_half_of_a_pair_of_surrogates_is_no_text():
    tokenizer = train_tokenizer(["a b"], "word", 20)
    with pytest.raises(ValueError, match=r"text must be Unicode text, got 'a\\ud800'"):
        tokenizer.encode("a\ud800")
    with pytest.raises(ValueError, match="texts must be Unicode text"):
        tokenizer.encode_batch(["a", "\udcff"])
