"""From sums of log-probabilities to the scores by which finished hypotheses are compared.

The formulas are those of :class:`~huashi.seq2seq.search.Rules`.
"""

from typing import Any

import torch
from torch import Tensor

from huashi.seq2seq.search.beam.rules import Rules


def length_divisor(rules: Rules, length: Tensor | float) -> Any:
    """What a sum of log-probabilities is divided by, ``lp(length)`` of :class:`Rules`.

    Args:
        rules: their length_base, length_offset and length_penalty count.
        length: tokens, EOS counted: a number, or a tensor of any shape, which gives a tensor.

    >>> length_divisor(Rules(length_penalty=2.0), 3)
    9.0
    """
    base = rules.length_base
    return ((base + length + rules.length_offset) / (base + 1)) ** rules.length_penalty


def coverage_score(rules: Rules, coverage: Tensor) -> Tensor:
    """What the coverage of the source adds to a score, never above 0.

    Args:
        rules: their coverage and coverage_penalty count.
        coverage: sum of the attention to each source position, (..., source).

    Returns:
        A tensor (...) of that dtype.

    >>> coverage_score(Rules(coverage_penalty=1.0, coverage="excess"), torch.tensor([1.5, 0.5]))
    tensor(-0.5000)
    """
    if rules.coverage == "excess":
        terms = 1 - coverage.clamp(min=1)
    else:
        terms = torch.where(coverage > 0, coverage.clamp(max=1), 1).log()
    return rules.coverage_penalty * terms.sum(-1)


def brevity_score(rules: Rules, length: int, reference_lengths: Tensor) -> Tensor:
    """What a length adds to a score, never above 0.

    Args:
        rules: their brevity_penalty counts.
        length: tokens, EOS counted.
        reference_lengths: the length that is expected of each sentence, (sentences,).

    Returns:
        A tensor (sentences,).

    >>> brevity_score(Rules(brevity_penalty=3.5), 1, torch.tensor([7.0]))
    tensor([-21.])
    """
    return rules.brevity_penalty * (1 - reference_lengths / length).clamp(max=0)


def highest_score(rules: Rules, totals: Tensor, length: int, limit: Tensor) -> Tensor:
    """A bound on the score of every hypothesis of ``length`` to ``limit`` tokens.

    Log-probabilities are never above 0, so their sum can only fall, and coverage and brevity can
    only subtract. A score can only gain by its divisor, which is greatest at one of the two ends of
    the lengths.

    Args:
        rules: their length penalty counts.
        totals: sums of log-probabilities so far, (sentences,).
        length: tokens of the shortest hypothesis.
        limit: tokens of the longest, (sentences,), int64.

    Returns:
        A tensor (sentences,) of the dtype of ``totals``.
    """
    if rules.length_penalty < 0:
        return totals / length_divisor(rules, length)
    return totals / length_divisor(rules, limit.to(totals))
