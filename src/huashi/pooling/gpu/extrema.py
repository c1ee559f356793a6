"""Maximum, minimum and average over windows in Triton, and their gradients.

Bytes to move, with b those of an element and w windows to each element of the input: ``b + w b``
forward, and w more for offsets (2 w or 4 w of large windows); the same again backward. Arithmetic
is a comparison or an addition for each element of a window, and two to four integer divisions for
each lane to find its place. So windows that do not overlap are bound by memory, and those of
stride 1 by their reads from the L1 cache, as many as a window has elements.
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false

import triton
import triton.language as tl
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.gpu.means import INF, formula, formula_backward, formula_slope, scale_of
from huashi.pooling.gpu.windows import (
    backward,
    count,
    fold,
    forward,
    gather,
    gradient,
    lanes,
    load,
    memory,
    output,
    prepared,
    windows_of,
)
from huashi.pooling.offsets import offset_dtype

__all__ = [
    "average",
    "average_backward",
    "draw",
    "extremum",
    "extremum_offsets",
    "formula",
    "formula_backward",
    "formula_slope",
    "pick_backward",
]


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


@triton.jit
def _shared(total, d, h, w, divisor, g, COUNTED: tl.constexpr):
    if COUNTED == "none":
        return total / divisor
    else:
        return total / tl.maximum(count(d, h, w, g, COUNTED == "padded"), 1.0)


@triton.jit
def _plus(state, extra, x, real, e):
    return (state[0] + x,)


@triton.jit
def _average(x_ptr, y_ptr, divisor, g, COUNTED: tl.constexpr):
    t = lanes(g)
    window = windows_of(t, g)
    state = (tl.zeros((g.lanes, g.chunk), tl.float32),)
    total = tl.sum(fold(_plus, state, None, x_ptr, window, g)[0], 1, keep_dims=True)
    y = _shared(total, window[1], window[2], window[3], divisor, g, COUNTED)
    tl.store(y_ptr + t, y, mask=t < g.total)


@triton.jit
def _part(extra, o, od, oh, ow, e, there, g):
    grad_ptr, divisor = extra[0], extra[1]
    COUNTED: tl.constexpr = extra[2]
    d = od * g.stride[0] - g.before[0]
    h = oh * g.stride[1] - g.before[1]
    w = ow * g.stride[2] - g.before[2]
    grad = tl.load(grad_ptr + o, mask=there, other=0.0).to(tl.float32)
    return _shared(grad, d, h, w, divisor, g, COUNTED)


@triton.jit
def _average_backward(grad_ptr, dx_ptr, divisor, g, m, COUNTED: tl.constexpr):
    t = lanes(g)
    dx = gather(_part, (grad_ptr, divisor, COUNTED), t, g, m)
    tl.store(dx_ptr + t, dx, mask=t < g.total)


@triton.jit
def _weight(x, real, scale, SOFTMAX: tl.constexpr):
    if SOFTMAX:
        return tl.where(real, tl.exp(x - scale), 0.0)
    else:
        return tl.where(x < 0.0, 0.0, x)


@triton.jit
def _total(state, extra, x, real, e):
    return (state[0] + _weight(x, real, extra[0], extra[1]),)


@triton.jit
def _search(state, extra, x, real, e):
    """Of each lane the first element beyond the point, the last with a weight; the sum so far."""
    found, last, before = state
    weight = _weight(x, real, extra[0], extra[1])
    target = extra[2]
    if extra[3] == 1:
        until = before + weight
        before = until
    else:
        until = before + tl.cumsum(weight, 1)
        before = before + tl.sum(weight, 1, keep_dims=True)
    last = tl.where(weight > 0.0, e, last)
    found = tl.where((weight > 0.0) & (until > target) & (found < 0), e, found)
    return found, last, before


@triton.jit
def _draw(x_ptr, point_ptr, y_ptr, offset_ptr, g, SOFTMAX: tl.constexpr):
    t = lanes(g)
    window = windows_of(t, g)
    scale = 0.0
    if SOFTMAX:
        scale = scale_of(x_ptr, window, 0.0, g, "soft")
    state = (tl.zeros((g.lanes, g.chunk), tl.float32),)
    total = tl.sum(fold(_total, state, (scale, SOFTMAX), x_ptr, window, g)[0], 1, keep_dims=True)
    target = tl.load(point_ptr + t, mask=t < g.total, other=0.0) * total
    none = tl.full((g.lanes, g.chunk), -1, tl.int32)
    state = (none, none, tl.zeros((g.lanes, 1), tl.float32))
    found, last, _ = fold(_search, state, (scale, SOFTMAX, target, g.chunk), x_ptr, window, g)
    found = tl.min(tl.where(found < 0, g.elements, found), 1, keep_dims=True)
    at = tl.where(found < g.elements, found, tl.max(last, 1, keep_dims=True))  # rounding
    at = tl.where((total > 0.0) & (total < INF), at, -1)
    x, _ = load(x_ptr, window, tl.maximum(at, 0), g)
    tl.store(y_ptr + t, tl.where(at < 0, total * 0.0, x), mask=t < g.total)
    tl.store(offset_ptr + t, at, mask=t < g.total)  # as a byte, -1 is 255


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The largest (``sign`` 1) or smallest (-1) element of each window; (..., windows)."""
    x, inner = prepared(x, len(axes))
    y = output(x, axes, inner, x.dtype)
    grid, g = forward(x.numel(), axes, inner)
    _extremum[grid](x, y, None, g, SIGN=sign, PLACES=False)
    return y


def extremum_offsets(x: Tensor, axes: tuple[Axis, ...], sign: int) -> tuple[Tensor, Tensor]:
    """The same, and where in its window it lies, as :mod:`huashi.pooling.offsets` tells it."""
    x, inner = prepared(x, len(axes))
    y, offsets = (output(x, axes, inner, dtype) for dtype in (x.dtype, offset_dtype(axes)))
    grid, g = forward(x.numel(), axes, inner)
    _extremum[grid](x, y, offsets, g, SIGN=sign, PLACES=True)
    return y, offsets


def pick_backward(grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Give the gradient to the elements at ``offsets`` alone; (..., lengths), dtype of grad."""
    offsets, inner = prepared(offsets, len(axes))
    grad = grad.contiguous(memory_format=memory(inner, len(axes)))
    dx = gradient(grad, axes, inner)
    grid, g, m = backward(dx.numel(), axes, inner)
    _pick_backward[grid](grad, offsets, dx, g, m)
    return dx


def average(
    x: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The sum of each window over its divisor; (..., windows)."""
    x, inner = prepared(x, len(axes))
    y = output(x, axes, inner, x.dtype)
    grid, g = forward(x.numel(), axes, inner)
    divisor, counted = _divisor(count_include_pad, divisor_override)
    _average[grid](x, y, divisor, g, COUNTED=counted)
    return y


def average_backward(
    grad: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The gradient of :func:`average`; (..., lengths), in the dtype of grad."""
    grad, inner = prepared(grad, len(axes))
    dx = gradient(grad, axes, inner)
    grid, g, m = backward(dx.numel(), axes, inner)
    divisor, counted = _divisor(count_include_pad, divisor_override)
    _average_backward[grid](grad, dx, divisor, g, m, COUNTED=counted)
    return dx


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> tuple[Tensor, Tensor]:
    """The element of each window where the sum of weights passes ``point`` times their total.

    Args:
        x: (..., lengths).
        axes: the windows.
        weights: ``"relu"`` or ``"softmax"``.
        point: in [0, 1), float32, of the shape of the result.

    Returns:
        The elements and their offsets, (..., windows); 0 and nowhere if there is no weight.
    """
    x, inner = prepared(x, len(axes))
    y, offsets = (output(x, axes, inner, dtype) for dtype in (x.dtype, offset_dtype(axes)))
    point = point.contiguous(memory_format=memory(inner, len(axes)))
    grid, g = forward(x.numel(), axes, inner)
    _draw[grid](x, point, y, offsets, g, SOFTMAX=weights == "softmax")
    return y, offsets


def _divisor(count_include_pad: bool, divisor_override: int | None) -> tuple[float, str]:
    """A number to divide by, and which elements are counted to divide by instead."""
    if divisor_override is not None:
        return float(divisor_override), "none"
    return 1.0, "padded" if count_include_pad else "real"
