r"""Proximal steps in closed form: where a penalty moves a point to.

.. math:: \mathrm{prox}(v) = \arg\min_x \tfrac12 \sum_i h_i (x_i - v_i)^2 + t R(x)

with metric h = 1 unless given. Points are (groups, elements): each row is a group. All are exact up
to rounding, on any device.

Parikh and Boyd: Proximal Algorithms (2014). In a diagonal metric: Yun, Lozano, Yang: Adaptive
Proximal Gradient Methods for Structured Neural Networks (2021).
"""

import math

import torch
from torch import Tensor

from huashi._checks import check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves, without_kernel
from huashi.regularization.operators import metric_threshold_kernel

__all__ = [
    "block_soft_threshold",
    "concave_threshold",
    "exclusive_threshold",
    "half_threshold",
    "largest_groups",
    "max_threshold",
    "metric_block_soft_threshold",
    "n_of_m",
    "onto_l1_ball",
    "onto_simplex",
    "singular_value_threshold",
    "soft_threshold",
]

_STEPS = 30  # of Newton's iteration, which takes two to ten
_FEW_PASSES = "torch's own operators do it in a few passes"
_SORTED = "it sorts, for which torch's own operator takes most of the time"
_DECOMPOSED = "torch's own decomposition of the matrix takes most of the time"


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


@example((4, 5), call=lambda f, v: f(v, 0.7))
@without_kernel(_FEW_PASSES)
def block_soft_threshold(v: Tensor, t: Tensor | float) -> Tensor:
    """``max(1 - t / ||v||, 0) v`` of each row: the prox of its Euclidean norm; 0 for 0.

    Args:
        v: points, (groups, elements).
        t: thresholds >= 0, a number or (groups,).

    Returns:
        The rows, shorter by ``t``, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> block_soft_threshold(torch.tensor([[3.0, -4.0], [0.0, 1.0]]), 1.0)
    tensor([[ 2.4000, -3.2000],
            [ 0.0000,  0.0000]])
    """
    check_ndim("v", v, "groups elements")
    norm = _norm(v)
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1)
    keep = ~(norm <= t)  # NaN stays
    return torch.where(keep, v * (1 - t / torch.where(keep, norm, 1)), 0)


@example((4, 5), call=lambda f, v: f(v, 0.7, v.detach().exp()))
@example((4, 5), call=lambda f, v: f(v, 0.7, v.detach().exp(), l1=0.1))
def metric_block_soft_threshold(
    v: Tensor, t: Tensor | float, h: Tensor, *, l1: float = 0.0
) -> Tensor:
    """The prox of the Euclidean norm of each row in the metric ``h``, and of an l1 norm beside it.

    A row is 0 where ``||h v|| <= t``. Else ``x_i = h_i v_i / (h_i + t / r)``, where r is the norm
    of x, found by Newton's iteration from the norm of v. With ``l1`` the elements are first
    soft-thresholded by ``l1 / h``: the rest stays right, since it changes no signs and no zeros.

    Args:
        v: points, (groups, elements).
        t: thresholds >= 0, a number or (groups,).
        h: metric > 0, (groups, elements).
        l1: threshold >= 0 of single elements.

    Returns:
        The point, in the shape and dtype of ``v``; computed in float32 or wider. The kernel has no
        gradient: where one is wanted, torch's own operators compute.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> v, h = torch.tensor([[3.0, -4.0, 0.0, 1.0]]), torch.tensor([[1.0, 2.0, 4.0, 0.5]])
    >>> metric_block_soft_threshold(v, 3.0, h)
    tensor([[ 1.5306, -2.7026,  0.0000,  0.3424]])
    """
    check_ndim("v", v, "groups elements")
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1).expand(len(v), 1)
    h = h.to(v.dtype)
    slope_wanted = torch.is_grad_enabled() and (
        v.requires_grad or t.requires_grad or h.requires_grad
    )
    unless = slope_wanted and "gradient"
    if kernel_serves("metric_block_soft_threshold", v, t, h, unless=unless):
        return metric_threshold_kernel(v, t, h, l1)
    wide = torch.promote_types(v.dtype, torch.float32)
    v, t, h, narrow = v.to(wide), t.to(wide), h.to(wide), v.dtype
    return _metric_threshold(soft_threshold(v, l1 / h) if l1 else v, t, h).to(narrow)


def _metric_threshold(v: Tensor, t: Tensor, h: Tensor) -> Tensor:
    keep = ~(_norm(h * v) <= t)  # NaN stays
    v, t = torch.where(keep, v, 1), torch.where(keep, t, 0)  # rows that become 0 need no iteration
    pull = h * v
    r, low = _norm(v), (_norm(pull) - t) / h.amax(1, keepdim=True)
    enough = torch.finfo(v.dtype).eps ** 0.5 / 4  # its square is what the next step would be
    for _ in range(_STEPS):
        below = torch.addcmul(t, h, r)
        part = (pull / below).square()
        value, slope = part.sum(1, keepdim=True), (part * h / below).sum(1, keepdim=True)
        # Newton on 1 / sqrt(value), which is 1 at the root and concave: no step ends beyond it
        further = value * (value.sqrt() - 1) / slope
        r = torch.maximum(r + further, low)
        if not torch.compiler.is_compiling() and bool((further.abs() <= enough * r).all()):
            break
    return torch.where(keep, torch.where(t > 0, pull / (h + t / r), v), 0)


@example((4, 5), call=lambda f, v: f(v, 0.7, v.detach().sigmoid()))
@without_kernel(_SORTED)
def exclusive_threshold(v: Tensor, t: float, h: Tensor | None = None) -> Tensor:
    """The prox of half the squared l1 norm of each row, ``t / 2 (sum_i |x_i|)^2``.

    Each row is soft-thresholded by ``t s / h_i``, where s is the l1 norm of the result.

    Args:
        v: points, (groups, elements).
        t: strength >= 0.
        h: metric > 0, (groups, elements); 1 by default.

    Returns:
        The point, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> exclusive_threshold(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 0.25)
    tensor([[ 1.8333, -2.8333,  0.0000,  0.0000]])
    """
    check_ndim("v", v, "groups elements")
    weight = torch.ones_like(v) if h is None else h
    size = v.abs()
    order = (weight * size).argsort(1, descending=True)
    sizes, shares = size.gather(1, order), 1 / weight.gather(1, order)
    totals = sizes.cumsum(1) / (1 + t * shares.cumsum(1))
    inside = sizes / shares > t * totals  # holds up to some place, and the last one gives s
    last = inside.sum(1, keepdim=True)
    total = torch.where(last > 0, totals.gather(1, (last - 1).clamp(min=0)), 0)
    return soft_threshold(v, t * total / weight)


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


@example((4, 5), call=lambda f, v: f(v, 0.7))
@without_kernel(_SORTED)
def max_threshold(v: Tensor, t: Tensor | float, h: Tensor | None = None) -> Tensor:
    """The prox of the largest magnitude of each row: magnitudes above some level are cut to it.

    Args:
        v: points, (groups, elements).
        t: strengths >= 0, a number or (groups,).
        h: metric > 0, (groups, elements); 1 by default.

    Returns:
        The point, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> max_threshold(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 3.0)
    tensor([[ 2., -2.,  0.,  1.]])
    """
    check_ndim("v", v, "groups elements")
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1)
    sizes, order = v.abs().sort(1, descending=True)
    weight = torch.ones_like(v) if h is None else h.gather(1, order)
    levels = ((weight * sizes).cumsum(1) - t) / weight.cumsum(1)
    above = (sizes > levels).sum(1, keepdim=True).clamp(min=1)
    level = levels.gather(1, above - 1).clamp(min=0)
    return torch.minimum(torch.maximum(v, -level), level)


@example((4, 5), call=lambda f, v: f(v, 1.0))
@without_kernel(_SORTED)
def onto_l1_ball(v: Tensor, radius: Tensor | float) -> Tensor:
    """The nearest point of each row with an l1 norm of at most ``radius``.

    By Moreau's decomposition it is ``v`` less the prox of the dual norm, the largest magnitude.

    Args:
        v: points, (groups, elements).
        radius: >= 0, a number or (groups,).

    Returns:
        The nearest points, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> onto_l1_ball(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 3.0)
    tensor([[ 1., -2.,  0.,  0.]])
    """
    return v - max_threshold(v, radius)


@example((4, 5), call=lambda f, v: f(v, 1.0))
@without_kernel(_SORTED)
def onto_simplex(v: Tensor, total: float) -> Tensor:
    """The nearest point of each row that is nowhere negative and adds up to ``total``.

    Args:
        v: points, (groups, elements). Elements of -inf get 0; a row needs one that is finite.
        total: the sum > 0 of each row.

    Returns:
        The nearest points, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> onto_simplex(torch.tensor([[3.0, 2.5, -1.0]]), 1.0)
    tensor([[0.7500, 0.2500, 0.0000]])
    """
    check_ndim("v", v, "groups elements")
    sizes = v.sort(1, descending=True).values
    counts = torch.arange(1, v.shape[1] + 1, dtype=v.dtype, device=v.device)
    cuts = (sizes.cumsum(1) - total) / counts
    last = (sizes > cuts).sum(1, keepdim=True).clamp(min=1)
    return (v - cuts.gather(1, last - 1)).clamp(min=0)


@example((4, 5), call=lambda f, v: f(v, 0.7))
@without_kernel(_DECOMPOSED)
def singular_value_threshold(v: Tensor, t: float) -> Tensor:
    """The prox of the sum of the singular values of a matrix: each is soft-thresholded.

    Args:
        v: a matrix, (rows, columns).
        t: threshold >= 0.

    Returns:
        A matrix of lower rank, in the shape and dtype of ``v``; computed in float32 or wider.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> singular_value_threshold(torch.tensor([[3.0, 1.0], [1.0, 3.0]]), 3.0)
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    check_ndim("v", v, "rows columns")
    wide = v.to(torch.promote_types(v.dtype, torch.float32))  # there is none of half precision
    u, s, vh = torch.linalg.svd(wide, full_matrices=False)
    return (u * (s - t).clamp(min=0) @ vh).to(v.dtype)


@example((4, 5), call=lambda f, v: f(v, 2))
@without_kernel(_SORTED)
def largest_groups(v: Tensor, most: int, h: Tensor | None = None) -> Tensor:
    """The nearest point with at most ``most`` rows that are not 0; the first of equals stay.

    Args:
        v: points, (groups, elements).
        most: how many rows stay.
        h: metric > 0, (groups, elements), in which the nearest is meant; 1 by default.

    Returns:
        The exact rows that stay, 0 elsewhere, in the shape and dtype of ``v``.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> largest_groups(torch.tensor([[3.0, -4.0], [0.0, 1.0]]), 1)
    tensor([[ 3., -4.],
            [ 0.,  0.]])
    """
    check_ndim("v", v, "groups elements")
    size = (v.square() if h is None else h * v.square()).sum(1)
    kept = size.argsort(descending=True, stable=True)[:most]
    x = torch.zeros_like(v)
    x[kept] = v[kept]
    return x


@example((4, 6), call=lambda f, v: f(v, 1, 2))
@without_kernel(_SORTED)
def n_of_m(v: Tensor, n: int, m: int, h: Tensor | None = None) -> Tensor:
    """The nearest point with at most ``n`` of each ``m`` elements that are not 0.

    Args:
        v: points, (groups, elements).
        n: how many of the ``m`` stay.
        m: how many elements side by side are compared; it divides the elements of a row.
        h: metric > 0, (groups, elements), in which the nearest is meant; 1 by default.

    Returns:
        The exact elements that stay, 0 elsewhere, in the shape and dtype of ``v``.

    Raises:
        ValueError: ``v`` is not a matrix.
        RuntimeError: ``m`` does not divide the elements of a row.

    >>> n_of_m(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1, 2)
    tensor([[ 0., -4.,  0.,  1.]])
    """
    check_ndim("v", v, "groups elements")
    size = v.square() if h is None else h * v.square()
    pieces = size.unflatten(1, (-1, m))
    rank = pieces.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return torch.where((rank < n).flatten(1), v, 0)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)
