r"""Monotonic attention: it never goes back (Raffel 2017, arXiv 1704.00784).

From the position where the last target stopped, attention passes over the source and stops at
position i with probability :math:`p_i = \sigma(e_i + r + \text{noise})`. Decoding can be ``hard``:
it stops at the first :math:`p_i > 1/2`. Training is ``soft``, the expectation of that,

.. math:: q_i = (1 - p_{i-1}) q_{i-1} + a^{\text{last}}_i, \qquad a_i = p_i q_i,

:math:`q_i` the probability of coming to i, :math:`a^{\text{last}}` the weights of the last target,
before the first one all at position 0. Noise makes probabilities grow sharp.

The paper trains with a closed form, :func:`parallel_monotonic`, which divides by a product of up
to S factors: beyond a long run of large probabilities it loses what the clip cuts off. We train
with the recursion itself, :func:`soft_monotonic`, in :math:`\log_2 S` steps instead of S by
doubling, without any division.
Weights can sum to less than 1: what passes the end of the source without a stop is lost.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Monotonic = Literal["soft", "hard"]
MONOTONIC: tuple[Monotonic, ...] = get_args(Monotonic)


def soft_monotonic(p: Tensor, last: Tensor) -> Tensor:
    """The expected attention, by the recursion.

    Args:
        p: probabilities of stopping at a position, (..., source).
        last: the weights of the last target, (..., source).

    Returns:
        The weights of this target, (..., source).

    From position 0 it stays with probability 1/2, and goes on to a position where it must stop:

    >>> soft_monotonic(torch.tensor([0.5, 1.0, 0.5]), torch.tensor([1.0, 0.0, 0.0]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    come = last  # to position i, from one of the last ``reach`` positions
    passed = F.pad(1 - p[..., :-1], (1, 0))  # so many positions before i, without a stop
    reach = 1
    while reach < p.shape[-1]:
        come = come + passed * _before(come, reach)
        passed = passed * _before(passed, reach)
        reach *= 2
    return p * come


def parallel_monotonic(p: Tensor, last: Tensor) -> Tensor:
    """The same by the paper's closed form, right while the product stays above 1e-10.

    >>> parallel_monotonic(torch.tensor([0.5, 0.5, 0.5]), torch.tensor([1.0, 0.0, 0.0]))
    tensor([0.5000, 0.2500, 0.1250])
    """
    passed = _passed(p)
    return p * passed * (last / passed.clamp(1e-10, 1)).cumsum(-1)


def hard_monotonic(p: Tensor, last: Tensor) -> Tensor:
    """All weight on the first position from the last one on with ``p > 1/2``, or none at all.

    >>> hard_monotonic(torch.tensor([0.9, 0.2, 0.7, 0.8]), torch.tensor([0.0, 1.0, 0.0, 0.0]))
    tensor([0., 0., 1., 0.])
    """
    stops = (p > 0.5) * last.cumsum(-1)
    return stops * _passed(stops)


class MonotonicMapping(nn.Module):
    """From scores to monotonic weights; in training always soft.

    Args:
        decoding: ``soft`` or ``hard`` weights out of training.
        score_bias: r at the start; it is learned. The lower, the further attention looks at first.
        noise: standard deviation of the noise of training.
    """

    def __init__(
        self, decoding: Monotonic = "hard", score_bias: float = -1.0, noise: float = 1.0
    ) -> None:
        super().__init__()
        self.decoding = decoding
        self.noise = noise
        self.score_bias = nn.Parameter(torch.tensor(float(score_bias)))

    def forward(self, scores: Tensor, mask: Tensor, last: Tensor) -> Tensor:
        """The weights of several targets, one after the other.

        Args:
            scores: (rows, target, source).
            mask: True at real positions, broadcastable to them.
            last: weights of the target before these, (rows, source).

        Returns:
            (rows, target, source), zero where masked.
        """
        scores = scores + self.score_bias
        if self.training and self.noise:
            scores = scores + self.noise * torch.randn_like(scores)
        attend = soft_monotonic if self.training or self.decoding == "soft" else hard_monotonic
        weights = []
        for p in (scores.sigmoid() * mask).unbind(1):
            last = attend(p, last)
            weights.append(last)
        return torch.stack(weights, 1)

    def extra_repr(self) -> str:
        return f"decoding={self.decoding}, noise={self.noise:g}"


def _before(x: Tensor, steps: int) -> Tensor:
    """What stands ``steps`` positions before; 0 before the first."""
    return F.pad(x[..., :-steps], (steps, 0))


def _passed(p: Tensor) -> Tensor:
    """The probability of passing over all positions before, (..., source)."""
    return F.pad(1 - p[..., :-1], (1, 0), value=1.0).cumprod(-1)
