"""Norms, generalised means and softmaxes of each window by a formula, and their gradients."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import whole_means, window_means
from huashi.pooling.cpu.fold import _factors
from huashi.pooling.cpu.planning import (
    _LAST,
    _array,
    _elements,
    _empty,
    _readable,
    _shared,
    _table,
    _three,
)

_KINDS = {
    "lp": window_means.LP,
    "lp_mean": window_means.LP_MEAN,
    "power": window_means.POWER,
    "soft": window_means.SOFT,
    "log_sum_exp": window_means.LOG_SUM_EXP,
    "stochastic": window_means.STOCHASTIC,
}


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
    source, last = _readable(x, dims)
    memory = _LAST[dims] if last else torch.contiguous_format
    grad = grad.detach().to(source.dtype).contiguous(memory_format=memory)
    dx = _empty(source, [axis.length for axis in axes], last, source.dtype)
    array, row, out = (_array(t, dims, last) for t in (source, grad, dx))
    number, settings = _settings(source.dtype, kind, float(param), eps)
    if is_whole(axes) and not last:
        n = math.prod(axis.length for axis in axes)
        flat = array.reshape(-1, n), row.reshape(-1), out.reshape(-1, n)
        if kind in ("lp", "lp_mean", "power"):
            whole_means.whole_power_backward(*flat, *settings[:3], 64)
            return dx.to(x.dtype)
        whole_means.whole_formula_backward(*flat, *settings, _block(n))
    else:
        unit = source.shape[1] if last else 1
        counts = _factors([_elements(axis, False, 0) for axis in _three(axes)], number)
        band = _shared(out.shape[1], out.shape[1], out.shape[0])
        three = _table(axes)
        window_means.formula_backward(array, row, out, three, unit, *settings, *counts, band)
    return dx.to(x.dtype)


def _formula(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: float, eps: float, *, slope: bool
) -> Tensor:
    dims = len(axes)
    source, last = _readable(x, dims)
    wide = torch.promote_types(source.dtype, torch.float32)
    y = _empty(source, [axis.windows for axis in axes], last, wide if slope else source.dtype)
    array, out = _array(source, dims, last), _array(y, dims, last)
    number, settings = _settings(source.dtype, kind, param, eps)
    if is_whole(axes) and not last:
        rows = array.reshape(len(array), -1)
        if kind in ("lp", "lp_mean", "power") and not slope:
            whole_means.whole_power(rows, out.reshape(-1), *settings[:3], 64)
            return y.to(x.dtype)
        whole_means.whole_formula(rows, out.reshape(-1), *settings, slope, _block(rows.shape[1]))
    else:
        unit = source.shape[1] if last else 1
        counts = _factors([_elements(axis, False, 0) for axis in _three(axes)], number)
        window_means.formula(array, out, _table(axes), unit, *settings, *counts, slope)
    return y if slope else y.to(x.dtype)


def _settings(dtype: torch.dtype, kind: str, param: float, eps: float) -> tuple[Any, tuple]:
    """The dtype that is computed in; kind, parameter, floor, and what stands for no element."""
    number = np.float64 if dtype == torch.float64 else np.float32
    absent = {"power": window_means.NONE, "soft": -np.inf, "log_sum_exp": -np.inf}.get(kind, 0.0)
    return number, (_KINDS[kind], number(param), number(eps), number(absent))


def _block(n: int) -> int:
    """How many rows of ``n`` are reduced side by side: some lanes, no more than the cache holds."""
    return max(16, min(256, 2**16 // n))
