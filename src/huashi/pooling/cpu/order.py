"""Order statistics of each window, means of the largest and quantiles, and their gradients."""

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.memory import empty, empty_like
from huashi._windows import Axis
from huashi.pooling import reference
from huashi.pooling.cpu import order_gradients, sorting_network
from huashi.pooling.cpu.averages import average
from huashi.pooling.cpu.fold_elements import SUM
from huashi.pooling.cpu.planning import (
    BAND,
    LANES,
    as_planes,
    as_source,
    elements_inside,
    identity_of,
    new_tensor,
    per_task,
    shifts_of,
    three_of,
    windows_of,
)
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.masks import counted


def order(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, mask: Tensor | None = None
) -> Tensor:
    """A mean of the largest elements of each window, or a quantile, by the name of its ``kind``."""
    return _ordered(x, axes, kind, param, mask, marked=False)[0]


def order_offsets(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same, and which elements it was made of, (ranks, the shape of the result)."""
    return _ordered(x, axes, kind, param, mask, marked=True)


def order_backward(
    grad: Tensor,
    offsets: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """The gradient of :func:`order` in x."""
    source, found, last = _of_ranks(grad, offsets, axes)
    dims = len(axes)
    dx = new_tensor(source, [axis.length for axis in axes], last, source.dtype)
    array, out = as_planes(source, dims, last), as_planes(dx, dims, last)
    unit = dx.shape[1] if last else 1
    ranking = _ranking(axes, kind, param, source.dtype, masked=mask is not None)
    band = per_task(out.shape[1], BAND // (out[0, 0].size * out.itemsize), out.shape[0])
    zero, shifts = identity_of(source.dtype, SUM), shifts_of(axes) * unit
    windows = windows_of(axes, unit)
    real = _counts(mask, axes, source, last)
    order_gradients.scatter(array, found, out, windows, shifts, ranking, real, band, zero)
    return dx.to(grad.dtype)


def order_slope(
    grad: Tensor,
    x: Tensor,
    offsets: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """The gradient of :func:`order` in the scores, all windows together."""
    source, found, last = _of_ranks(grad, offsets, axes)
    dims, unit = len(axes), x.shape[1] if last else 1
    x = x.detach().to(source.dtype).contiguous(memory_format=memory_format_of(offsets[0], dims))
    array, given = as_planes(x, dims, last), as_planes(source, dims, last)
    ranking = _ranking(axes, kind, param, source.dtype, masked=mask is not None)
    worth = np.zeros((len(array), *ranking.ranks.shape, unit))
    windows, shifts = windows_of(axes, unit), shifts_of(axes) * unit
    real = _counts(mask, axes, source, last)
    order_gradients.slopes(array, given, found, worth, windows, shifts, ranking, real)
    share = torch.from_numpy(ranking.shares).double()
    channels = 1 if param.ndim == 1 else len(param)
    worth = torch.from_numpy(worth).movedim(-1, 1).flatten(0, 1)
    worth = worth.unflatten(0, (-1, channels)).sum(0).movedim(0, -1)  # (levels, ranks, channels)
    slope = (share * (worth - (share * worth).sum(1, keepdim=True))).sum(0)  # through the softmax
    return slope.T.reshape(param.shape).to(param.dtype).contiguous()


def _ordered(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    mask: Tensor | None,
    *,
    marked: bool,
) -> tuple[Tensor, Tensor]:
    dims = len(axes)
    source, last, unit = as_source(x, dims)
    y = new_tensor(source, [axis.windows for axis in axes], last, source.dtype)
    array, out = as_planes(source, dims, last), as_planes(y, dims, last)
    ranking = _ranking(axes, kind, param, source.dtype, masked=mask is not None)
    k, number = len(ranking.levels) - 1, ranking.shares.itemsize
    found = empty((len(ranking.ranks[0]) if marked else 0, *out.shape), torch.uint8)
    block = max(LANES, BAND // (k * (number + 4 * marked)))
    rows = per_task(math.prod(out.shape[:3]), max(1, block // out.shape[3]), 1)
    wanted = tuple(int(rank) for rank in np.unique(ranking.ranks) if rank >= 0)
    swaps = sorting_network.network(k, wanted)
    windows = windows_of(axes, unit)
    real = sorting_network.Real(_planes(mask, source, dims, last), _counts(mask, axes, y, last))
    arrays = array, out, found.numpy()
    sorting_network.pool(*arrays, windows, (rows, block), swaps, ranking, real, marked)
    if last:
        found = found.view(-1, len(y), *(axis.windows for axis in axes), y.shape[1]).movedim(-1, 2)
    return y.to(x.dtype), found if last else found.view(-1, *y.shape)


def _of_ranks(grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> tuple[Tensor, Any, bool]:
    """A gradient and the offsets of its ranks as the kernels read them; if channels come last."""
    dims = len(axes)
    memory = memory_format_of(offsets[0], dims)
    last = memory != torch.contiguous_format
    source = grad.detach().float() if grad.dtype == torch.float16 else grad.detach()
    found = (offsets.movedim(2, -1) if last else offsets).contiguous().numpy()
    source = source.contiguous(memory_format=memory)
    return source, found.reshape(len(found), *as_planes(source, dims, last).shape), last


def _planes(mask: Tensor | None, like: Tensor, dims: int, last: bool) -> Any:
    """Whether each element is real, as planes; none without a mask."""
    if mask is None:
        return np.empty((0, 0, 0, 0), bool)
    return as_planes(empty_like(like, torch.bool).copy_(mask), dims, last)


def _counts(mask: Tensor | None, axes: tuple[Axis, ...], like: Tensor, last: bool) -> Any:
    """How many elements of each window are real, as planes; none without a mask."""
    if mask is None:
        return np.empty((0, 0, 0, 0), np.uint8)
    counts = counted(mask, axes, torch.empty_like(like, dtype=torch.float32), average)
    return as_planes(counts.to(torch.uint8), len(axes), last)


def _ranking(
    axes: tuple[Axis, ...], kind: str, param: Tensor, dtype: torch.dtype, *, masked: bool
) -> sorting_network.Ranking:
    """Which ranks count in windows of so many elements, and for what share."""
    sizes = _sizes(axes)
    if masked:  # a window may have any number of elements
        numbers = np.arange(len(sizes.levels))
        sizes = sizes._replace(numbers=numbers, levels=numbers)
    k, n = len(sizes.levels) - 1, torch.from_numpy(sizes.numbers)[:, None]
    dtype = torch.promote_types(dtype, torch.float32)
    if kind == "quantile":
        position = float(param) * (n - 1).clamp(min=0).to(dtype)
        low, high = position.floor().long(), position.ceil().long()
        ranks = torch.cat([low, torch.where(low == high, -1, high)], 1)
        above = torch.where(low == high, 0, position - low)
        shares = torch.cat([1 - above, above], 1)[..., None]
        ranks = torch.where(n == 0, -1, ranks)
    else:
        order = torch.arange(param.shape[-1], device=param.device)
        ranks = torch.where(order < n, k - 1 - order, -1)
        scores = param.detach().to(dtype).view(1, -1, len(order)).expand(len(n), -1, -1)
        shares = reference.softmax(scores, (order < n)[:, None]).movedim(1, 2)
    shares, mean = shares.contiguous().numpy(), kind == "sorted_mean"
    absent = shares.dtype.type(-np.inf if mean else np.inf)
    return sorting_network.Ranking(ranks.numpy(), shares, *sizes[1:], absent, mean)


class Sizes(NamedTuple):
    """How many elements the windows have; all but the first as a Ranking has it."""

    numbers: Any
    """The numbers of elements that there are, (levels,)."""
    levels: Any
    counts: Any
    runs: Any


@functools.lru_cache(maxsize=256)
def _sizes(axes: tuple[Axis, ...]) -> Sizes:
    a, b, along = (elements_inside(axis, False, 0).astype(int) for axis in three_of(axes))
    counts = np.outer(a, b)
    numbers = np.unique(np.outer(counts, along))
    levels = np.full(math.prod(axis.kernel for axis in axes) + 1, -1)
    levels[numbers] = np.arange(len(numbers))
    edges = [0, *(np.flatnonzero(np.diff(along)) + 1), len(along)]
    runs = np.array([(i, j, along[i]) for i, j in itertools.pairwise(edges)])
    return Sizes(numbers, levels, counts, runs)
