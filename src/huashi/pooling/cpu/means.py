"""Norms, generalised means and softmaxes of each window by a formula, and their gradients."""

import math

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import whole_means, window_means
from huashi.pooling.cpu.fold import factors_of
from huashi.pooling.cpu.planning import (
    CHANNELS_LAST,
    as_planes,
    as_source,
    elements_inside,
    new_tensor,
    per_task,
    three_of,
    windows_of,
)
from huashi.pooling.cpu.window_means import formula_of


def formula(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor | float, eps: float
) -> Tensor:
    """A norm, mean or softmax of each window, by the name of its ``kind``."""
    return _formula(x, axes, kind, float(param), eps, slope=False)


def formula_slope(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, eps: float
) -> Tensor:
    """The derivative of each result in the parameter, in float32 or wider."""
    return _formula(x, axes, kind, float(param), eps, slope=True)


def formula_backward(
    grad: Tensor, x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor | float, eps: float
) -> Tensor:
    """The gradient of :func:`formula` in x."""
    dims = len(axes)
    source, last, unit = as_source(x, dims)
    memory = CHANNELS_LAST[dims] if last else torch.contiguous_format
    grad = grad.detach().to(source.dtype).contiguous(memory_format=memory)
    dx = new_tensor(source, [axis.length for axis in axes], last, source.dtype)
    array, row, out = (as_planes(t, dims, last) for t in (source, grad, dx))
    number = np.float64 if source.dtype == torch.float64 else np.float32
    wanted = formula_of(kind, float(param), eps, number)
    if is_whole(axes) and not last:
        n = math.prod(axis.length for axis in axes)
        flat = array.reshape(-1, n), row.reshape(-1), out.reshape(-1, n)
        if kind in ("lp", "lp_mean", "power"):
            whole_means.whole_power_backward(*flat, wanted, 64)
            return dx.to(x.dtype)
        whole_means.whole_formula_backward(*flat, wanted, _block(n))
    else:
        counts = factors_of([elements_inside(axis, False, 0) for axis in three_of(axes)], number)
        band = per_task(out.shape[1], out.shape[1], out.shape[0])
        windows = windows_of(axes, unit)
        window_means.pool_backward(array, row, out, windows, wanted, counts, band)
    return dx.to(x.dtype)


def _formula(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: float, eps: float, *, slope: bool
) -> Tensor:
    dims = len(axes)
    source, last, unit = as_source(x, dims)
    wide = torch.promote_types(source.dtype, torch.float32)
    y = new_tensor(source, [axis.windows for axis in axes], last, wide if slope else source.dtype)
    array, out = as_planes(source, dims, last), as_planes(y, dims, last)
    # the slope of log-sum-exp is a difference over r: for a small r few digits would be left
    precise = source.dtype == torch.float64 or (slope and kind == "log_sum_exp")
    number = np.float64 if precise else np.float32
    wanted = formula_of(kind, param, eps, number)
    if is_whole(axes) and not last:
        rows = array.reshape(len(array), -1)
        if kind in ("lp", "lp_mean", "power") and not slope:
            whole_means.whole_power(rows, out.reshape(-1), wanted, 64)
            return y.to(x.dtype)
        whole_means.whole_formula(rows, out.reshape(-1), wanted, slope, _block(rows.shape[1]))
    else:
        counts = factors_of([elements_inside(axis, False, 0) for axis in three_of(axes)], number)
        window_means.pool(array, out, windows_of(axes, unit), wanted, counts, slope)
    return y if slope else y.to(x.dtype)


def _block(n: int) -> int:
    """How many rows of ``n`` are reduced side by side: some lanes, no more than the cache holds."""
    return max(16, min(256, 2**16 // n))
