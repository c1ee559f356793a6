"""An element of each window drawn by its share of the weights, in Triton."""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false

import triton
import triton.language as tl
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.gpu.means import INF, scale_of
from huashi.pooling.gpu.windows import (
    fold,
    forward,
    lanes,
    load,
    memory,
    output,
    prepared,
    windows_of,
)
from huashi.pooling.offsets import offset_dtype


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
