"""Running text: the pieces in which it is made tokens, and what of it a model predicts."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from unicodedata import normalize

from huashi.seq2seq.text.tokenizer import UNKNOWN, Tokenizer
from huashi.seq2seq.text.vocabulary_growth import kind_of

LONG = 10_000
"""Characters of a piece at most."""


class Counts(NamedTuple):
    """How much of a text is predicted."""

    characters: int
    """Of the NFC form. A model of words knows no spaces: one between two words is counted."""
    tokens: int
    words: int
    """What spaces part, and each end of a line or a sentence that the model predicts."""


def pieces(text: str) -> Iterator[str]:
    r"""The lines of a text with their ends, a long one in several: each is made tokens by itself.

    >>> list(pieces("to be\n\nor not"))
    ['to be\n', '\n', 'or not']
    """
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        for first in range(0, len(line), LONG):
            yield line[first : first + LONG]


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    """The token ids of a running text, as a model learns it: those of its pieces."""
    return [token for ids in tokenizer.encode_batch(list(pieces(text))) for token in ids]


def of_running_text(tokenizer: Tokenizer, text: str) -> Counts:
    """What is predicted of a running text: all but its first token, which nothing predicts.

    A model of words predicts no end of a line, and no more than one space between words.

    Args:
        tokenizer: of the model.
        text: of at least two tokens.
    """
    ids = encoded(tokenizer, text)
    first = tokenizer.decode(ids[:1]) or "?" * (ids[0] == UNKNOWN)
    if kind_of(tokenizer) == "word":
        words = text.split()
        spelled = normalize("NFC", " ".join(words))
        return Counts(len(spelled) - len(normalize("NFC", words[0])), len(ids) - 1, len(ids) - 1)
    rest = normalize("NFC", text)[len(first) :]
    return Counts(max(len(rest), 1), len(ids) - 1, len(rest.split()) + rest.count("\n"))


def of_sentences(tokenizer: Tokenizer, sentences: list[str]) -> Counts:
    """What is predicted of sentences by themselves: all of them, and the end of each.

    Args:
        tokenizer: of the model.
        sentences: each as it stands in its line.
    """
    if kind_of(tokenizer) == "word":
        sentences = [" ".join(sentence.split()) for sentence in sentences]
    return Counts(
        sum(len(normalize("NFC", sentence)) + 1 for sentence in sentences),
        sum(len(ids) + 1 for ids in tokenizer.encode_batch(sentences)),
        sum(len(sentence.split()) + 1 for sentence in sentences),
    )
