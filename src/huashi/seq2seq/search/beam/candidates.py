"""The best continuations of a sentence's hypotheses."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Context


class Candidates(NamedTuple):
    """Continuations of the hypotheses of each sentence, the best first."""

    totals: Tensor
    """Sum of the log-probabilities with the new token, (sentences, count)."""
    slots: Tensor
    """Which of the sentence's hypotheses each continues, (sentences, count)."""
    tokens: Tensor
    """The new tokens, (sentences, count)."""
    scores: Tensor
    """Log-probabilities of the new tokens, (sentences, count)."""
    beyond: Tensor
    """The highest total of all that is not a candidate, (sentences,); -inf where nothing is."""


Choose = Callable[[Tensor, Tensor, int, Context, Tensor], Candidates]
"""(totals so far (sentences, alive), log-probabilities (sentences, alive, vocabulary), count,
context, numbers (sentences,)) -> candidates. The number of a row is that of its sentence, and with
groups sentence * groups + group."""


def best_candidates(
    totals: Tensor, steps: Tensor, count: int, context: Context, numbers: Tensor
) -> Candidates:
    """The ``count`` continuations with the highest totals, as :data:`Choose`."""
    sums = (totals[..., None] + steps).flatten(1)
    count = min(count, sums.shape[1])
    best, places = sums.topk(min(count + 1, sums.shape[1]))
    beyond = best[:, count] if best.shape[1] > count else torch.full_like(best[:, 0], -torch.inf)
    places = places[:, :count]
    return Candidates(
        best[:, :count],
        places // steps.shape[-1],
        places % steps.shape[-1],
        steps.flatten(1).gather(1, places),
        beyond,
    )
