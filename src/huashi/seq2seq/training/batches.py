"""The order of training: epoch after epoch, shuffled, in batches of about as many tokens.

An epoch takes the blocks of a store in random order. Some of them at a time are a buffer, whose
records are sorted by length, those of one length at random, cut into batches, and the batches
shuffled. Only lengths are needed for this, so every process of a distributed training plans the
same batches, and reads the tokens of its own share alone; a training that goes on plans again what
it had done, and reads nothing of it.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from huashi.seq2seq.training.store import BLOCK, Store


class Order(NamedTuple):
    """How batches are made of a store."""

    max_tokens: int
    """The most positions of a batch on either side, padding counted."""
    max_length: int
    """A record with a longer sequence is left out."""
    ends: int = 1
    """Tokens that are added to every sequence: BOS or EOS."""
    buffer: int = 64
    """Blocks that are shuffled and sorted together: 64 are 262,144 records."""


class Planned(NamedTuple):
    """The records of a batch."""

    numbers: np.ndarray
    """Which they are, shortest first, (records,)."""
    lengths: np.ndarray
    """Of their sequences, (records, sides)."""


def epochs(store: Store, order: Order, *, seed: int, skip: int = 0) -> Iterator[Planned]:
    """Batch after batch, epoch after epoch, without end.

    Args:
        store: the records.
        order: how batches are made.
        seed: the same seed gives the same batches.
        skip: begin after so many batches, where an interrupted training stopped.

    Raises:
        ValueError: no record is short enough, or one that is does not fit in a batch.
    """
    longest = order.max_length + order.ends
    if order.max_tokens < longest:
        raise ValueError(
            f"batch_tokens must be >= {longest}, for sequences of up to {order.max_length} tokens "
            f"and {order.ends} more, got {order.max_tokens}"
        )
    for number in itertools.count():
        batches = 0
        for batch in epoch(store, order, np.random.default_rng((seed, number))):
            batches += 1
            if batches > skip:
                yield batch
        skip = max(skip - batches, 0)
        if not batches:
            raise ValueError(
                f"max_length must leave a record, got {order.max_length} for {len(store)} that are "
                "all longer"
            )


def epoch(store: Store, order: Order, generator: np.random.Generator) -> Iterator[Planned]:
    """All batches of one epoch; what is too long is in none."""
    blocks = generator.permutation(store.blocks)
    for first in range(0, len(blocks), order.buffer):
        numbers, lengths = [], []
        for block in blocks[first : first + order.buffer]:
            of_block = store.lengths(int(block))
            kept = (of_block.max(1) <= order.max_length).nonzero()[0]
            numbers.append(block * BLOCK + kept)
            lengths.append(of_block[kept])
        buffer = Planned(np.concatenate(numbers), np.concatenate(lengths))
        yield from _batches(buffer, order, generator)


def _batches(buffer: Planned, order: Order, generator: np.random.Generator) -> Iterator[Planned]:
    """A buffer cut into batches, in random order."""
    shuffled = generator.permutation(len(buffer.numbers))
    by_length = np.argsort(buffer.lengths[shuffled].max(1), kind="stable")
    numbers, lengths = (part[shuffled[by_length]] for part in buffer)
    longest = lengths.max(1) + order.ends
    cuts = [0]
    while cuts[-1] < len(numbers):
        rest = longest[cuts[-1] :]
        rest = rest[: order.max_tokens // rest[0]]
        positions = rest * np.arange(1, len(rest) + 1)  # of a batch that ends here
        cuts.append(cuts[-1] + int(np.searchsorted(positions, order.max_tokens, side="right")))
    for i in generator.permutation(len(cuts) - 1):
        part = slice(cuts[i], cuts[i + 1])
        yield Planned(numbers[part], lengths[part])


def count_longer(store: Store, max_length: int) -> int:
    """How many records have a sequence of more than ``max_length`` tokens."""
    return sum(
        int((store.lengths(block).max(1) > max_length).sum()) for block in range(store.blocks)
    )
