"""Proximal steps of single elements."""

import math

import torch
from torch import Tensor

from huashi._kernel.example import example
from huashi._kernel.operator import without_kernel

__all__ = ["concave_threshold", "half_threshold", "soft_threshold"]

_FEW_PASSES = "torch's own operators do it in a few passes"


@example((4, 5), call=lambda f, v: f(v, 0.7))
@without_kernel(_FEW_PASSES)
def soft_threshold(v: Tensor, t: Tensor | float) -> Tensor:
    """``sign(v) max(|v| - t, 0)``: the prox of the absolute value.

    Args:
        v: points, of any shape.
        t: threshold >= 0, broadcastable to ``v``; in a metric h, of ``t / h``.

    Returns:
        What is left of each element, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        RuntimeError: ``t`` does not broadcast to ``v``.

    >>> soft_threshold(torch.tensor([3.0, -4.0, 0.0, 1.0]), 1.0)
    tensor([ 2., -3.,  0.,  0.])
    """
    cut = torch.maximum(torch.minimum(v, t), -t) if isinstance(t, Tensor) else v.clamp(-t, t)
    return v - cut


@example((4, 5), call=lambda f, v: f(v, 0.1))
@without_kernel(_FEW_PASSES)
def half_threshold(v: Tensor, t: Tensor | float) -> Tensor:
    r"""The prox of the square root of the magnitude, ``t |x|^(1/2)``, of each element.

    Magnitudes up to :math:`\tfrac32 t^{2/3}` become zero; there the result jumps (Xu, Chang, Xu,
    Zhang: L1/2 Regularization, 2012).

    Args:
        v: points, of any shape.
        t: strength >= 0, broadcastable to ``v``.

    Returns:
        The point, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        RuntimeError: ``t`` does not broadcast to ``v``.

    >>> half_threshold(torch.tensor([1.0, 0.9]), 0.5)
    tensor([0.7015, 0.0000])
    """
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device)
    size = v.abs()
    keep = size > 1.5 * t ** (2 / 3)
    safe = torch.where(keep, size, 1)
    angle = torch.arccos((t / 4 * (safe / 3) ** -1.5).clamp(-1, 1))
    moved = v * (2 / 3) * (1 + torch.cos(2 * math.pi / 3 - 2 / 3 * angle))
    return torch.where(keep, moved, 0)


@example((4, 5), call=lambda f, v: f(v.abs(), 0.5, [(0.0, 1.0, -0.5), (2.0, 0.0, 0.0)]))
@without_kernel(_FEW_PASSES)
def concave_threshold(
    v: Tensor, step: Tensor | float, knots: list[tuple[float, float, float]]
) -> Tensor:
    """The prox of a penalty of which the slope falls in straight pieces, for any step.

    From ``start`` on, the slope of a piece ``(start, slope, bend)`` is
    ``slope + bend * (x - start)``. The candidates are the start of each piece and its stationary
    point. The best of all is taken, so that a step may be longer than the problem stays convex.

    Args:
        v: sizes >= 0, of any shape.
        step: >= 0, broadcastable to ``v``.
        knots: the pieces, the first of which starts at 0.

    Returns:
        The sizes after the step, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        RuntimeError: ``step`` does not broadcast to ``v``.

    >>> concave_threshold(torch.tensor([0.5, 1.5, 9.0]), 1.0, [(0.0, 1.0, -0.5), (2.0, 0.0, 0.0)])
    tensor([0., 1., 9.])
    """
    step = torch.as_tensor(step, dtype=v.dtype, device=v.device)
    best, least, before = torch.zeros_like(v), v.square() / 2, 0.0
    ends = [start for start, _, _ in knots[1:]] + [torch.inf]
    for (start, slope, bend), end in zip(knots, ends, strict=True):
        curve = 1 + step * bend
        inner = (v - step * (slope - bend * start)) / torch.where(curve > 0, curve, 1)
        inner = torch.where(curve > 0, inner, start).clamp(start, end)
        for x in (torch.full_like(v, start), inner):
            away = x - start
            cost = (x - v).square() / 2 + step * (before + slope * away + bend / 2 * away.square())
            best, least = torch.where(cost < least, x, best), torch.minimum(cost, least)
        if end < torch.inf:
            before += slope * (end - start) + bend / 2 * (end - start) ** 2
    return best
