"""Vocabularies that grow: what is known keeps its id, and what is new comes after it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer as _Tokenizer

from huashi._checks import check_texts
from huashi.seq2seq.text.tokenizer import Kind, Tokenizer, check_tags, tag_token


def kind_of(tokenizer: Tokenizer) -> Kind:
    """The kind that a tokenizer is of."""
    about = json.loads(tokenizer.to_json())
    model = about["model"]["type"]
    if model == "WordLevel":
        return "character" if about["pre_tokenizer"]["type"] == "Split" else "word"
    return "bpe" if model == "BPE" else "unigram"


def grow(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    vocabulary_size: int,
    *,
    tags: Sequence[str] = (),
) -> Tokenizer:
    """A tokenizer with the same tokens by the same ids, and after them new ones.

    New are the tags that it lacks, and what would be unknown to it in the texts: words of a
    vocabulary of words, characters of one of characters or unigrams. To byte-level BPE nothing is
    unknown: it takes the pieces of its merges.

    Args:
        tokenizer: stays as it is.
        texts: what it is to know.
        vocabulary_size: the most tokens, those that it has counted; the most frequent come first.
            Tags are taken whatever it is.
        tags: as in :func:`~huashi.seq2seq.text.tokenizer.train_tokenizer`.

    Raises:
        TypeError: a text stands where a list of texts is due.
        ValueError: a tag is none, as there.

    >>> from huashi.seq2seq.text.tokenizer import train_tokenizer
    >>> small = train_tokenizer(["to be"], "word", tags=["<es>"])
    >>> large = grow(small, ["<fr> to see"], 100, tags=["<fr>"])
    >>> len(large) - len(small), small.encode("<es> to be") == large.encode("<es> to be")
    (2, True)
    >>> large.tokens(large.encode("<fr> to see"))
    ['<fr>', 'to', 'see']
    """
    check_texts("texts", texts)
    check_tags("tags", tags)
    about = json.loads(tokenizer.to_json())
    old_tags = [one["content"] for one in about["added_tokens"] if not one["special"]]
    new_tags = [tag for tag in dict.fromkeys(tags) if tag not in old_tags]
    kind = kind_of(tokenizer)
    words: list[str] = []
    if kind != "bpe":
        vocabulary = about["model"]["vocab"]
        known = {piece for piece, _ in vocabulary} if kind == "unigram" else set(vocabulary)
        counts = _unknown(tokenizer, kind, known, texts, [*old_tags, *new_tags])
        room = max(vocabulary_size - len(tokenizer) - len(new_tags), 0)
        words = sorted(counts, key=lambda word: (-counts[word], word))[:room]
        # A tag keeps its id by being of the model, as it is where texts had it as a word.
        _append(about["model"], [tag for tag in old_tags if tag not in known] + words)
    grown = _Tokenizer.from_str(json.dumps(about))
    grown.add_tokens(list(map(tag_token, new_tags)))
    return Tokenizer(grown)


def _unknown(
    tokenizer: Tokenizer, kind: Kind, known: set[str], texts: Iterable[str], tags: Sequence[str]
) -> Counter[str]:
    """How often what a model does not know stands in the texts."""
    normalizer: Any = _Tokenizer.from_str(tokenizer.to_json()).normalizer
    counts: Counter[str] = Counter()
    for text in texts:
        for tag in tags:
            text = text.replace(tag, " ")
        text = normalizer.normalize_str(text)
        parts = text.split() if kind == "word" else text
        counts.update(part for part in parts if part not in known)
    if kind == "unigram":
        del counts[" "]  # which is a mark of its pieces
    return counts


def _append(model: dict[str, Any], tokens: Sequence[str]) -> None:
    if model["type"] == "WordLevel":
        model["vocab"] |= {token: len(model["vocab"]) + i for i, token in enumerate(tokens)}
        return
    lowest = min(score for _, score in model["vocab"])
    model["vocab"] += [[token, lowest] for token in tokens]
