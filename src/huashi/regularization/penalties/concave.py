"""Concave penalties of the norm of each group: the larger a group, the less it is shrunk.

Their plain steps are exact, whatever the step. In a metric the step is that of the largest h of
each group: a step in another metric than the optimiser's, which rests where the loss, its gradient
scaled by the share of each h in the largest, and the penalty are in balance. Where all h of a group
are equal it is exact.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from huashi._checks import check_not_negative, check_positive
from huashi.regularization import prox as proxes
from huashi.regularization.penalties.stationarity import no_lambda_max, radial_distance, ratio


@dataclass(frozen=True, kw_only=True)
class GroupMCP:
    """The minimax concave penalty of each group's norm: large groups are not shrunk.

    Its slope falls from ``strength`` at 0 to 0 at ``gamma * strength`` (Zhang, 2010; for groups
    Breheny and Huang, 2015).

    Its methods are those of :class:`Penalty`.

    Args:
        strength: slope >= 0 at a norm of 0.
        gamma: > 0; from a norm of ``gamma * strength`` on there is no slope.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> GroupMCP().prox(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    tensor([[3., 4.],
            [0., 0.]])
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
        return radial_distance(gradient, w, slope)

    def lambda_max(self, gradient: Tensor) -> float:
        return ratio(float(gradient.norm(dim=1).max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)

    @property
    def _knots(self) -> list[tuple[float, float, float]]:
        return [(0.0, self.strength, -1 / self.gamma), (self.gamma * self.strength, 0.0, 0.0)]


@dataclass(frozen=True, kw_only=True)
class GroupSCAD:
    """Smoothly clipped absolute deviation of each group's norm (Fan and Li, 2001).

    Its slope is ``strength`` up to a norm of ``strength`` and falls to 0 at ``a * strength``.

    Its methods are those of :class:`Penalty`.

    Args:
        strength: slope >= 0 at a norm of 0.
        a: > 1; from a norm of ``a * strength`` on there is no slope.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> GroupSCAD().prox(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    tensor([[3., 4.],
            [0., 0.]])
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
        return radial_distance(gradient, w, slope.clamp(min=0, max=self.strength))

    def lambda_max(self, gradient: Tensor) -> float:
        return ratio(float(gradient.norm(dim=1).max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)

    @property
    def _knots(self) -> list[tuple[float, float, float]]:
        t, a = self.strength, self.a
        return [(0.0, t, 0.0), (t, t, -1 / (a - 1)), (a * t, 0.0, 0.0)]


@dataclass(frozen=True, kw_only=True)
class GroupHalf:
    """``strength * sum_g ||w_g||^(1/2)``, l1/2 regularization of groups (Xu et al., 2012).

    Single weights are groups of one. 0 is always stationary, and from there no step leads away that
    is too small.

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> GroupHalf(strength=0.5).prox(torch.tensor([[1.0], [0.9]]), 1.0)
    tensor([[0.7015],
            [0.0000]])
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
        return radial_distance(gradient, w, self.strength / (2 * norm.sqrt()))

    def lambda_max(self, gradient: Tensor) -> float:
        raise no_lambda_max(self, "its slope at 0 is infinite, so any strength holds 0")

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


def _concave(v: Tensor, step: Tensor | float, knots: list[tuple[float, float, float]]) -> Tensor:
    size = v.norm(dim=1, keepdim=True)
    return v * proxes.concave_threshold(size, step, knots) / torch.where(size > 0, size, 1)
