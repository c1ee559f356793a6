"""What a beam search was asked for, and what it knows of its sentences from step to step.

Shapes: ``sentences`` counts the sentences that are not done yet, ``alive`` the hypotheses of each.
With groups (:class:`~huashi.seq2seq.search.DiverseGroups`) every group of a sentence is searched
like a sentence of its own and has a row here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Adjustment
from huashi.seq2seq.search.beam.candidates import Choose
from huashi.seq2seq.search.beam.rules import Rules
from huashi.seq2seq.search.hypothesis import BeamStep


class Search(NamedTuple):
    """What a beam search was asked for; it stays the same from step to step."""

    rules: Rules
    beam: int
    """Hypotheses to keep alive."""
    nbest: int
    """Hypotheses to return, at most ``beam``."""
    bos: int
    eos: int
    groups: int
    """Rows of each sentence; 1 without groups."""
    choose: Choose
    adjustments: tuple[Adjustment, ...]
    provable: bool
    """Whether bounds can prove a hypothesis exact: only if the totals are the model's own, without
    diversity, and nothing but them decides what is kept, without constraints."""
    bounded: bool
    """Whether log-probabilities are at most 0 after adjustments, so that sums can only fall."""
    reference_lengths: Tensor | None
    """Of all sentences that the search began with, for the brevity penalty."""
    alignment: Callable[[Any], Tensor] | None
    observe: Callable[[BeamStep], None] | None

    @property
    def enough(self) -> int:
        """How many finished hypotheses end the search under the rule ``stop="count"``."""
        return max(round(self.beam * self.rules.patience), 1)

    @property
    def room(self) -> int:
        """How many finished hypotheses are kept."""
        return {"nbest": self.nbest, "beam": self.beam, "first": self.enough}[self.rules.keep]


class Alive(NamedTuple):
    """The hypotheses that the next step continues."""

    totals: Tensor
    """Sum of the log-probabilities of each, (sentences, alive); -inf for one that cannot go on."""
    nodes: Tensor
    """Where each ends in the trace, (sentences, alive), int64."""
    tokens: Tensor
    """The tokens of each, without BOS, (sentences, alive, length), int64."""
    coverage: Tensor
    """Sum of the attention of each to the source, (sentences, alive, source); source is 0 unless
    there is a coverage penalty."""


class Finished(NamedTuple):
    """The hypotheses that have finished."""

    scores: Tensor
    """Of those that are kept, best first, (sentences, room); -inf where there is none yet."""
    nodes: Tensor
    """Where each of those ends in the trace, (sentences, room), int64."""
    number: Tensor
    """How many have finished so far, kept or not, (sentences,), int64."""
    best_ended: Tensor
    """Whether in some step the best of all candidates finished, (sentences,), bool."""


class Bounds(NamedTuple):
    """What hypotheses that have not finished could score at best; -inf if there are none."""

    alive: Tensor
    """Of those alive, (sentences,)."""
    dropped: Tensor
    """Of all that were dropped in any step, (sentences,)."""


class Beams(NamedTuple):
    """What the search knows of the sentences that are not done, one row a sentence."""

    numbers: Tensor
    """Which sentence a row belongs to, (sentences,), int64; with groups sentence * groups + group.
    """
    limit: Tensor
    """The greatest length, (sentences,), int64."""
    alive: Alive
    finished: Finished
    bounds: Bounds


def start(search: Search, limit: Tensor) -> Beams:
    """The beams before the first step: one empty hypothesis for each row.

    Args:
        search: what was asked for.
        limit: the greatest length of each sentence, (sentences,), int64.
    """
    limit = limit.repeat_interleave(search.groups)
    rows, device = len(limit), limit.device
    zeros = torch.zeros(rows, 1, dtype=torch.long, device=device)
    no_scores = torch.full((rows, search.room), -torch.inf, device=device)
    return Beams(
        numbers=torch.arange(rows, device=device),
        limit=limit,
        alive=Alive(
            totals=torch.zeros(rows, 1, device=device),
            nodes=zeros - 1,
            tokens=zeros.new_empty(rows, 1, 0),
            coverage=no_scores.new_zeros(rows, 1, 0),
        ),
        finished=Finished(
            scores=no_scores,
            nodes=zeros.expand(-1, search.room) - 1,
            number=zeros[:, 0],
            best_ended=zeros[:, 0] > 0,
        ),
        bounds=Bounds(alive=no_scores[:, 0], dropped=no_scores[:, 0]),
    )
