"""Constraints on how many weights are not zero: no price, but a bound."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from huashi._checks import check_not_negative, check_positive
from huashi.regularization import prox as proxes
from huashi.regularization.penalties.stationarity import no_lambda_max


@dataclass(frozen=True, kw_only=True)
class AtMost:
    """No more than so many ``groups`` that are not zero; the largest stay.

    A constraint, not a price: it has no strength, and its value is 0 or infinite.

    Its methods are those of :class:`Penalty`.

    Args:
        groups: how many groups may be other than zero, >= 0.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> AtMost(groups=1).prox(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    tensor([[3., 4.],
            [0., 0.]])
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
        raise no_lambda_max(self, "a constraint has no strength")

    def scaled(self, factor: float) -> Self:
        return self


@dataclass(frozen=True, kw_only=True)
class NOfM:
    """Of each ``m`` weights in a row of a group no more than ``n`` that are not zero, as in 2:4.

    A constraint, not a price: it has no strength, and its value is 0 or infinite.

    Its methods are those of :class:`Penalty`.

    Args:
        n: how many of the ``m`` may be other than zero, from 0 to ``m``.
        m: how many weights side by side are counted, > 0; it divides the elements of a group.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> NOfM(n=1, m=2).prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1.0)
    tensor([[ 0., -4.,  0.,  1.]])
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
        raise no_lambda_max(self, "a constraint has no strength")

    def scaled(self, factor: float) -> Self:
        return self

    def _count(self, w: Tensor) -> Tensor:
        if w.shape[1] % self.m:
            raise ValueError(f"m must divide the {w.shape[1]} elements of a group, got {self.m}")
        return (w != 0).unflatten(1, (-1, self.m)).sum(-1)


def _indicator(w: Tensor, inside: bool) -> Tensor:
    return w.new_zeros(()) if inside else w.new_full((), torch.inf)
