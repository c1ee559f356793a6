"""Pairs that a training is validated and tested on: looked at before its first step.

A fault that were found at the test only would cost the whole training.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.tokenizer import Tokenizer

Tokenizers = tuple[Tokenizer, Tokenizer]


def read_through(name: str, pairs: Iterable[Pair]) -> list[Pair]:
    """All pairs of a part of the corpus.

    Args:
        name: of the part, for the error.
        pairs: what is in it.

    Raises:
        ValueError: there is none, or one is damaged.
    """
    found = list(pairs)
    if not found:
        raise ValueError(f"{name} must hold at least one pair, got none")
    return found


def check_not_empty(files: Sequence[Path], *parts: Iterator[Pair]) -> None:
    """Raise unless there is a pair in the files of a training.

    Args:
        files: for the error.
        parts: what is in them.
    """
    if next(itertools.chain(*parts), None) is None:
        named = " ".join(map(str, files))
        raise ValueError(f"files of the training must hold at least one pair, got none in {named}")


def check_trainable(pairs: Iterator[Pair], held_out: int) -> None:
    """Raise unless there is a pair to train on.

    Args:
        pairs: of the training.
        held_out: how many pairs of its files are not for it.
    """
    if next(pairs, None) is None:
        beside = f" beside those to validate on, of which {held_out} are held out of it"
        raise ValueError(
            f"source must hold at least one pair to train on{beside if held_out else ''}, got none"
        )


def check_tagged(
    name: str, pairs: Sequence[Pair], tokenizer: Tokenizer, tags: Sequence[str]
) -> None:
    """Raise unless each source begins with one of the tags, where a training has some."""
    first = {ids[0] for ids in tokenizer.encode_batch(tags)}
    sources = [pair.source for pair in pairs] if tags else []
    for source, ids in zip(sources, tokenizer.encode_batch(sources), strict=True):
        if ids[0] not in first:
            raise ValueError(
                f"{name}_tags must be tags of the training, {', '.join(tags)}, one for each file, "
                f"got the source {source[:60]!r}"
            )


def short_enough(pairs: Sequence[Pair], tokenizers: Tokenizers, max_length: int) -> list[Pair]:
    """The pairs of at most ``max_length`` tokens on either side."""
    sides = [
        tokenizer.encode_batch([pair[side] for pair in pairs])
        for side, tokenizer in enumerate(tokenizers)
    ]
    return [
        pair for pair, *both in zip(pairs, *sides, strict=True) if max(map(len, both)) <= max_length
    ]


def check_positions(
    name: str, sources: Sequence[str], tokenizer: Tokenizer, model: EncoderDecoder, ends: int
) -> None:
    """Raise if a source has more tokens than the encoder has learned positions for.

    Args:
        name: what the sources are of.
        sources: texts.
        tokenizer: of them.
        model: of the training.
        ends: tokens that are added to a source.
    """
    lengths = [len(ids) + ends for ids in tokenizer.encode_batch(sources)]
    for number, length in enumerate(lengths, 1):
        if length > model.longest_source:
            raise ValueError(
                f"sources of the {name} must have at most {model.longest_source} tokens, as many "
                f"as the model has learned positions for, got {length} in pair {number}"
            )
