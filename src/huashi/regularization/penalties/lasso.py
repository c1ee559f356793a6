r"""Penalties on groups of weights, with exact proximal steps.

Two that are often confused, for groups g that share no weight:

.. math:: \text{GroupSquaredL2} = \lambda \sum_g \|w_g\|^2 \qquad
          \text{GroupLasso} = \lambda \sum_g \omega_g \|w_g\|

The first is weight decay, whatever the groups, and never makes a weight zero; the second makes
whole groups exactly zero (Yuan and Lin, 2006; for filters of networks Wen et al., 2016). No formula
hides a factor 1/2 or a :math:`\sqrt{|g|}`.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from huashi._checks import check_choice, check_not_negative
from huashi.regularization import prox as proxes
from huashi.regularization.penalties.stationarity import least_factor, radial_distance, ratio

Weights = Literal["one", "sqrt"] | Tensor
"""What a group's norm is multiplied with: 1, the root of its number of elements, or (groups,)."""


@dataclass(frozen=True, kw_only=True)
class L1:
    """``strength * sum |w|``: single weights become zero.

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> L1().prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1.0)
    tensor([[ 2., -3.,  0.,  0.]])
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.abs().sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.soft_threshold(v, step * self.strength)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return proxes.soft_threshold(v, step * self.strength / h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        moved = gradient + self.strength * w.sign()
        at_zero = proxes.soft_threshold(gradient, self.strength)
        return torch.where(w == 0, at_zero, moved).norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return ratio(float(gradient.abs().max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class GroupSquaredL2:
    """``strength * sum w^2``, which texts call a group penalty: it is weight decay.

    On groups that share no weight it does not see the groups, and makes none of them zero; torch's
    ``weight_decay`` is twice this strength.

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> GroupSquaredL2().prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 0.5)
    tensor([[ 1.5000, -2.0000,  0.0000,  0.5000]])
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.square().sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return v / (1 + 2 * step * self.strength)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return h * v / (h + 2 * step * self.strength)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        return (gradient + 2 * self.strength * w).norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return 0.0 if not gradient.any() else float("inf")

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class ElasticNet:
    """``l1 * sum |w| + l2 * sum w^2``.

    Its methods are those of :class:`Penalty`.

    Args:
        l1: factor >= 0 of the magnitudes.
        l2: factor >= 0 of the squares.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> ElasticNet(l1=1.0, l2=0.5).prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1.0)
    tensor([[ 1.0000, -1.5000,  0.0000,  0.0000]])
    """

    l1: float = 1.0
    l2: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("l1", self.l1)
        check_not_negative("l2", self.l2)

    def value(self, w: Tensor) -> Tensor:
        return self.l1 * w.abs().sum() + self.l2 * w.square().sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.soft_threshold(v, step * self.l1) / (1 + 2 * step * self.l2)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return h * proxes.soft_threshold(v, step * self.l1 / h) / (h + 2 * step * self.l2)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        return L1(strength=self.l1).distance(gradient + 2 * self.l2 * w, w)

    def lambda_max(self, gradient: Tensor) -> float:
        return ratio(float(gradient.abs().max()), self.l1)

    def scaled(self, factor: float) -> Self:
        return replace(self, l1=factor * self.l1, l2=factor * self.l2)


@dataclass(frozen=True, kw_only=True)
class GroupLasso:
    """``strength * sum_g omega_g ||w_g||``: whole groups become zero (Yuan and Lin, 2006).

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.
        weights: of the norms: ``"one"``, ``"sqrt"`` of the number of elements, or a tensor,
            (groups,).

    Raises:
        ValueError: a factor is negative, or ``weights`` are unknown.

    >>> GroupLasso().prox(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    tensor([[2.4000, 3.2000],
            [0.0000, 0.0000]])
    """

    strength: float = 1.0
    weights: Weights = "one"

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)
        _check_weights(self.weights)

    def value(self, w: Tensor) -> Tensor:
        return (self._thresholds(w) * w.norm(dim=1)).sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.block_soft_threshold(v, step * self._thresholds(v))

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return proxes.metric_block_soft_threshold(v, step * self._thresholds(v), h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        return radial_distance(gradient, w, self._thresholds(w))

    def lambda_max(self, gradient: Tensor) -> float:
        return max(map(ratio, gradient.norm(dim=1).tolist(), self._thresholds(gradient).tolist()))

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)

    def _thresholds(self, w: Tensor) -> Tensor:
        return self.strength * _omega(self.weights, w)


@dataclass(frozen=True, kw_only=True)
class SparseGroupLasso:
    """``l1 * sum |w| + strength * sum_g omega_g ||w_g||``: groups, and weights in those that stay.

    Simon, Friedman, Hastie, Tibshirani: A Sparse-Group Lasso (2013).

    Its methods are those of :class:`Penalty`.

    Args:
        l1: factor >= 0 of the magnitudes.
        strength: factor >= 0 of the norms of groups.
        weights: of the norms: ``"one"``, ``"sqrt"`` of the number of elements, or a tensor,
            (groups,).

    Raises:
        ValueError: a factor is negative, or ``weights`` are unknown.

    >>> SparseGroupLasso(l1=0.5).prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1.0)
    tensor([[ 1.9226, -2.6917,  0.0000,  0.3845]])
    """

    l1: float = 1.0
    strength: float = 1.0
    weights: Weights = "one"

    def __post_init__(self) -> None:
        check_not_negative("l1", self.l1)
        check_not_negative("strength", self.strength)
        _check_weights(self.weights)

    def value(self, w: Tensor) -> Tensor:
        return self.l1 * w.abs().sum() + self._groups.value(w)

    def prox(self, v: Tensor, step: float) -> Tensor:
        return self._groups.prox(proxes.soft_threshold(v, step * self.l1), step)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        t = step * self._groups._thresholds(v)
        return proxes.metric_block_soft_threshold(v, t, h, l1=step * self.l1)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        norm = w.norm(dim=1, keepdim=True)
        direction = w / torch.where(norm > 0, norm, 1)
        moved = gradient + self._groups._thresholds(w)[:, None] * direction
        inside = L1(strength=self.l1).distance(moved, w)
        left = proxes.soft_threshold(gradient, self.l1)
        return torch.where(norm[:, 0] > 0, inside, self._groups.distance(left, torch.zeros_like(w)))

    def lambda_max(self, gradient: Tensor) -> float:
        return least_factor(lambda factor: not self.scaled(factor).prox(-gradient, 1.0).any())

    def scaled(self, factor: float) -> Self:
        return replace(self, l1=factor * self.l1, strength=factor * self.strength)

    @property
    def _groups(self) -> GroupLasso:
        return GroupLasso(strength=self.strength, weights=self.weights)


def _omega(weights: Weights, w: Tensor) -> Tensor:
    if isinstance(weights, Tensor):
        if weights.shape != w.shape[:1]:
            raise ValueError(
                f"weights must have shape ({len(w)},), one for each group, got "
                f"{tuple(weights.shape)}"
            )
        return weights.to(w)
    return w.new_full((len(w),), 1.0 if weights == "one" else w.shape[1] ** 0.5)


def _check_weights(weights: Weights) -> None:
    if not isinstance(weights, Tensor):
        check_choice("weights", weights, ("one", "sqrt"))
