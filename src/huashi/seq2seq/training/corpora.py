"""Parallel text for a training: files and tags, what is held out, vocabularies, languages."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from huashi._checks import check_not_negative
from huashi.seq2seq.text.corpus import Pair, read_lines, read_pairs
from huashi.seq2seq.text.tokenizer import Kind, Tokenizer, check_tags, train_tokenizer
from huashi.seq2seq.training.data import Links
from huashi.seq2seq.training.store import Store

T = TypeVar("T")

HOLD_OUT_EVERY, HOLD_OUT_AT_MOST = 50, 1000


class Files(NamedTuple):
    """Files of sentences in two languages."""

    source: Path
    target: Path | None
    """None where one file holds both sides."""
    tag: str | None = None
    """What every source begins with, such as ``<2de>``."""


def files_of(
    name: str, sources: Sequence[Path], targets: Sequence[Path], tags: Sequence[str]
) -> list[Files]:
    """The files of lists that belong together.

    Raises:
        ValueError: naming the list, there is not one target, or not one tag, for each source, or a
            tag is none.
    """
    check_tags(f"{name}tags", tags)
    for other, given in ((f"{name}target", targets), (f"{name}tags", tags)):
        if given and len(given) != len(sources):
            raise ValueError(
                f"{other} must be {len(sources)}, one for each source file, got {len(given)}"
            )
    return [
        Files(Path(source), Path(target) if target else None, tag)
        for source, target, tag in itertools.zip_longest(sources, targets, tags)
    ]


def check_places(
    corpora: Iterable[Files], columns: Sequence[int] | None, fields: Sequence[str] | None
) -> None:
    """Raise where columns are below 0, or columns or fields are those of no file.

    Args:
        corpora: the files.
        columns: of files of tab-separated values.
        fields: of files of JSON lines.
    """
    for number in columns or ():
        check_not_negative("columns", number)
    endings = [Path(one.source).suffixes for one in corpora if one.target is None]
    if columns is not None and all(".jsonl" in some for some in endings):
        raise ValueError(f"columns must not be given without a .tsv corpus, got {tuple(columns)}")
    if fields is not None and not any(".jsonl" in some for some in endings):
        raise ValueError(f"fields must not be given without a .jsonl corpus, got {tuple(fields)}")


def pairs_of(
    corpora: Iterable[Files],
    columns: tuple[int, int] | None = None,
    fields: tuple[str, str] | None = None,
) -> Iterator[Pair]:
    """The pairs of all files, one after the other, their sources with the tags.

    Args:
        corpora: the files.
        columns: of source and target in files of tab-separated values; by default the first two.
        fields: of source and target in JSON lines; by default ``source`` and ``target``.
    """
    places: dict[str, Any] = {"columns": columns, "fields": fields}
    given = {name: value for name, value in places.items() if value is not None}
    for corpus in corpora:
        for pair in read_pairs(corpus.source, corpus.target, **given):
            yield pair if corpus.tag is None else Pair(f"{corpus.tag} {pair.source}", pair.target)


def links_of(paths: Sequence[Path], corpora: Sequence[Files]) -> Iterator[Links]:
    """The alignments of all pairs, one after the other, of the texts without their tags.

    Args:
        paths: a file for each corpus, with a line for each pair.
        corpora: the files of the pairs.

    Raises:
        ValueError: naming the file: it has not a line for each pair of its corpus.
    """
    for path, corpus in zip(paths, corpora, strict=True):
        pairs = itertools.zip_longest(read_lines(path), read_lines(corpus.source))
        for number, (line, source) in enumerate(pairs, 1):
            if line is None or source is None:
                shorter, longer = (path, corpus.source) if line is None else (corpus.source, path)
                raise ValueError(
                    f"{shorter}:{number}: line must exist, as it does in {longer}: alignments have "
                    "a line for each pair"
                )
            yield Links(line, f"{path}:{number}", before=int(corpus.tag is not None))


def count_pairs(corpora: Iterable[Files]) -> list[int]:
    """How many pairs each of the corpora has."""
    return [sum(1 for _ in read_lines(corpus.source)) for corpus in corpora]


def held_out(items: Iterable[T], sizes: Sequence[int] | None, *, kept: bool) -> Iterator[T]:
    """Of each corpus every fiftieth pair, or fewer: at most 1,000 in all, spread over all of them.

    Args:
        items: the pairs of all corpora, one after the other, or what goes with them line by line.
        sizes: how many pairs each corpus has; with None every fiftieth of the first 50,000 pairs,
            as earlier versions had it.
        kept: give all but those that are held out.

    >>> list(held_out("abcdef", [4, 2], kept=False))
    ['a', 'e']
    """
    out = _first_are_held_out() if sizes is None else _are_held_out(sizes)
    for item in items:
        if next(out, False) != kept:
            yield item


def _are_held_out(sizes: Sequence[int]) -> Iterator[bool]:
    most = max(HOLD_OUT_AT_MOST // len(sizes), 1)
    for size in sizes:
        every = max(HOLD_OUT_EVERY, math.ceil(size / most))
        yield from (number % every == 0 for number in range(size))


def _first_are_held_out() -> Iterator[bool]:
    for number in range(HOLD_OUT_EVERY * HOLD_OUT_AT_MOST):
        yield number % HOLD_OUT_EVERY == 0


def tokenizers_for(
    pairs: Iterable[Pair],
    kind: Kind,
    vocabulary_size: int,
    *,
    joint: bool,
    target_kind: Kind | None = None,
    tags: Sequence[str] = (),
    at_most: int = 1_000_000,
) -> tuple[Tokenizer, Tokenizer]:
    """Tokenizers of sources and targets, learned from the first pairs.

    Args:
        pairs: the corpus.
        kind: of tokenizer.
        vocabulary_size: the most tokens of either.
        joint: one vocabulary for both sides.
        target_kind: of the tokenizer of the targets, if not ``joint``; by default ``kind``.
        tags: one token each in the sources.
        at_most: pairs to learn from.
    """
    first = itertools.islice(pairs, at_most)
    if joint:
        texts = (text for pair in first for text in pair)
        both = train_tokenizer(texts, kind, vocabulary_size, tags=tags)
        return both, both
    first = list(first)
    source = train_tokenizer((pair.source for pair in first), kind, vocabulary_size, tags=tags)
    target_kind = kind if target_kind is None else target_kind
    return source, train_tokenizer((pair.target for pair in first), target_kind, vocabulary_size)


def check_direction(
    name: str, pairs: Iterable[Pair], store: Store, tokenizer: Tokenizer, *, at_most: int = 1000
) -> None:
    """Raise if pairs look as if their two sides were swapped.

    A side belongs to the language whose token frequencies give it the higher probability. Only
    where both sides fit the other language better is something said.

    Args:
        name: of the files, for the error.
        pairs: what to look at.
        store: of the training.
        tokenizer: of both sides: in vocabularies apart, frequencies tell nothing of the language.
        at_most: pairs that are looked at.
    """
    log_p = [_log_frequencies(store, side, len(tokenizer)) for side in range(2)]
    fit = np.zeros((2, 2))
    for pair in itertools.islice(pairs, at_most):
        for side, ids in enumerate(tokenizer.encode_batch(list(pair))):
            for language in range(2):
                fit[side, language] += log_p[language][np.array(ids, dtype=np.int64)].sum()
    if fit[0, 1] > fit[0, 0] and fit[1, 0] > fit[1, 1]:
        raise ValueError(
            f"{name} must be in the languages of the training: its sources look like the "
            "training's targets and its targets like the sources; are the two swapped?"
        )


def _log_frequencies(store: Store, side: int, size: int, *, blocks: int = 8) -> np.ndarray:
    """Of the tokens on a side of the first blocks, each counted once more than it is there."""
    counts = np.ones(size)
    for block in range(min(store.blocks, blocks)):
        for record in store.block(block):
            counts += np.bincount(record[side], minlength=size)
    return np.log(counts / counts.sum())
