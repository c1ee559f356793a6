"""From sums of log-probabilities to the scores by which hypotheses are compared."""

from typing import Any

import torch
from torch import Tensor

from huashi.seq2seq.search.beam.rules import Rules


def length_divisor(rules: Rules, length: Tensor | float) -> Any:
    """``lp(length)`` of :class:`Rules`, for lengths that count EOS; a tensor for a tensor.

    >>> length_divisor(Rules(length_penalty=2.0), 3)
    9.0
    """
    base = rules.length_base
    return ((base + length + rules.length_offset) / (base + 1)) ** rules.length_penalty


def coverage_score(rules: Rules, coverage: Tensor) -> Tensor:
    """What the attention to each source position, (..., source), adds to a score, (...).

    >>> coverage_score(Rules(coverage_penalty=1.0, coverage="excess"), torch.tensor([1.5, 0.5]))
    tensor(-0.5000)
    """
    if rules.coverage == "excess":
        terms = 1 - coverage.clamp(min=1)
    else:
        terms = torch.where(coverage > 0, coverage.clamp(max=1), 1).log()
    return rules.coverage_penalty * terms.sum(-1)


def brevity_score(rules: Rules, length: int, reference_lengths: Tensor) -> Tensor:
    """What a length that counts EOS adds to a score, for each sentence.

    >>> brevity_score(Rules(brevity_penalty=3.5), 1, torch.tensor([7.0]))
    tensor([-21.])
    """
    return rules.brevity_penalty * (1 - reference_lengths / length).clamp(max=0)


def highest_score(rules: Rules, totals: Tensor, length: int, limit: Tensor) -> Tensor:
    """No hypothesis of at least ``length`` and at most ``limit`` tokens scores above this.

    Log-probabilities are never positive, so a sum of them only falls, and neither are coverage and
    brevity: what is left to gain is the greatest divisor, which is at one end of the lengths.

    Args:
        rules: of the search.
        totals: sums of log-probabilities so far, (sentences,).
        length: of the shortest that is meant.
        limit: the greatest length of each sentence, (sentences,).
    """
    if rules.length_penalty < 0:
        return totals / length_divisor(rules, length)
    return totals / length_divisor(rules, limit.to(totals))
