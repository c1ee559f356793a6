"""Norms, generalised means and softmaxes of each window by a formula, and their gradients."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import whole_means, window_means
from huashi.pooling.cpu.averages import average
from huashi.pooling.cpu.fold import factors_of
from huashi.pooling.cpu.formulas import SMALL, Formula, formula_of
from huashi.pooling.cpu.planning import (
    CHANNELS_LAST,
    Source,
    as_planes,
    as_source,
    elements_inside,
    new_tensor,
    per_task,
    three_of,
    windows_of,
)
from huashi.pooling.masks import counted, marked

POWERS = "lp", "lp_mean", "power"


def formula(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor | float,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """A norm, mean or softmax of each window, by the name of its ``kind``."""
    return _formula(x, axes, kind, float(param), eps, mask, slope=False)


def formula_slope(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """The derivative of each result in the parameter, in float32 or wider."""
    return _formula(x, axes, kind, float(param), eps, mask, slope=True)


def formula_backward(
    grad: Tensor,
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor | float,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """The gradient of :func:`formula` in x."""
    dims = len(axes)
    number = np.float64 if x.dtype == torch.float64 else np.float32
    wanted = formula_of(kind, float(param), eps, number)
    source, last, unit = _source(x, dims, wanted, mask)
    memory = CHANNELS_LAST[dims] if last else torch.contiguous_format
    grad = grad.detach().to(source.dtype).contiguous(memory_format=memory)
    dx = new_tensor(source, [axis.length for axis in axes], last, source.dtype)
    array, row, out = (as_planes(t, dims, last) for t in (source, grad, dx))
    real = _real(mask, axes, grad, last, number)
    if is_whole(axes) and not last:
        n = math.prod(axis.length for axis in axes)
        flat = array.reshape(-1, n), row.reshape(-1), out.reshape(-1, n), wanted, real.reshape(-1)
        if kind in POWERS and float(param) >= SMALL:
            whole_means.whole_power_backward(*flat, 64)
        else:
            whole_means.whole_formula_backward(*flat, _block(n))
    else:
        counts = factors_of([elements_inside(axis, False, 0) for axis in three_of(axes)], number)
        band = per_task(out.shape[1], out.shape[1], out.shape[0])
        windows = windows_of(axes, unit)
        window_means.pool_backward(array, row, out, windows, wanted, counts, real, band)
    return dx.to(x.dtype)


def _formula(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: float,
    eps: float,
    mask: Tensor | None,
    *,
    slope: bool,
) -> Tensor:
    dims = len(axes)
    number = np.float64 if x.dtype == torch.float64 else np.float32
    wanted = formula_of(kind, param, eps, number)
    source, last, unit = _source(x, dims, wanted, mask)
    wide = torch.promote_types(source.dtype, torch.float32)
    y = new_tensor(source, [axis.windows for axis in axes], last, wide if slope else source.dtype)
    array, out = as_planes(source, dims, last), as_planes(y, dims, last)
    real = _real(mask, axes, y, last, number)
    if is_whole(axes) and not last:
        rows = array.reshape(len(array), -1)
        flat = rows, out.reshape(-1), wanted, real.reshape(-1)
        if kind in POWERS and param >= SMALL and not slope:
            whole_means.whole_power(*flat, 64)
        else:
            whole_means.whole_formula(*flat, slope, _block(rows.shape[1]))
    else:
        counts = factors_of([elements_inside(axis, False, 0) for axis in three_of(axes)], number)
        window_means.pool(array, out, windows_of(axes, unit), wanted, counts, real, slope)
    return y if slope else y.to(x.dtype)


def _source(x: Tensor, dims: int, wanted: Formula, mask: Tensor | None) -> Source:
    """``x`` as a kernel can read it; what the mask leaves out, as what lies outside the input."""
    source = as_source(x, dims)
    if mask is None:
        return source
    return source._replace(tensor=marked(source.tensor, mask, float(wanted.absent)))


def _real(
    mask: Tensor | None, axes: tuple[Axis, ...], like: Tensor, last: bool, number: Any
) -> Any:
    """How many elements of each window are real, as planes; none without a mask."""
    if mask is None:
        return np.empty((0, 0, 0, 0), number)
    dtype = torch.float64 if number == np.float64 else torch.float32
    return as_planes(
        counted(mask, axes, torch.empty_like(like, dtype=dtype), average), len(axes), last
    )


def _block(n: int) -> int:
    """How many rows of ``n`` are reduced side by side: some lanes, no more than the cache holds."""
    return max(16, min(256, 2**16 // n))
