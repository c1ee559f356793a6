"""Ways to make the continuations of a sentence's hypotheses differ."""

from dataclasses import dataclass

import torch
from torch import Tensor

from huashi._checks import check_not_negative, check_positive
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.beam.candidates import Candidates, Choose


@dataclass(frozen=True, kw_only=True)
class DiverseSiblings:
    """A token costs more the lower it ranks among the continuations of the same hypothesis.

    From its log-probability ``rate`` times its rank is subtracted, 1 for the best, so that the
    continuations of one hypothesis are less likely to fill the beam (Li 2016, arXiv 1611.08562).
    At the first step, where all continue the same hypothesis, nothing is subtracted. Scores of
    hypotheses are those after the subtraction.

    Args:
        rate: what a rank costs, at least 0.

    Raises:
        ValueError: ``rate`` is below 0.
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        check_not_negative("rate", self.rate)

    def among(self, choose: Choose) -> Choose:
        """``choose`` from log-probabilities from which the cost of the ranks is subtracted."""

        def choose_diverse(
            totals: Tensor, log_probs: Tensor, count: int, context: Context, numbers: Tensor
        ) -> Candidates:
            if context.length > 1:
                ranks = log_probs.argsort(dim=-1, descending=True, stable=True).argsort(-1) + 1
                log_probs = log_probs - self.rate * ranks
            return choose(totals, log_probs, count, context, numbers)

        return choose_diverse


@dataclass(frozen=True, kw_only=True)
class DiverseGroups:
    """The beam is searched in groups; a token costs more if groups before have chosen it.

    Diverse beam search (Vijayakumar 2016, arXiv 1610.02424). Each group has a beam of
    ``beam / groups`` and finishes by itself; no hypothesis passes from one to another. At each step
    the groups choose in turn: from the log-probability of a token, ``strength * (1 + overlap)`` is
    subtracted for each time that an earlier group has chosen it in this step. The overlap of two
    groups begins with 0; after each step, the tokens that both have chosen at the same place of
    their beams are added to it, and the sum is multiplied by ``discount``. With a discount of 0 the
    cost is plain Hamming diversity. Scores of hypotheses are those after the subtraction.

    Args:
        groups: how many, at least 1; a search refuses a beam that they do not divide.
        strength: what a token costs that was chosen before, at least 0.
        discount: how much of an overlap is left after a step, at least 0.

    Raises:
        ValueError: an argument is out of its range.
    """

    groups: int = 2
    strength: float = 0.5
    discount: float = 0.0

    def __post_init__(self) -> None:
        check_positive("groups", self.groups)
        check_not_negative("strength", self.strength)
        check_not_negative("discount", self.discount)

    def beam_of_group(self, beam: int) -> int:
        """The beam of each group.

        Raises:
            ValueError: the groups do not divide ``beam``.
        """
        if beam % self.groups:
            raise ValueError(f"groups must divide the beam of {beam}, got {self.groups}")
        return beam // self.groups


def in_groups(diversity: DiverseGroups, sentences: int, beam: int, choose: Choose) -> Choose:
    """``choose`` for one group after the other.

    Args:
        diversity: how many groups, and what a token costs that others have chosen.
        sentences: how many the search begins with.
        beam: of a group.
        choose: how each group chooses. What is returned keeps the overlap of the groups from step
            to step, so it serves one search.
    """
    groups = diversity.groups
    overlap = torch.zeros(sentences, groups, groups)

    def choose_in_groups(
        totals: Tensor, log_probs: Tensor, count: int, context: Context, numbers: Tensor
    ) -> Candidates:
        nonlocal overlap
        overlap = overlap.to(numbers.device)
        chosen = numbers.new_full((sentences, groups, beam), -1)
        parts, order = [], []
        for group in range(groups):
            rows = (numbers % groups == group).nonzero()[:, 0]
            if not len(rows):  # this group of every sentence is done
                continue
            owners = numbers[rows] // groups
            cost = _cost(chosen[owners, :group], overlap[owners, group, :group], log_probs)
            part = choose(
                totals[rows],
                log_probs[rows] - diversity.strength * cost[:, None],
                count,
                _rows_of(context, rows),
                numbers[rows],
            )
            first = part.tokens[:, :beam]
            chosen[owners, group, : first.shape[1]] = first
            parts.append(part)
            order.append(rows)
        same = (chosen[:, :, None] == chosen[:, None]) & (chosen >= 0)[:, :, None]
        overlap = diversity.discount * (overlap + same.sum(-1))
        places = torch.cat(order).argsort()
        return Candidates(*(torch.cat(column)[places] for column in zip(*parts, strict=True)))

    return choose_in_groups


def _cost(chosen: Tensor, overlap: Tensor, log_probs: Tensor) -> Tensor:
    """How often earlier groups have chosen each token, counted 1 + overlap, (rows, vocabulary).

    Args:
        chosen: tokens of the earlier groups, (rows, groups, beam), -1 for none, int64.
        overlap: with each of them, (rows, groups).
        log_probs: (..., vocabulary), for its dtype and device.
    """
    cost = log_probs.new_zeros(len(chosen), log_probs.shape[-1])
    for tokens, shared in zip(chosen.unbind(1), overlap.unbind(1), strict=True):
        weights = (1 + shared)[:, None] * (tokens >= 0)
        cost.scatter_add_(1, tokens.clamp(min=0), weights.to(cost))
    return cost


def _rows_of(context: Context, rows: Tensor) -> Context:
    """The context of some rows."""
    return context._replace(
        tokens=context.tokens[rows],
        sentences=context.sentences[rows],
        limit=context.limit[rows],
    )
