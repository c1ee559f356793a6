"""Order statistics of each window, means of the largest and quantiles, and their gradients."""

import functools
import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling import reference
from huashi.pooling.cpu import (
    sorting_network,
)
from huashi.pooling.cpu.fold_elements import (
    SUM,
)
from huashi.pooling.cpu.planning import (
    BAND,
    LANES,
    _array,
    _elements,
    _empty,
    _identity,
    _readable,
    _shared,
    _shifts,
    _table,
    _three,
)
from huashi.pooling.dimensions import memory_format_of


def order(x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor) -> Tensor:
    """A mean of the largest elements of each window, or a quantile, by the name of its ``kind``."""
    return _ordered(x, axes, kind, param, marked=False)[0]


def order_offsets(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor
) -> tuple[Tensor, Tensor]:
    """The same, and which elements it was made of, (ranks, the shape of the result)."""
    return _ordered(x, axes, kind, param, marked=True)


def order_backward(
    grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor
) -> Tensor:
    """The gradient of :func:`order` in x."""
    source, told, last = _of_ranks(grad, offsets, axes)
    dims = len(axes)
    dx = _empty(source, [axis.length for axis in axes], last, source.dtype)
    array, out = _array(source, dims, last), _array(dx, dims, last)
    unit = dx.shape[1] if last else 1
    _, shares, levels, *sizes = _levels(axes, kind, param, source.dtype)
    band = _shared(out.shape[1], BAND // (out[0, 0].size * out.itemsize), out.shape[0])
    zero, shifts = _identity(source.dtype, SUM), _shifts(axes) * unit
    rest = shifts, shares, levels, *sizes, band, zero
    sorting_network.scatter(array, told, out, _table(axes), unit, *rest)
    return dx.to(grad.dtype)


def order_slope(
    grad: Tensor, x: Tensor, offsets: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor
) -> Tensor:
    """The gradient of :func:`order` in the scores, all windows together."""
    source, told, last = _of_ranks(grad, offsets, axes)
    dims, unit = len(axes), x.shape[1] if last else 1
    x = x.detach().to(source.dtype).contiguous(memory_format=memory_format_of(offsets[0], dims))
    array, given = _array(x, dims, last), _array(source, dims, last)
    ranks, shares, levels, *sizes = _levels(axes, kind, param, source.dtype)
    worth = np.zeros((len(array), *ranks.shape, unit))
    shifts = _shifts(axes) * unit
    sorting_network.slopes(array, given, told, worth, _table(axes), unit, shifts, levels, *sizes)
    share = torch.from_numpy(shares).double()
    channels = 1 if param.ndim == 1 else len(param)
    worth = torch.from_numpy(worth).movedim(-1, 1).flatten(0, 1)
    worth = worth.unflatten(0, (-1, channels)).sum(0).movedim(0, -1)  # (levels, ranks, channels)
    slope = (share * (worth - (share * worth).sum(1, keepdim=True))).sum(0)  # through the softmax
    return slope.T.reshape(param.shape).to(param.dtype).contiguous()


def _ordered(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, *, marked: bool
) -> tuple[Tensor, Tensor]:
    dims = len(axes)
    source, last = _readable(x, dims)
    y = _empty(source, [axis.windows for axis in axes], last, source.dtype)
    array, out = _array(source, dims, last), _array(y, dims, last)
    ranks, shares, levels, *sizes = _levels(axes, kind, param, source.dtype)
    k, mean, number = len(levels) - 1, kind == "sorted_mean", shares.dtype.type
    offsets = np.empty((len(ranks[0]) if marked else 0, *out.shape), np.uint8)
    block = max(LANES, BAND // (k * (shares.itemsize + 4 * marked)))
    rows = _shared(math.prod(out.shape[:3]), max(1, block // out.shape[3]), 1)
    sorting_network.pool(
        *(array, out, offsets, _table(axes), source.shape[1] if last else 1, rows, block),
        sorting_network.network(k, tuple(int(rank) for rank in np.unique(ranks) if rank >= 0)),
        *(ranks, shares, levels, *sizes, number(-np.inf if mean else np.inf), mean, marked),
    )
    told = torch.from_numpy(offsets)
    if last:
        told = told.view(-1, len(y), *(axis.windows for axis in axes), y.shape[1]).movedim(-1, 2)
    return y.to(x.dtype), told if last else told.view(-1, *y.shape)


def _of_ranks(grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> tuple[Tensor, Any, bool]:
    """A gradient and the offsets of its ranks as the kernels read them; if channels come last."""
    dims = len(axes)
    memory = memory_format_of(offsets[0], dims)
    last = memory != torch.contiguous_format
    source = grad.detach().float() if grad.dtype == torch.float16 else grad.detach()
    told = (offsets.movedim(2, -1) if last else offsets).contiguous().numpy()
    source = source.contiguous(memory_format=memory)
    return source, told.reshape(len(told), *_array(source, dims, last).shape), last


def _levels(
    axes: tuple[Axis, ...], kind: str, param: Tensor, dtype: torch.dtype
) -> tuple[Any, ...]:
    """Which ranks of windows of n elements count, and for what share; and which have so many.

    Both are for the numbers n that there are, (levels, ranks) and (levels, ranks, channels or 1);
    then come the level of each n, how many elements there are in the first two of three axes, and
    the runs of windows of a row that have as many, (first, stop, elements).
    """
    numbers, levels, counts, runs = _sizes(axes)
    k, n = len(levels) - 1, torch.from_numpy(numbers)[:, None]
    dtype = torch.promote_types(dtype, torch.float32)
    if kind == "quantile":
        position = float(param) * (n - 1).clamp(min=0).to(dtype)
        low, high = position.floor().long(), position.ceil().long()
        ranks = torch.cat([low, torch.where(low == high, -1, high)], 1)
        above = torch.where(low == high, 0, position - low)
        shares = torch.cat([1 - above, above], 1)[..., None]
        ranks = torch.where(n == 0, -1, ranks)
    else:
        order = torch.arange(param.shape[-1])
        ranks = torch.where(order < n, k - 1 - order, -1)
        scores = param.detach().to(dtype).view(1, -1, len(order)).expand(len(n), -1, -1)
        shares = reference.softmax(scores, (order < n)[:, None]).movedim(1, 2)
    return ranks.numpy(), shares.contiguous().numpy(), levels, counts, runs


@functools.lru_cache(maxsize=256)
def _sizes(axes: tuple[Axis, ...]) -> tuple[Any, ...]:
    """How many elements the windows have, as :func:`_levels` tells it."""
    a, b, along = (_elements(axis, False, 0).astype(int) for axis in _three(axes))
    counts = np.outer(a, b)
    numbers = np.unique(np.outer(counts, along))
    levels = np.full(math.prod(axis.kernel for axis in axes) + 1, -1)
    levels[numbers] = np.arange(len(numbers))
    edges = [0, *(np.flatnonzero(np.diff(along)) + 1), len(along)]
    runs = np.array([(i, j, along[i]) for i, j in itertools.pairwise(edges)])
    return numbers, levels, counts, runs
