"""The best continuations of a sentence's hypotheses."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Context


class Candidates(NamedTuple):
    """Continuations of the hypotheses of each sentence by one token, the best first."""

    totals: Tensor
    """Sum of the log-probabilities with the new token, (sentences, count); -inf if impossible."""
    slots: Tensor
    """Which of the sentence's hypotheses each continues, (sentences, count), int64."""
    tokens: Tensor
    """The new tokens, (sentences, count), int64."""
    scores: Tensor
    """Log-probabilities of the new tokens, (sentences, count)."""
    beyond: Tensor
    """The highest total of all continuations that are not among the candidates, (sentences,); -inf
    if there are none."""


Choose = Callable[[Tensor, Tensor, int, Context, Tensor], Candidates]
"""Chooses the candidates of a step: ``choose(totals, log_probs, count, context, numbers)``.

- ``totals``: sum of the log-probabilities of each hypothesis so far, (sentences, alive);
- ``log_probs``: of the next tokens, (sentences, alive, vocabulary);
- ``count``: how many candidates of each sentence are wanted;
- ``context``: what the hypotheses hold so far;
- ``numbers``: which sentence each row belongs to, (sentences,), int64; with groups
  sentence * groups + group.
"""


def best_candidates(
    totals: Tensor, log_probs: Tensor, count: int, context: Context, numbers: Tensor
) -> Candidates:
    """The ``count`` continuations with the highest totals, as :data:`Choose`."""
    vocabulary = log_probs.shape[-1]
    sums = (totals[..., None] + log_probs).flatten(1)
    count = min(count, sums.shape[1])
    best, places = sums.topk(min(count + 1, sums.shape[1]))  # one more, which is not chosen
    beyond = best[:, count] if best.shape[1] > count else torch.full_like(best[:, 0], -torch.inf)
    places = places[:, :count]
    return Candidates(
        totals=best[:, :count],
        slots=places // vocabulary,
        tokens=places % vocabulary,
        scores=log_probs.flatten(1).gather(1, places),
        beyond=beyond,
    )
