"""Vocabularies that grow."""

import pytest

from huashi.seq2seq.text.tokenizer import UNKNOWN, Tokenizer, train_tokenizer
from huashi.seq2seq.text.vocabulary_growth import grow, kind_of

OLD = ["<de> a dog runs", "<de> ein Hund rennt", "ein Café"]
NEW = ["<fr> un chien", "<de> ein Zug <pad>", "犬が走る", "犬"]


@pytest.mark.parametrize("kind", ["character", "word", "bpe", "unigram"])
def test_what_was_known_keeps_its_ids_and_what_was_not_is_known(kind, tmp_path):
    small = train_tokenizer(OLD * 9, kind, 300, tags=["<de>"])
    large = grow(small, NEW, 1000, tags=["<de>", "<fr>"])
    large.save(tmp_path / "tokenizer.json")
    for found in (large, Tokenizer.load(tmp_path / "tokenizer.json")):
        assert kind_of(found) == kind
        every = range(len(small))
        assert found.tokens(every) == small.tokens(every)
        assert all(found.encode(text) == small.encode(text) for text in OLD)
        assert found.encode(NEW[0])[0] == found.ids(["<fr>"])[0] >= len(small)
        for text in NEW:
            ids = found.encode(text)
            assert UNKNOWN not in ids
            assert max(ids) < len(found)
            assert found.decode(ids).replace(" ", "") == text.replace(" ", "")
    assert len({*large.tokens(range(len(large)))}) == len(large)


def test_it_grows_by_the_most_frequent_as_far_as_there_is_room():
    small = train_tokenizer(["a"], "word")
    large = grow(small, ["b c c", "d c b"], len(small) + 3, tags=["<x>"])
    assert large.tokens(range(len(small), len(large))) == ["c", "b", "<x>"]
    assert len(grow(small, ["b c"], 1, tags=["<x>"])) == len(small) + 1


def test_without_anything_new_it_stays():
    small = train_tokenizer(OLD, "character", tags=["<de>"])
    assert len(grow(small, OLD, 1000, tags=["<de>"])) == len(small)
