"""Parallel text: pairs of a source and a target from the files people have, and batches of them.

A corpus is one file of tab-separated values (``.tsv``, ``.txt``), one of JSON lines (``.jsonl``),
or two files with a sentence a line; each plain or compressed (``.gz``, ``.zst``). ``-`` is standard
input, as lines or as tab-separated values. A fault is an error that names the file and the line;
nothing is skipped silently.
"""

import gzip
import itertools
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from huashi._seeds import torch_seed
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Pair(NamedTuple):
    """A text and what it becomes."""

    source: str
    target: str


class Batch(NamedTuple):
    """Pairs as tensors."""

    source: Tensor
    """Token ids, (sentences, source positions), padded on the right; EOS ends each that has it."""
    lengths: Tensor
    """The true length of each source, EOS counted, (sentences,)."""
    target: Tensor
    """Token ids, (sentences, target positions), from BOS to EOS, padded on the right."""


def read_lines(path: str | Path, *, bad: list[int] | None = None) -> Iterator[str]:
    """The lines of a text file without their line ends, read as they are asked for.

    Args:
        path: a file of UTF-8 text, plain, ``.gz`` or ``.zst``; ``-`` is standard input.
        bad: takes the numbers, from 1, of lines that are not UTF-8, which are then empty; by
            default the first of them is an error.

    Raises:
        ValueError: a line is not UTF-8, the file is not what its ending says, or standard input is
            closed.
    """
    with _open(path) as file:
        number = 0
        try:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    if bad is None:
                        raise
                    bad.append(number)
                    text = ""
                yield text.removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise ValueError(
                f"{_name(path)}:{number}: line must be UTF-8, got byte 0x{byte:02x} at position "
                f"{error.start}"
            ) from None
        except (gzip.BadGzipFile, zlib.error, zstd.ZstdError, EOFError) as error:
            raise ValueError(
                f"{_name(path)}:{number + 1}: file must be whole and as its ending says: {error}"
            ) from None


def read_pairs(
    source: str | Path,
    target: str | Path | None = None,
    *,
    columns: tuple[int, int] = (0, 1),
    fields: tuple[str, str] = ("source", "target"),
) -> Iterator[Pair]:
    """The pairs of a corpus, in its order.

    Args:
        source: one file of pairs, or, with ``target``, the file of sources.
        target: the file of targets, line by line those of ``source``.
        columns: which columns of a TSV file hold source and target, from 0.
        fields: which fields of a JSONL file do.

    Raises:
        ValueError: naming file and line: a side is empty, a column is missing, a line is not JSON
            or not UTF-8, or one of two files is longer than the other.
    """
    if target is not None:
        pairs = _aligned(source, target)
    elif ".jsonl" in Path(source).suffixes:
        pairs = _jsonl(source, *fields)
    else:
        pairs = _tsv(source, *columns)
    for number, pair in enumerate(pairs, 1):
        for side, text in zip(pair._fields, pair, strict=True):
            if not text.strip():
                path = target if target is not None and side == "target" else source
                raise ValueError(f"{_name(path)}:{number}: {side} must not be empty")
        yield pair


def token_batches(
    lengths: Sequence[tuple[int, int]],
    max_tokens: int,
    *,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Group pairs of like length, so that a batch holds at most ``max_tokens`` with its padding.

    Args:
        lengths: source and target length of each pair.
        max_tokens: the most positions, padding counted, on either side of a batch.
        generator: shuffles pairs of the same length, and the batches; without it the order is
            fixed, shortest first.

    Returns:
        Batches of indices into ``lengths``; every index occurs once.

    Raises:
        ValueError: a pair alone is longer than ``max_tokens``.

    >>> token_batches([(2, 2), (9, 3), (2, 1), (3, 3)], max_tokens=9)
    [[2, 0, 3], [1]]
    """
    order = range(len(lengths))
    if generator is not None:
        order = torch.randperm(len(lengths), generator=generator).tolist()
    batches: list[list[int]] = []
    longest = 0
    for i in sorted(order, key=lengths.__getitem__):
        length = max(lengths[i])
        if length > max_tokens:
            raise ValueError(
                f"max_tokens must be >= {length}, the length of pair {i}, got {max_tokens}"
            )
        longest = max(longest, length)
        if not batches or longest * (len(batches[-1]) + 1) > max_tokens:
            batches.append([])
            longest = length
        batches[-1].append(i)
    if generator is not None:
        shuffled = torch.randperm(len(batches), generator=generator).tolist()
        batches = [batches[i] for i in shuffled]
    return batches


def shuffled_batches(
    lengths: Sequence[tuple[int, int]], max_tokens: int, *, seed: int, skip: int = 0
) -> Iterator[list[int]]:
    """:func:`token_batches` of epoch after epoch, without end, each in another order.

    Args:
        lengths: source and target length of each pair.
        max_tokens: as in :func:`token_batches`.
        seed: the same seed gives the same batches.
        skip: begin after so many batches, where an interrupted training stopped.
    """
    if not lengths:
        raise ValueError("lengths must hold at least one pair, got none")
    for epoch in itertools.count():
        generator = torch.Generator().manual_seed(torch_seed(1_000_003 * seed + epoch))
        batches = token_batches(lengths, max_tokens, generator=generator)
        yield from batches[skip:]
        skip = max(skip - len(batches), 0)


def collate(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    source_end: bool = True,
) -> Batch:
    """Pad token ids to one batch; EOS is added to both sides, BOS to the target.

    Args:
        sources: token ids of each source.
        targets: those of each target.
        source_end: False for a model that reads sources without EOS.

    >>> collate([[5, 6], [7]], [[8], [9]]).source
    tensor([[5, 6, 3], [7, 3, 0]])
    """
    ended = [[*source, EOS] if source_end else source for source in sources]
    lengths = torch.tensor([len(source) for source in ended])
    return Batch(_padded(ended), lengths, _padded([[BOS, *target, EOS] for target in targets]))


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])


def _name(path: str | Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _open(path: str | Path) -> AbstractContextManager[Iterable[bytes]]:
    if str(path) == "-":
        if sys.stdin is None:
            raise ValueError("standard input must be open to be read, it is closed")
        # Not sys.stdin.buffer: a thread that waits in it cannot be left behind at the end.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    opener = {".gz": gzip.open, ".zst": zstd.open}.get(Path(path).suffix, open)
    return opener(path, "rb")


def _aligned(source: str | Path, target: str | Path) -> Iterator[Pair]:
    lines = itertools.zip_longest(read_lines(source), read_lines(target))
    for number, (left, right) in enumerate(lines, 1):
        if left is None or right is None:
            shorter, longer = (source, target) if left is None else (target, source)
            raise ValueError(
                f"{_name(shorter)}:{number}: line must exist, as it does in {_name(longer)}: "
                "two aligned files have the same number of lines"
            )
        yield Pair(left, right)


def _tsv(path: str | Path, source: int, target: int) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split("\t")
        if len(cells) <= max(source, target):
            raise ValueError(
                f"{_name(path)}:{number}: line must have {max(source, target) + 1} tab-separated "
                f"columns, got {len(cells)}"
            )
        yield Pair(cells[source], cells[target])


def _jsonl(path: str | Path, source: str, target: str) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # numbers have a limit too
            problem = str(error).splitlines()[0]
            raise ValueError(f"{_name(path)}:{number}: line must be JSON: {problem}") from None
        if not isinstance(record, dict):
            raise ValueError(
                f"{_name(path)}:{number}: line must be a JSON object, got {line[:60]!r}"
            )
        for field in (source, target):
            if not isinstance(record.get(field), str):
                raise ValueError(
                    f"{_name(path)}:{number}: field {field!r} must be a string, got "
                    f"{record.get(field, 'no such field')!r}; the fields are {sorted(record)}"
                )
            try:
                record[field].encode()
            except UnicodeEncodeError as error:
                code = ord(record[field][error.start])
                raise ValueError(
                    f"{_name(path)}:{number}: field {field!r} must be Unicode text, got "
                    f"U+{code:04X}, half of a pair of surrogates"
                ) from None
        yield Pair(record[source], record[target])
