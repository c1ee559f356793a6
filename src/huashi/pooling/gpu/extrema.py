"""The largest or smallest element of each window, and where it lies, in Triton; the gradient.

Bytes to move, with b those of an element and w windows to each element of the input: ``b + w b``
forward, and w more for offsets (2 w or 4 w of large windows); the same again backward. Arithmetic
is a comparison or an addition for each element of a window, and two to four integer divisions for
each lane to find its place. So windows that do not overlap are bound by memory, and those of
stride 1 by their reads from the L1 cache, as many as a window has elements.
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN202, N803
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false

import math

import triton
import triton.language as tl
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.gpu.windows import (
    backward,
    fold,
    forward,
    gather,
    gradient,
    lanes,
    memory,
    output,
    prepared,
    windows_of,
)
from huashi.pooling.masks import first_real
from huashi.pooling.offsets import offset_dtype


@triton.jit
def _better(state, SIGN: tl.constexpr, x, real, e):
    best, at = state
    x = x * SIGN
    wins = real & ((x > best) | (x != x) | (at < 0))  # nothing but another NaN beats a NaN
    return tl.where(wins, x, best), tl.where(wins, e, at)


@triton.jit
def _extremum(x_ptr, y_ptr, offset_ptr, g, SIGN: tl.constexpr, PLACES: tl.constexpr):
    t = lanes(g)
    best = tl.full((g.lanes, g.chunk), -float("inf"), tl.float32)
    at = tl.full((g.lanes, g.chunk), -1, tl.int32)
    best, at = fold(_better, (best, at), SIGN, x_ptr, windows_of(t, g), g)
    if g.chunk > 1:  # among the lanes too: of NaN the last, of equals the first
        last = tl.max(tl.where(best != best, at, -1), 1, keep_dims=True)
        top = tl.max(tl.where(best != best, -float("inf"), best), 1, keep_dims=True)
        first = tl.where((best == top) & (at >= 0), at, g.elements)
        first = tl.min(first, 1, keep_dims=True)
        at = tl.where(last >= 0, last, tl.where(first < g.elements, first, -1))
        best = tl.where(last >= 0, float("nan"), top)
    tl.store(y_ptr + t, best * SIGN, mask=t < g.total)
    if PLACES:
        tl.store(offset_ptr + t, at, mask=t < g.total)  # as a byte, -1 is 255


@triton.jit
def _picked(extra, o, od, oh, ow, e, there, g):
    grad_ptr, offset_ptr = extra
    at = tl.load(offset_ptr + o, mask=there, other=0).to(tl.int32)
    return tl.load(grad_ptr + o, mask=there & (at == e), other=0.0).to(tl.float32)


@triton.jit
def _pick_backward(grad_ptr, offset_ptr, dx_ptr, g, m):
    t = lanes(g)
    dx = gather(_picked, (grad_ptr, offset_ptr), t, g, m)
    tl.store(dx_ptr + t, dx, mask=t < g.total)


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The largest (``sign`` 1) or smallest (-1) element of each window; (..., windows)."""
    x, inner = prepared(x, len(axes))
    y = output(x, axes, inner, x.dtype)
    grid, g = forward(x.numel(), axes, inner)
    _extremum[grid](x, y, None, g, SIGN=sign, PLACES=False)
    return y


def extremum_offsets(
    x: Tensor, axes: tuple[Axis, ...], sign: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same, and where in its window it lies, as :mod:`huashi.pooling.offsets` tells it."""
    x, inner = prepared(x, len(axes))
    y, offsets = (output(x, axes, inner, dtype) for dtype in (x.dtype, offset_dtype(axes)))
    grid, g = forward(x.numel(), axes, inner)
    _extremum[grid](x, y, offsets, g, SIGN=sign, PLACES=True)
    if mask is not None:
        offsets = first_real(y, offsets, axes, mask, -sign * math.inf, extremum_offsets)
    return y, offsets


def pick_backward(grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Give the gradient to the elements at ``offsets`` alone; (..., lengths), dtype of grad."""
    offsets, inner = prepared(offsets, len(axes))
    grad = grad.contiguous(memory_format=memory(inner, len(axes)))
    dx = gradient(grad, axes, inner)
    grid, g, m = backward(dx.numel(), axes, inner)
    _pick_backward[grid](grad, offsets, dx, g, m)
    return dx
