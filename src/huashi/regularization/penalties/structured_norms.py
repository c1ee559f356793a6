"""Convex penalties of other shapes: weights that compete, nested groups, the largest, the rank."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from huashi._checks import check_not_negative, check_positive
from huashi.regularization import prox as proxes
from huashi.regularization.penalties.stationarity import least_factor, ratio

_PASSES = 1000  # of a tree in a metric, which takes about ten


@dataclass(frozen=True, kw_only=True)
class Exclusive:
    """``strength / 2 * sum_g (sum_i |w_gi|)^2``: weights of a group compete (Zhou et al., 2010).

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> Exclusive(strength=0.25).prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1.0)
    tensor([[ 1.8333, -2.8333,  0.0000,  0.0000]])
    """

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
class TreeGroupLasso:
    """Groups within groups: ``sum over levels of strength * sum of the norms of its blocks``.

    A level cuts each row in blocks of so many elements side by side; each size divides the next, so
    that blocks are nested. For filters of 3 x 3 taps, ``{9: 0.1, 288: 1.0}`` are the planes of each
    of 32 input channels and the filter as a whole. A block that is zero makes those within zero.

    The plain step shrinks from the leaves to the root once (Jenatton, Mairal, Obozinski, Bach:
    Proximal Methods for Hierarchical Sparse Coding, 2011). In a metric that is done again and again
    until nothing changes, on the dual problem, each block against what the others leave.

    Its methods are those of :class:`Penalty`.

    Args:
        levels: from the size of a block to the strength >= 0 of its norm.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> penalty = TreeGroupLasso(levels={2: 1.0, 4: 0.5})
    >>> penalty.prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1.0)
    tensor([[ 2.1000, -2.8000,  0.0000,  0.0000]])
    """

    levels: Mapping[int, float]
    """From the size of a block to the strength of its norm."""

    def __post_init__(self) -> None:
        sizes = sorted(self.levels)
        for size, strength in self.levels.items():
            check_positive("levels", size)
            check_not_negative("levels", strength)
        for small, large in pairwise(sizes):
            if large % small:
                raise ValueError(f"levels must have sizes that divide the next, got {sizes}")

    def value(self, w: Tensor) -> Tensor:
        norms = [strength * self._blocks(w, size).norm(dim=1).sum() for size, strength in self._up]
        return torch.stack(norms).sum()

    def prox(self, v: Tensor, step: float) -> Tensor:
        for size, strength in self._up:
            v = proxes.block_soft_threshold(self._blocks(v, size), step * strength).view(v.shape)
        return v

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        x, forces = v, [torch.zeros_like(v) for _ in self.levels]
        for _ in range(_PASSES):
            before = x
            for k, (size, strength) in enumerate(self._up):
                free = x + forces[k] / h
                x = proxes.metric_block_soft_threshold(
                    self._blocks(free, size), step * strength, self._blocks(h, size)
                ).view(v.shape)
                forces[k] = h * (free - x)
            if len(self.levels) == 1 or _same(x, before):
                break
        return x

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        """Blocks that are not zero pull in their direction; the others hold what they can."""
        left = gradient
        for size, strength in self._up:
            parts = self._blocks(w, size)
            norm = parts.norm(dim=1, keepdim=True)
            pull = strength * parts / torch.where(norm > 0, norm, 1)
            left = left + pull.view(w.shape)
        for size, strength in self._up:
            parts = self._blocks(left, size)
            zero = ~self._blocks(w, size).any(1)
            held = proxes.block_soft_threshold(parts, strength)
            left = torch.where(zero[:, None], held, parts).view(w.shape)
        return left.norm(dim=1)

    def lambda_max(self, gradient: Tensor) -> float:
        return least_factor(lambda factor: not self.scaled(factor).prox(-gradient, 1.0).any())

    def scaled(self, factor: float) -> Self:
        return replace(self, levels={size: factor * s for size, s in self.levels.items()})

    @property
    def _up(self) -> list[tuple[int, float]]:
        """From the leaves to the root."""
        return sorted(self.levels.items())

    def _blocks(self, w: Tensor, size: int) -> Tensor:
        if w.shape[1] % size:
            raise ValueError(f"levels must divide the {w.shape[1]} elements of a group, got {size}")
        return w.reshape(-1, size)


@dataclass(frozen=True, kw_only=True)
class GroupMax:
    """``strength * sum_g max_i |w_gi|``, the l1-infinity norm (Turlach, Venables, Wright, 2005).

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> GroupMax().prox(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 3.0)
    tensor([[ 2., -2.,  0.,  1.]])
    """

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
        return ratio(float(gradient.abs().sum(1).max()), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


@dataclass(frozen=True, kw_only=True)
class Nuclear:
    """``strength`` times the sum of the singular values of the matrix: its rank becomes low.

    Exact as a plain step, for SGD. In a metric the step is that of its largest h, which rests where
    the gradient of the loss, scaled by the share of each h in the largest, and the norm are in
    balance. Where all h are equal it is exact.

    Its methods are those of :class:`Penalty`.

    Args:
        strength: factor >= 0 of the penalty.

    Raises:
        ValueError: a factor or size is out of its range.

    >>> Nuclear().prox(torch.tensor([[3.0, 1.0], [1.0, 3.0]]), 3.0)
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
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
        return ratio(float(torch.linalg.matrix_norm(gradient, 2)), self.strength)

    def scaled(self, factor: float) -> Self:
        return replace(self, strength=factor * self.strength)


def _same(x: Tensor, y: Tensor) -> bool:
    """Up to rounding, row by row; and with the same zeros."""
    change, size = (x - y).abs().amax(1), x.abs().amax(1)
    return bool((change <= 4 * torch.finfo(x.dtype).eps * size).all())
