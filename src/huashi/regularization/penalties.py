r"""Penalties on groups of weights, with exact proximal steps.

Two that are often confused, for groups g that share no weight:

.. math:: \text{GroupSquaredL2} = \lambda \sum_g \|w_g\|^2 \qquad
          \text{GroupLasso} = \lambda \sum_g \omega_g \|w_g\|

The first is weight decay, whatever the groups, and never makes a weight zero; the second makes
whole groups exactly zero (Yuan and Lin, 2006; for filters of networks Wen et al., 2016). No formula
hides a factor 1/2 or a :math:`\sqrt{|g|}`.

A penalty is a few numbers and five methods. Weights ``w`` are (groups, elements), each row a group:

- ``value(w)``: 0-d.
- ``prox(v, step)``: :math:`\arg\min_x \tfrac12 \|x - v\|^2 + \mathrm{step} \cdot R(x)`.
- ``prox_metric(v, step, h)``: the same with :math:`\tfrac12 \sum_i h_i (x_i - v_i)^2`, as it fits
  an optimiser that divides each element by an h of its own.
- ``distance(gradient, w)``: of minus the gradient of the loss to the subdifferential, (groups,);
  0 where a group is stationary.
- ``lambda_max(gradient)``: the least factor of the penalty at which 0 is stationary, given the
  gradient of the loss at 0.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

import torch
from torch import Tensor

from huashi._checks import check_choice, check_not_negative, check_positive
from huashi.regularization import prox as proxes

Weights = Literal["one", "sqrt"] | Tensor
"""What a group's norm is multiplied with: 1, the root of its number of elements, or (groups,)."""


class Penalty(Protocol):
    """What a proximal optimiser needs of a penalty."""

    def value(self, w: Tensor) -> Tensor: ...
    def prox(self, v: Tensor, step: float) -> Tensor: ...
    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor: ...
    def distance(self, gradient: Tensor, w: Tensor) -> Tensor: ...
    def lambda_max(self, gradient: Tensor) -> float: ...
    def scaled(self, factor: float) -> Self: ...


@dataclass(frozen=True, kw_only=True)
class L1:
    """``strength * sum |w|``: single weights become zero."""

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
        return _ratio(float(gradient.abs().max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class GroupSquaredL2:
    """``strength * sum w^2``, which texts call a group penalty: it is weight decay.

    On groups that share no weight it does not see the groups, and makes none of them zero; torch's
    ``weight_decay`` is twice this strength.
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
    """``l1 * sum |w| + l2 * sum w^2``."""

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
        return _ratio(float(gradient.abs().max()), self.l1)

    def scaled(self, factor: float) -> Self:
        return replace(self, l1=factor * self.l1, l2=factor * self.l2)


@dataclass(frozen=True, kw_only=True)
class GroupLasso:
    """``strength * sum_g omega_g ||w_g||``: whole groups become zero (Yuan and Lin, 2006)."""

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
        return _radial_distance(gradient, w, self._thresholds(w))

    def lambda_max(self, gradient: Tensor) -> float:
        return max(map(_ratio, gradient.norm(dim=1).tolist(), self._thresholds(gradient).tolist()))

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)

    def _thresholds(self, w: Tensor) -> Tensor:
        return self.strength * _omega(self.weights, w)


@dataclass(frozen=True, kw_only=True)
class SparseGroupLasso:
    """``l1 * sum |w| + strength * sum_g omega_g ||w_g||``: groups, and weights in those that stay.

    Simon, Friedman, Hastie, Tibshirani: A Sparse-Group Lasso (2013).
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
        # as without a metric: the second step keeps signs and zeros, so that the first stays right
        return self._groups.prox_metric(proxes.soft_threshold(v, step * self.l1 / h), step, h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        norm = w.norm(dim=1, keepdim=True)
        direction = w / torch.where(norm > 0, norm, 1)
        moved = gradient + self._groups._thresholds(w)[:, None] * direction
        inside = L1(strength=self.l1).distance(moved, w)
        left = proxes.soft_threshold(gradient, self.l1)
        return torch.where(norm[:, 0] > 0, inside, self._groups.distance(left, torch.zeros_like(w)))

    def lambda_max(self, gradient: Tensor) -> float:
        return least_factor(self, gradient)

    def scaled(self, factor: float) -> Self:
        return replace(self, l1=factor * self.l1, strength=factor * self.strength)

    @property
    def _groups(self) -> GroupLasso:
        return GroupLasso(strength=self.strength, weights=self.weights)


@dataclass(frozen=True, kw_only=True)
class Exclusive:
    """``strength / 2 * sum_g (sum_i |w_gi|)^2``: weights of a group compete (Zhou et al., 2010)."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)

    def value(self, w: Tensor) -> Tensor:
        return self.strength / 2 * w.abs().sum(1).square().sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.exclusive_threshold(v, step * self.strength)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return proxes.exclusive_threshold(v, step * self.strength, h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        t = self.strength * w.abs().sum(1, keepdim=True)
        at_zero = proxes.soft_threshold(gradient, t)
        return torch.where(w == 0, at_zero, gradient + t * w.sign()).norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return 0.0 if not gradient.any() else float("inf")

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class GroupMCP:
    """The minimax concave penalty of each group's norm: large groups are not shrunk.

    Its slope falls from ``strength`` at 0 to 0 at ``gamma * strength`` (Zhang, 2010; for groups
    Breheny and Huang, 2015). In a metric each group counts with the largest of its h.
    """

    strength: float = 1.0
    gamma: float = 3.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)
        check_positive("gamma", self.gamma)

    def value(self, w: Tensor) -> Tensor:
        size = w.norm(dim=1).clamp(max=self.gamma * self.strength)
        return (self.strength * size - size.square() / (2 * self.gamma)).sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return _concave(v, step, self._knots)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return _concave(v, step / h.amax(1, keepdim=True), self._knots)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        slope = (self.strength - w.norm(dim=1) / self.gamma).clamp(min=0)
        return _radial_distance(gradient, w, slope)

    def lambda_max(self, gradient: Tensor) -> float:
        return _ratio(float(gradient.norm(dim=1).max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)

    @property
    def _knots(self) -> list[tuple[float, float, float]]:
        return [(0.0, self.strength, -1 / self.gamma), (self.gamma * self.strength, 0.0, 0.0)]


@dataclass(frozen=True, kw_only=True)
class GroupSCAD:
    """Smoothly clipped absolute deviation of each group's norm (Fan and Li, 2001).

    Its slope is ``strength`` up to a norm of ``strength`` and falls to 0 at ``a * strength``. In a
    metric each group counts with the largest of its h.
    """

    strength: float = 1.0
    a: float = 3.7

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)
        if not self.a > 1:
            raise ValueError(f"a must be > 1, got {self.a}")

    def value(self, w: Tensor) -> Tensor:
        size, t, a = w.norm(dim=1), self.strength, self.a
        flat = size.clamp(max=t)
        bent = (size.clamp(min=t, max=a * t) - t) / (a - 1)
        return (t * flat + bent * (a - 1) * (t - bent / 2)).sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return _concave(v, step, self._knots)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return _concave(v, step / h.amax(1, keepdim=True), self._knots)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        slope = (self.a * self.strength - w.norm(dim=1)) / (self.a - 1)
        return _radial_distance(gradient, w, slope.clamp(min=0, max=self.strength))

    def lambda_max(self, gradient: Tensor) -> float:
        return _ratio(float(gradient.norm(dim=1).max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)

    @property
    def _knots(self) -> list[tuple[float, float, float]]:
        t, a = self.strength, self.a
        return [(0.0, t, 0.0), (t, t, -1 / (a - 1)), (a * t, 0.0, 0.0)]


@dataclass(frozen=True, kw_only=True)
class GroupMax:
    """``strength * sum_g max_i |w_gi|``, the l1-infinity norm (Turlach, Venables, Wright, 2005)."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.abs().amax(1).sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.max_threshold(v, step * self.strength)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return proxes.max_threshold(v, step * self.strength, h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        peak = w.abs().amax(1, keepdim=True)
        top = (w.abs() == peak) & (peak > 0)
        pull = torch.where(top, -gradient * w.sign(), -torch.inf)
        shares = proxes.onto_simplex(pull, self.strength)
        moved = torch.where(top, gradient + shares * w.sign(), gradient)
        at_zero = gradient - proxes.onto_l1_ball(gradient, self.strength)
        return torch.where(peak > 0, moved, at_zero).norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return _ratio(float(gradient.abs().sum(1).max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class GroupHalf:
    """``strength * sum_g ||w_g||^(1/2)``, l1/2 regularization of groups (Xu et al., 2012).

    Single weights are groups of one. 0 is always stationary, and from there no step leads away that
    is too small. In a metric each group counts with the largest of its h.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.norm(dim=1).sqrt().sum()

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        size = v.norm(dim=1, keepdim=True)
        moved = proxes.half_threshold(size, step * self.strength)
        return v * moved / torch.where(size > 0, size, 1)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return self.prox(v, step / h.amax(1, keepdim=True))

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        norm = w.norm(dim=1)
        return _radial_distance(gradient, w, self.strength / (2 * norm.sqrt()))

    def lambda_max(self, gradient: Tensor) -> float:
        return 0.0

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class Nuclear:
    """``strength`` times the sum of the singular values of the matrix: its rank becomes low.

    In a metric the largest h counts for all.
    """

    strength: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("strength", self.strength)

    def value(self, w: Tensor) -> Tensor:
        return self.strength * torch.linalg.svdvals(w).sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.singular_value_threshold(v, step * self.strength)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return self.prox(v, step / float(h.max()))

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        u, s, vh = torch.linalg.svd(w, full_matrices=False)
        kept = s > s.amax().clamp(min=1e-30) * max(w.shape) * torch.finfo(w.dtype).eps
        u, vh = u * kept, vh * kept[:, None]
        across = gradient - u @ (u.mT @ gradient)
        across = across - (across @ vh.mT) @ vh
        along = gradient - across + self.strength * (u @ vh)
        left = proxes.singular_value_threshold(across, self.strength)
        return (along + left).norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return _ratio(float(torch.linalg.matrix_norm(gradient, 2)), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class AtMost:
    """No more than so many ``groups`` that are not zero; the largest stay.

    A constraint, not a price: it has no strength, and its value is 0 or infinite.
    """

    groups: int

    def __post_init__(self) -> None:
        check_not_negative("groups", self.groups)

    def value(self, w: Tensor) -> Tensor:
        return _indicator(w, int(w.any(1).sum()) <= self.groups)

    def prox(self, v: Tensor, step: float) -> Tensor:
        return proxes.largest_groups(v, self.groups)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        return proxes.largest_groups(v, self.groups, h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        kept = w.any(1)
        free = kept | (kept.sum() < self.groups)
        return torch.where(free, gradient.norm(dim=1), 0)

    def lambda_max(self, gradient: Tensor) -> float:
        return float("nan")

    def scaled(self, factor: float) -> Self:
        return self


@dataclass(frozen=True, kw_only=True)
class NOfM:
    """Of each ``m`` weights in a row of a group no more than ``n`` that are not zero, as in 2:4.

    A constraint, not a price: it has no strength, and its value is 0 or infinite.
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        check_positive("m", self.m)
        if not 0 <= self.n <= self.m:
            raise ValueError(f"n must be in [0, {self.m}], got {self.n}")

    def value(self, w: Tensor) -> Tensor:
        return _indicator(w, bool((self._count(w) <= self.n).all()))

    def prox(self, v: Tensor, step: float) -> Tensor:
        self._count(v)
        return proxes.n_of_m(v, self.n, self.m)

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        self._count(v)
        return proxes.n_of_m(v, self.n, self.m, h)

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        room = (self._count(w) < self.n).repeat_interleave(self.m, 1)
        return torch.where((w != 0) | room, gradient, 0).norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return float("nan")

    def scaled(self, factor: float) -> Self:
        return self

    def _count(self, w: Tensor) -> Tensor:
        if w.shape[1] % self.m:
            raise ValueError(f"m must divide the {w.shape[1]} elements of a group, got {self.m}")
        return (w != 0).unflatten(1, (-1, self.m)).sum(-1)


def least_factor(penalty: Penalty, gradient: Tensor) -> float:
    """The least factor of a norm at which it holds 0 against ``gradient``, by halving.

    For norms alone: 0 is stationary just where the proximal step from minus the gradient ends at 0.
    """
    high = 1.0
    for _ in range(200):
        if not penalty.scaled(high).prox(-gradient, 1.0).any():
            break
        high *= 2
    else:
        return float("inf")
    low = 0.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if penalty.scaled(middle).prox(-gradient, 1.0).any():
            low = middle
        else:
            high = middle
    return high


def _concave(v: Tensor, step: Tensor | float, knots: list[tuple[float, float, float]]) -> Tensor:
    size = v.norm(dim=1, keepdim=True)
    return v * proxes.concave_threshold(size, step, knots) / torch.where(size > 0, size, 1)


def _radial_distance(gradient: Tensor, w: Tensor, slope: Tensor) -> Tensor:
    """Where a penalty of each norm has this slope, which at 0 is the radius of a ball."""
    norm = w.norm(dim=1)
    direction = w / torch.where(norm > 0, norm, 1)[:, None]
    at_zero = (gradient.norm(dim=1) - slope).clamp(min=0)
    return torch.where(norm > 0, (gradient + slope[:, None] * direction).norm(dim=1), at_zero)


def _indicator(w: Tensor, inside: bool) -> Tensor:
    return w.new_zeros(()) if inside else w.new_full((), torch.inf)


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


def _ratio(size: float, threshold: float) -> float:
    if threshold > 0:
        return size / threshold
    return 0.0 if size == 0 else float("inf")
