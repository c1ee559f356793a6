"""From text files to the examples of each step: tokens, a store, and batches for each process."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from huashi.seq2seq.text.corpus import Pair, collate
from huashi.seq2seq.text.tokenizer import Tokenizer
from huashi.seq2seq.training.batches import Order, epochs
from huashi.seq2seq.training.objective import Examples
from huashi.seq2seq.training.store import Store

CHUNK = 10_000
"""Texts that are made token ids together."""


class Links(NamedTuple):
    """Which tokens of a pair go together, as a file has it."""

    text: str
    """Such as ``0-0 1-2``: source token - target token, from 0."""
    place: str = "alignments"
    """Where it stands, for errors: file and line."""
    before: int = 0
    """Tokens at the begin of the source that the numbers do not count: its tag."""


class Step(NamedTuple):
    """What one process computes for one step of the optimiser."""

    examples: list[Examples]
    """One batch for each that is accumulated and has something in it, at least one."""
    weights: list[float]
    """The weight of each: 0 for one that only keeps a process in step with those that have some."""
    tokens: int
    """Target tokens of the step, EOS counted, over all processes."""
    records: Sequence[int] = ()
    """Which of the store this process reads: their numbers, or where their windows begin."""


def tokenized(
    pairs: Iterable[Pair],
    tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    links: Iterable[Links | str] | None = None,
) -> Iterator[tuple[Sequence[int], ...]]:
    """The records of a store: source, target, and where there are ``links`` also these.

    Args:
        pairs: of a corpus of any size; a part of it is in memory at a time.
        tokenizer: of the sources.
        target_tokenizer: of the targets.
        links: those of each pair, or the line for it alone.

    Raises:
        ValueError: there is not a line for each pair, or a link is of tokens that there are not.
    """
    pairs, lines = iter(pairs), None if links is None else iter(links)
    count = 0
    while chunk := list(itertools.islice(pairs, CHUNK)):
        sources = tokenizer.encode_batch([pair.source for pair in chunk])
        targets = target_tokenizer.encode_batch([pair.target for pair in chunk])
        for source, target in zip(sources, targets, strict=True):
            count += 1
            if lines is None:
                yield source, target
            else:
                found = next(lines, None)
                if found is None:
                    raise ValueError(f"alignments must have a line for each pair, got {count - 1}")
                if isinstance(found, str):
                    found = Links(found, f"alignments:{count}")
                yield source, target, _numbers(found, len(source), len(target))
    if lines is not None and next(lines, None) is not None:
        raise ValueError(f"alignments must have a line for each pair, got more than {count}")


def windows(
    store: Store,
    tokens: tuple[int, int],
    *,
    context: int,
    rows: int,
    seed: int,
    skip: int = 0,
    rank: int = 0,
    processes: int = 1,
) -> Iterator[Step]:
    """Windows of running text drawn at random, step after step, without end.

    Args:
        store: of one side; its records stand one after the other.
        tokens: the first token to draw from, and the one after the last.
        context: tokens that are predicted in a window.
        rows: windows of a step in each process.
        seed: of what is drawn.
        skip: begin after so many steps.
        rank: which process this is.
        processes: how many there are.

    Raises:
        ValueError: there are fewer tokens than a window has.
    """
    first, last = tokens
    if last - first <= context:
        raise ValueError(
            f"context must be less than the {last - first} tokens of the text, got {context}"
        )
    for step in itertools.count(skip):
        draw = np.random.default_rng((seed, step))
        starts = draw.integers(first, last - context, size=rows * processes)[rank::processes]
        found = np.stack([store.window(int(start), context + 1) for start in starts])
        target = torch.from_numpy(found)
        none = torch.zeros(len(target), 1, dtype=torch.long)
        examples = Examples(none, none[:, 0] + 1, target)
        yield Step([examples], [1.0], rows * processes * context, starts.tolist())


def steps(
    store: Store,
    order: Order,
    *,
    seed: int,
    skip: int = 0,
    accumulate: int = 1,
    rank: int = 0,
    processes: int = 1,
    source_end: bool = True,
) -> Iterator[Step]:
    """What one of several processes computes, step after step, without end.

    A batch of ``processes * accumulate`` times the tokens is planned by all alike, and each takes
    its share of the sentences, so that what all compute together does not depend on their number.

    Args:
        store: the corpus.
        order: how batches are made; its tokens are those of one batch in one process.
        seed: of the order.
        skip: begin after so many steps.
        accumulate: batches of a step in each process.
        rank: which process this is.
        processes: how many there are.
        source_end: False for a model that reads sources without EOS.
    """
    parts = processes * accumulate
    whole = order._replace(max_tokens=order.max_tokens * parts)
    target = store.sides.index("target")
    for numbers, lengths in epochs(store, whole, seed=seed, skip=skip):
        mine = [numbers[part::parts] for part in range(rank, min(parts, len(numbers)), processes)]
        records = [store.records(some) for some in mine or [numbers[:1]]]
        yield Step(
            [examples_of(some, source_end=source_end) for some in records],
            [1.0] * len(mine) or [0.0],
            int((lengths[:, target] + 1).sum()),
            [int(number) for some in mine for number in some],
        )


def examples_of(records: Sequence[Any], *, source_end: bool = True) -> Examples:
    """Records as tensors."""
    if len(records[0]) == 1:  # of a language model, which reads no source
        sources, targets, links = [()] * len(records), [text for [text] in records], ()
    else:
        sources, targets, *links = zip(*records, strict=True)
    batch = collate(sources, targets, source_end=source_end)
    if not links:
        return Examples(*batch)
    shape = len(sources), batch.target.shape[1] - 1, batch.source.shape[1]
    linked = torch.zeros(shape, dtype=torch.bool)
    for row, flat in zip(linked, links[0], strict=True):
        row[flat[1::2], flat[::2]] = True
    return Examples(*batch, linked)


def _numbers(links: Links, source: int, target: int) -> list[int]:
    """Links as numbers, source and target in turn, of sequences of so many tokens."""
    found = []
    for link in links.text.split():
        left, _, right = link.partition("-")
        if not (left.isdecimal() and right.isdecimal() and len(link) < 40):
            raise ValueError(f"{links.place}: a link must be like 0-1, got {link[:60]!r}")
        if int(left) >= source - links.before or int(right) >= target:
            raise ValueError(
                f"{links.place}: a link must be of {source - links.before} source and {target} "
                f"target tokens, counted from 0{', the tag not counted' * bool(links.before)}, "
                f"got {link}"
            )
        found += [int(left) + links.before, int(right)]
    return found
