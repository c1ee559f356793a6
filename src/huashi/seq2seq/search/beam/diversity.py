"""Ways to make the continuations of a sentence's hypotheses differ."""

from dataclasses import dataclass

import torch
from torch import Tensor

from huashi._checks import check_not_negative, check_positive
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.beam.candidates import Candidates, Choose


@dataclass(frozen=True, kw_only=True)
class DiverseSiblings:
    """Take ``rate`` times its rank among its siblings, 1 for the best, from a token's score.

    What one hypothesis offers is less likely to fill the beam (Li 2016, arXiv 1611.08562). The
    first step, at which all are siblings, is as usual. Scores are those after the penalty.
    """

    rate: float = 0.5
    """What a rank costs."""

    def __post_init__(self) -> None:
        check_not_negative("rate", self.rate)

    def among(self, choose: Choose) -> Choose:
        """``choose`` from siblings that pay for their ranks."""

        def choose_diverse(
            totals: Tensor, steps: Tensor, count: int, context: Context, numbers: Tensor
        ) -> Candidates:
            if context.length > 1:
                ranks = steps.argsort(dim=-1, descending=True, stable=True).argsort(-1) + 1
                steps = steps - self.rate * ranks
            return choose(totals, steps, count, context, numbers)

        return choose_diverse


@dataclass(frozen=True, kw_only=True)
class DiverseGroups:
    """Search in groups, each of which pays for a token that groups before it have chosen.

    Diverse beam search (Vijayakumar 2016, arXiv 1610.02424): a beam of ``beam / groups`` for each
    group; from the score of a token a group takes ``strength`` times the choices of it by earlier
    groups in this step, each counted ``1 + overlap``. The overlap of two groups is how many tokens
    they have had in common, made less by the factor ``discount`` with every step, this one
    included: 0 is plain Hamming diversity. Scores are those after the penalty.

    Groups finish each for itself, so hypotheses never wander from one to another.
    """

    groups: int = 2
    """How many there are; they divide the beam."""
    strength: float = 0.5
    """What a token chosen before costs."""
    discount: float = 0.0
    """How much of an overlap is left after a step."""

    def __post_init__(self) -> None:
        check_positive("groups", self.groups)
        check_not_negative("strength", self.strength)
        check_not_negative("discount", self.discount)

    def beam_of_group(self, beam: int) -> int:
        """The beam of each group."""
        if beam % self.groups:
            raise ValueError(f"groups must divide the beam of {beam}, got {self.groups}")
        return beam // self.groups


def in_groups(diversity: DiverseGroups, sentences: int, beam: int, choose: Choose) -> Choose:
    """``choose`` for one group after the other; ``beam`` is that of a group."""
    groups = diversity.groups
    overlap = torch.zeros(sentences, groups, groups)

    def choose_in_groups(
        totals: Tensor, steps: Tensor, count: int, context: Context, numbers: Tensor
    ) -> Candidates:
        nonlocal overlap
        overlap = overlap.to(numbers.device)
        chosen = numbers.new_full((sentences, groups, beam), -1)
        parts, order = [], []
        for group in range(groups):
            rows = (numbers % groups == group).nonzero()[:, 0]
            owners = numbers[rows] // groups
            cost = steps.new_zeros(len(rows), steps.shape[-1])
            for other in range(group):
                tokens = chosen[owners, other]
                weights = (1 + overlap[owners, group, other])[:, None] * (tokens >= 0)
                cost.scatter_add_(1, tokens.clamp(min=0), weights.to(cost))
            part = choose(
                totals[rows],
                steps[rows] - diversity.strength * cost[:, None],
                count,
                context._replace(
                    tokens=context.tokens[rows],
                    sentences=context.sentences[rows],
                    limit=context.limit[rows],
                ),
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
