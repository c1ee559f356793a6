"""Proximal steps of groups, each a row, and of a matrix as a whole."""

import torch
from torch import Tensor

from huashi._checks import check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves, without_kernel
from huashi.regularization.operators import metric_threshold_kernel
from huashi.regularization.prox.elements import soft_threshold

__all__ = [
    "block_soft_threshold",
    "exclusive_threshold",
    "max_threshold",
    "metric_block_soft_threshold",
    "singular_value_threshold",
]

_STEPS = 30  # of Newton's iteration, which takes two to ten
_SORTED = "it sorts, for which torch's own operator takes most of the time"


@example((4, 5), call=lambda f, v: f(v, 0.7))
@without_kernel("torch's own operators do it in a few passes")
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


@example((4, 5), call=lambda f, v: f(v, 0.7))
@without_kernel("torch's own decomposition of the matrix takes most of the time")
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


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=1, keepdim=True)
