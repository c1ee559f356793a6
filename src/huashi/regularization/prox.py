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

from huashi._kernel.operator import kernel_serves
from huashi.regularization.operators import metric_threshold_kernel

_STEPS = 30  # of Newton's iteration, which takes two to ten


def soft_threshold(v: Tensor, t: Tensor | float) -> Tensor:
    """``sign(v) max(|v| - t, 0)``: the prox of the absolute value.

    Args:
        v: of any shape.
        t: threshold >= 0, broadcastable to ``v``; in a metric h, of ``t / h``.

    >>> soft_threshold(torch.tensor([3.0, -4.0, 0.0, 1.0]), 1.0)
    tensor([ 2., -3.,  0.,  0.])
    """
    cut = torch.maximum(torch.minimum(v, t), -t) if isinstance(t, Tensor) else v.clamp(-t, t)
    return v - cut


def block_soft_threshold(v: Tensor, t: Tensor | float) -> Tensor:
    """``max(1 - t / ||v||, 0) v`` of each row: the prox of its Euclidean norm; 0 for 0.

    Args:
        v: (groups, elements).
        t: thresholds >= 0, a number or (groups,).

    >>> block_soft_threshold(torch.tensor([[3.0, -4.0], [0.0, 1.0]]), 1.0)
    tensor([[ 2.4000, -3.2000],
            [ 0.0000,  0.0000]])
    """
    norm = _norm(v)
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1)
    keep = ~(norm <= t)  # NaN stays
    return torch.where(keep, v * (1 - t / torch.where(keep, norm, 1)), 0)


def metric_block_soft_threshold(
    v: Tensor, t: Tensor | float, h: Tensor, *, l1: float = 0.0
) -> Tensor:
    """The prox of the Euclidean norm of each row in the metric ``h``, and of an l1 norm beside it.

    The elements are soft-thresholded by ``l1 / h`` first, which keeps what follows right, since
    that changes neither signs nor zeros.

    A row is 0 where ``||h v|| <= t``. Else ``x_i = h_i v_i / (h_i + t / r)`` with r its own norm,
    found by Newton's iteration from the norm of v. A kernel serves where no gradient is asked for.

    Args:
        v: (groups, elements).
        t: thresholds >= 0, a number or (groups,).
        h: > 0, (groups, elements).
        l1: threshold >= 0 of single elements.

    >>> v, h = torch.tensor([[3.0, -4.0, 0.0, 1.0]]), torch.tensor([[1.0, 2.0, 4.0, 0.5]])
    >>> metric_block_soft_threshold(v, 3.0, h)
    tensor([[ 1.5306, -2.7026,  0.0000,  0.3424]])
    """
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1).expand(len(v), 1)
    h = h.to(v.dtype)
    slope_wanted = torch.is_grad_enabled() and (
        v.requires_grad or t.requires_grad or h.requires_grad
    )
    if not slope_wanted and kernel_serves("metric_block_soft_threshold", v, t, h):
        return metric_threshold_kernel(v, t, h, l1)
    wide = torch.promote_types(v.dtype, torch.float32)
    v, t, h, narrow = v.to(wide), t.to(wide), h.to(wide), v.dtype
    return _metric_threshold(soft_threshold(v, l1 / h) if l1 else v, t, h).to(narrow)


def _metric_threshold(v: Tensor, t: Tensor, h: Tensor) -> Tensor:
    keep = ~(_norm(h * v) <= t)  # NaN stays
    v, t = torch.where(keep, v, 1), torch.where(keep, t, 0)  # what becomes 0 is easy company
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


def exclusive_threshold(v: Tensor, t: float, h: Tensor | None = None) -> Tensor:
    """The prox of half the squared l1 norm of each row, ``t / 2 (sum_i |x_i|)^2``.

    Each row is soft-thresholded by ``t s / h_i`` where s is the l1 norm that results.

    Args:
        v: (groups, elements).
        t: >= 0.
        h: > 0, (groups, elements); 1 by default.

    >>> exclusive_threshold(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 0.25)
    tensor([[ 1.8333, -2.8333,  0.0000,  0.0000]])
    """
    weight = torch.ones_like(v) if h is None else h
    size = v.abs()
    order = (weight * size).argsort(1, descending=True)
    sizes, shares = size.gather(1, order), 1 / weight.gather(1, order)
    totals = sizes.cumsum(1) / (1 + t * shares.cumsum(1))
    inside = sizes / shares > t * totals  # holds up to some place, and the last one gives s
    last = inside.sum(1, keepdim=True)
    total = torch.where(last > 0, totals.gather(1, (last - 1).clamp(min=0)), 0)
    return soft_threshold(v, t * total / weight)


def half_threshold(v: Tensor, t: Tensor | float) -> Tensor:
    r"""The prox of the square root of the magnitude, ``t |x|^(1/2)``, of each element.

    Zero up to :math:`\tfrac32 t^{2/3}`, from where it jumps (Xu, Chang, Xu, Zhang: L1/2
    Regularization, 2012).

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


def concave_threshold(
    v: Tensor, step: Tensor | float, knots: list[tuple[float, float, float]]
) -> Tensor:
    """The prox of a penalty of which the slope falls in straight pieces, for any step.

    From ``start`` on, the slope of a piece ``(start, slope, bend)`` is
    ``slope + bend * (x - start)``. Each piece has a stationary point, and its start; the best of
    all these is the answer, so that a step may be longer than the penalty stays convex.

    Args:
        v: sizes >= 0, of any shape.
        step: >= 0, broadcastable to ``v``.
        knots: the pieces, the first of which starts at 0.

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


def max_threshold(v: Tensor, t: Tensor | float, h: Tensor | None = None) -> Tensor:
    """The prox of the largest magnitude of each row, which cuts all that is above some level.

    Args:
        v: (groups, elements).
        t: >= 0, a number or (groups,).
        h: > 0, (groups, elements); 1 by default.

    >>> max_threshold(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 3.0)
    tensor([[ 2., -2.,  0.,  1.]])
    """
    t = torch.as_tensor(t, dtype=v.dtype, device=v.device).reshape(-1, 1)
    sizes, order = v.abs().sort(1, descending=True)
    weight = torch.ones_like(v) if h is None else h.gather(1, order)
    levels = ((weight * sizes).cumsum(1) - t) / weight.cumsum(1)
    above = (sizes > levels).sum(1, keepdim=True).clamp(min=1)
    level = levels.gather(1, above - 1).clamp(min=0)
    return torch.minimum(torch.maximum(v, -level), level)


def onto_l1_ball(v: Tensor, radius: Tensor | float) -> Tensor:
    """The nearest point of each row with an l1 norm of at most ``radius``.

    What is left of the prox of the dual norm (Moreau).

    >>> onto_l1_ball(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 3.0)
    tensor([[ 1., -2.,  0.,  0.]])
    """
    return v - max_threshold(v, radius)


def onto_simplex(v: Tensor, total: float) -> Tensor:
    """The nearest point of each row that is nowhere negative and adds up to ``total``.

    Elements of -inf get 0; a row needs one that is finite.

    >>> onto_simplex(torch.tensor([[3.0, 2.5, -1.0]]), 1.0)
    tensor([[0.7500, 0.2500, 0.0000]])
    """
    sizes = v.sort(1, descending=True).values
    counts = torch.arange(1, v.shape[1] + 1, dtype=v.dtype, device=v.device)
    cuts = (sizes.cumsum(1) - total) / counts
    last = (sizes > cuts).sum(1, keepdim=True).clamp(min=1)
    return (v - cuts.gather(1, last - 1)).clamp(min=0)


def singular_value_threshold(v: Tensor, t: float) -> Tensor:
    """The prox of the sum of the singular values of a matrix: each is soft-thresholded.

    >>> singular_value_threshold(torch.tensor([[3.0, 1.0], [1.0, 3.0]]), 3.0)
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    wide = v.to(torch.promote_types(v.dtype, torch.float32))  # there is none of half precision
    u, s, vh = torch.linalg.svd(wide, full_matrices=False)
    return (u * (s - t).clamp(min=0) @ vh).to(v.dtype)


def largest_groups(v: Tensor, most: int, h: Tensor | None = None) -> Tensor:
    """The nearest point with at most ``most`` rows that are not 0; the first of equals stay.

    >>> largest_groups(torch.tensor([[3.0, -4.0], [0.0, 1.0]]), 1)
    tensor([[ 3., -4.],
            [ 0.,  0.]])
    """
    size = (v.square() if h is None else h * v.square()).sum(1)
    kept = size.argsort(descending=True, stable=True)[:most]
    x = torch.zeros_like(v)
    x[kept] = v[kept]
    return x


def n_of_m(v: Tensor, n: int, m: int, h: Tensor | None = None) -> Tensor:
    """The nearest point with at most ``n`` of each ``m`` elements that are not 0.

    >>> n_of_m(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1, 2)
    tensor([[ 0., -4.,  0.,  1.]])
    """
    size = v.square() if h is None else h * v.square()
    pieces = size.unflatten(1, (-1, m))
    rank = pieces.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return torch.where((rank < n).flatten(1), v, 0)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)
