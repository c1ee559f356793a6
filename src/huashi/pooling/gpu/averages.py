"""The average of each window in Triton, and its gradient. Bytes to move: as in `extrema.py`."""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.gpu.windows import (
    backward,
    count,
    fold,
    forward,
    gather,
    gradient,
    lanes,
    output,
    prepared,
    windows_of,
)


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


def average(
    x: Tensor,
    axes: tuple[Axis, ...],
    count_include_pad: bool,
    divisor_override: int | None,
    wide: bool = False,
) -> Tensor:
    """The sum of each window over its divisor; (..., windows); ``wide``: in float32."""
    x, inner = prepared(x, len(axes))
    y = output(x, axes, inner, torch.float32 if wide else x.dtype)
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


def _divisor(count_include_pad: bool, divisor_override: int | None) -> tuple[float, str]:
    """A number to divide by, and which elements are counted to divide by instead."""
    if divisor_override is not None:
        return float(divisor_override), "none"
    return 1.0, "padded" if count_include_pad else "real"
