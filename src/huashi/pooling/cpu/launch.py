"""Pooling on the CPU: what the kernels in Numba are given to do.

Bytes and limits stand in the modules of the kernels, and as measured in docs/kernels.md.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.memory import in_huge_pages
from huashi._kernel.numba import array_of
from huashi._windows import Axis, is_whole
from huashi.pooling import reference
from huashi.pooling.cpu import fold_bands as sweeps
from huashi.pooling.cpu import fold_rows as lines
from huashi.pooling.cpu import packed_extrema as picks
from huashi.pooling.cpu import sorting_network as order_statistics
from huashi.pooling.cpu import top_k as selections
from huashi.pooling.cpu import window_means as formulas
from huashi.pooling.cpu.fold_bands import ABS, AS_IS, DIVIDE, MAX, MIN, ROOT, SQUARE, SUM
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.offsets import nowhere, offset_dtype

BAND = 2**14  # bytes of a scratch: it and its twin fit into the L1 cache
PACKED = (torch.float32, torch.bfloat16, torch.float16)  # what an offset can be packed beside
PACKED = (*PACKED, torch.uint8, torch.int8, torch.int16, torch.int32)
LANES = 16  # numbers side by side that are worth a loop of their own
_ONE = Axis(length=1, kernel=1, stride=1, before=0, after=0, dilation=1, windows=1)
_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
_ALONE = np.ones(1), np.ones(1), np.ones(1)
_NO_FACTORS = {
    np.dtype(name): (np.ones((1, 1), name), np.ones(1, name))
    for name in ("f4", "f8", "u1", "i1", "i2", "i4", "i8")
}


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The largest (``sign`` 1) or smallest (-1) element of each window."""
    return _folded(x, axes, sign)


def extremum_offsets(x: Tensor, axes: tuple[Axis, ...], sign: int) -> tuple[Tensor, Tensor]:
    """The same, and where in its window each lies, as :mod:`huashi.pooling.offsets` has it."""
    dims = len(axes)
    source, last = _readable(x, dims)
    lengths = [axis.windows for axis in axes]
    y = _empty(source, lengths, last, source.dtype)
    offsets = _empty(source, lengths, last, offset_dtype(axes))
    array, out, places = (_array(t, dims, last) for t in (source, y, offsets))
    if is_whole(axes) and not last and x.is_floating_point():
        picks.whole(array.reshape(len(array), -1), out.reshape(-1), places.reshape(-1), sign)
        return y.to(x.dtype), offsets
    unit, three = source.shape[1] if last else 1, _table(axes)
    rest = sign, nowhere(offsets.dtype), _identity(source.dtype, sign)
    if source.dtype not in PACKED or _are_few(axes, unit, least=24):
        rows = _rows(axes, unit, 16, out.shape[0])
        lines.pick(array, out, places, three, unit, rows, *rest)
    else:
        picks.sweep(array, out, places, three, unit, _band(axes, unit * 8, out.shape[0]), *rest)
    return y.to(x.dtype), offsets


def pick_backward(grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Each gradient to the element that its window picked."""
    dims = len(axes)
    memory = memory_format_of(offsets, dims)
    last = memory != torch.contiguous_format
    source = grad.detach().float() if grad.dtype == torch.float16 else grad.detach()
    source = source.contiguous(memory_format=memory)
    offsets = offsets.contiguous(memory_format=memory)
    dx = _empty(source, [axis.length for axis in axes], last, source.dtype)
    array, places, out = (_array(t, dims, last) for t in (source, offsets, dx))
    unit, zero = dx.shape[1] if last else 1, _identity(source.dtype, SUM)
    if is_whole(axes) and not last:
        at = offsets.long().reshape(-1, 1)
        out.fill(0)
        dx.view(len(at), -1).scatter_(1, at, source.reshape(-1, 1))
        return dx.to(grad.dtype)
    if _can_gather(axes, unit):
        picks.gather(array, places, out, _table(axes), unit, zero)
        return dx.to(grad.dtype)
    picks.scatter(
        array,
        places,
        out,
        _table(axes),
        unit,
        _shifts(axes) * unit,
        nowhere(offsets.dtype),
        _shared(out.shape[1], BAND // (out[0, 0].size * out.itemsize), out.shape[0]),
        zero,
    )
    return dx.to(grad.dtype)


def _shifts(axes: tuple[Axis, ...]) -> Any:
    """How far from the first element of a window each of its elements lies, in elements."""
    a, b, w = _three(axes)
    first = np.arange(a.kernel) * a.dilation * b.length
    second = np.arange(b.kernel) * b.dilation
    rows = np.add.outer(first, second) * w.length
    return np.add.outer(rows, np.arange(w.kernel) * w.dilation).ravel()


def average(
    x: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The sum of each window over its divisor."""
    counts = _counts(axes, count_include_pad, divisor_override)
    return _folded(x, axes, SUM, finish=DIVIDE, counts=counts)


def average_backward(
    grad: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The gradients over the divisors, summed over the windows that hold each element."""
    counts = _counts(axes, count_include_pad, divisor_override)
    if is_whole(axes):
        share = grad / math.prod(float(count[0]) for count in counts)
        memory = memory_format_of(grad, len(axes))
        dx = _empty(
            grad, [axis.length for axis in axes], memory != torch.contiguous_format, grad.dtype
        )
        return dx.copy_(share)
    constant = all(np.ptp(count) == 0 for count in counts)
    if not constant:
        share = torch.ones((), dtype=torch.promote_types(grad.dtype, torch.float32))
        for count in counts[3 - len(axes) :] if len(axes) != 2 else counts[::2]:
            share = share[..., None] * torch.from_numpy(count).to(share.dtype)
        grad = (grad / share).to(grad.dtype)
    divisor = math.prod(float(count[0]) for count in counts) if constant else 1.0
    if max(axis.stride for axis in axes) > 1 and _can_gather(axes, 1):
        return _gathered(grad / divisor, None, axes)
    back = tuple(_transposed(axis) for axis in axes)
    spread = tuple(axis.stride for axis in _three(axes))
    counts = tuple(np.ones(axis.windows) for axis in _three(back))
    counts[0][:] = divisor
    return _folded(grad, back, SUM, spread=spread, finish=DIVIDE, counts=counts)


def _gathered(grad: Tensor, x: Tensor | None, axes: tuple[Axis, ...]) -> Tensor:
    """The sum of the gradients of all windows that hold an element, times the element if given."""
    dims = len(axes)
    source, last = _readable(grad, dims)
    dx = _empty(source, [axis.length for axis in axes], last, source.dtype)
    unit = dx.shape[1] if last else 1
    factor = dx if x is None else x.contiguous(memory_format=memory_format_of(source, dims))
    arrays = (_array(t, dims, last) for t in (source, factor, dx))
    three, zero = _table(axes), _identity(source.dtype, SUM)
    picks.gather_all(*arrays, three, unit, zero, x is not None)
    return dx.to(grad.dtype)


def norm(x: Tensor, axes: tuple[Axis, ...], p: int, mean: bool) -> Tensor:
    """The lp pool for p = 1 and p = 2; squares out of range are computed again, scaled."""
    change = {1: ABS, 2: SQUARE}[p]
    finish = (ROOT if p == 2 else 0) | (DIVIDE if mean else 0)
    counts = _counts(axes, False, None) if mean else _ALONE
    y = _folded(x, axes, SUM, change=change, finish=finish, counts=counts)
    if p == 2 and x.dtype != torch.float16 and y.numel():
        least, most = (float(limit) for limit in y.aminmax())
        if not (least >= 1e-15 and most <= 1e15):  # a zero, NaN or infinity may be as it should
            odd = (y < 1e-15) | (y > 1e15)
            if (extremum(x.abs(), axes, 1)[odd] != 0).any():
                return torch.where(odd, formula(x, axes, "lp_mean" if mean else "lp", 2.0, 0.0), y)
    return y


def norm_backward(
    grad: Tensor, x: Tensor, y: Tensor, axes: tuple[Axis, ...], p: int, mean: bool
) -> Tensor:
    """``sign(x) |x|^(p-1) y^(1-p)`` times the gradient, over the windows that hold each element."""
    memory, divisor = memory_format_of(x, len(axes)), None if mean else 1
    if p == 1:
        dx = average_backward(grad, axes, False, divisor) * x.sign()
        return dx.contiguous(memory_format=memory)
    if ((y > 0) & (y < 1e-25)).any():  # a quotient by these might overflow
        return formula_backward(grad, x, axes, "lp_mean" if mean else "lp", 2.0, 0.0)
    share = torch.where(y == 0, 0, grad.to(torch.promote_types(grad.dtype, torch.float32)) / y)
    if divisor == 1 and _can_gather(axes, 1) and share.dtype == x.dtype:
        return _gathered(share, x, axes)
    dx = (average_backward(share, axes, False, divisor) * x).to(grad.dtype)
    return dx.contiguous(memory_format=memory)


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> tuple[Tensor, Tensor]:
    """An element of each window, drawn by ``point`` in [0, 1), and where in it that lies."""
    dims = len(axes)
    source, last = _readable(x, dims)
    lengths = [axis.windows for axis in axes]
    y = _empty(source, lengths, last, source.dtype)
    offsets = _empty(source, lengths, last, offset_dtype(axes))
    memory = memory_format_of(source, dims)
    point = point.detach().to(torch.float32).contiguous(memory_format=memory)
    softmax = weights == "softmax"
    number = np.float64 if source.dtype == torch.float64 else np.float32
    formulas.draw(
        _array(source, dims, last),
        _array(y, dims, last),
        _array(offsets, dims, last),
        _array(point, dims, last),
        _table(axes),
        source.shape[1] if last else 1,
        softmax,
        number(-np.inf if softmax else 0),
        nowhere(offsets.dtype),
    )
    return y.to(x.dtype), offsets


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


def k_largest(x: Tensor, k: int) -> Tensor:
    """Where in each row the k largest stand, in order."""
    rows = _readable(x, 1)[0].reshape(-1, x.shape[-1])
    indices = torch.empty((len(rows), k), dtype=torch.int64)
    selections.k_largest(array_of(rows), k, array_of(indices))
    return indices.view(*x.shape[:-1], k)


def taken(x: Tensor, indices: Tensor) -> Tensor:
    """The elements of each row at ``indices``."""
    return x.gather(-1, indices)


def put_back(grad: Tensor, indices: Tensor, length: int) -> Tensor:
    """Each gradient to where it was taken from, in rows of ``length``."""
    dx = in_huge_pages(grad.new_empty((*grad.shape[:-1], length)))
    return dx.zero_().scatter_add_(-1, indices, grad)


def chunk_largest(x: Tensor, starts: Tensor, stops: Tensor) -> Tensor:
    """Where in each row the largest of each chunk stands; -1 where a chunk is empty."""
    rows = _readable(x, 1)[0].reshape(-1, x.shape[-1])
    chunks = starts.shape[-1]
    indices = torch.empty((len(rows), chunks), dtype=torch.int64)
    cuts = (array_of(cut.reshape(-1, chunks).contiguous()) for cut in (starts, stops))
    selections.chunk_largest(array_of(rows), *cuts, array_of(indices))
    return indices.view(*x.shape[:-1], chunks)


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
            formulas.whole_power(rows, out.reshape(-1), *settings[:3], 64)
            return y.to(x.dtype)
        formulas.whole_formula(rows, out.reshape(-1), *settings, slope, _block(rows.shape[1]))
    else:
        unit = source.shape[1] if last else 1
        counts = _factors([_elements(axis, False, 0) for axis in _three(axes)], number)
        formulas.formula(array, out, _table(axes), unit, *settings, *counts, slope)
    return y if slope else y.to(x.dtype)


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
            formulas.whole_power_backward(*flat, *settings[:3], 64)
            return dx.to(x.dtype)
        formulas.whole_formula_backward(*flat, *settings, _block(n))
    else:
        unit = source.shape[1] if last else 1
        counts = _factors([_elements(axis, False, 0) for axis in _three(axes)], number)
        band = _shared(out.shape[1], out.shape[1], out.shape[0])
        three = _table(axes)
        formulas.formula_backward(array, row, out, three, unit, *settings, *counts, band)
    return dx.to(x.dtype)


def order(x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor) -> Tensor:
    """A mean of the largest elements of each window, or a quantile, by the name of its ``kind``."""
    return _ordered(x, axes, kind, param, marked=False)[0]


def order_offsets(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor
) -> tuple[Tensor, Tensor]:
    """The same, and which elements it was made of, (ranks, the shape of the result)."""
    return _ordered(x, axes, kind, param, marked=True)


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
    order_statistics.pool(
        *(array, out, offsets, _table(axes), source.shape[1] if last else 1, rows, block),
        order_statistics.network(k, tuple(int(rank) for rank in np.unique(ranks) if rank >= 0)),
        *(ranks, shares, levels, *sizes, number(-np.inf if mean else np.inf), mean, marked),
    )
    told = torch.from_numpy(offsets)
    if last:
        told = told.view(-1, len(y), *(axis.windows for axis in axes), y.shape[1]).movedim(-1, 2)
    return y.to(x.dtype), told if last else told.view(-1, *y.shape)


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
    order_statistics.scatter(array, told, out, _table(axes), unit, *rest)
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
    order_statistics.slopes(array, given, told, worth, _table(axes), unit, shifts, levels, *sizes)
    share = torch.from_numpy(shares).double()
    channels = 1 if param.ndim == 1 else len(param)
    worth = torch.from_numpy(worth).movedim(-1, 1).flatten(0, 1)
    worth = worth.unflatten(0, (-1, channels)).sum(0).movedim(0, -1)  # (levels, ranks, channels)
    slope = (share * (worth - (share * worth).sum(1, keepdim=True))).sum(0)  # through the softmax
    return slope.T.reshape(param.shape).to(param.dtype).contiguous()


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


_KINDS = {
    "lp": formulas.LP,
    "lp_mean": formulas.LP_MEAN,
    "power": formulas.POWER,
    "soft": formulas.SOFT,
    "log_sum_exp": formulas.LOG_SUM_EXP,
    "stochastic": formulas.STOCHASTIC,
}


def _settings(dtype: torch.dtype, kind: str, param: float, eps: float) -> tuple[Any, tuple]:
    """The dtype that is computed in; kind, parameter, floor, and what stands for no element."""
    number = np.float64 if dtype == torch.float64 else np.float32
    absent = {"power": formulas.NONE, "soft": -np.inf, "log_sum_exp": -np.inf}.get(kind, 0.0)
    return number, (_KINDS[kind], number(param), number(eps), number(absent))


def _block(n: int) -> int:
    """How many rows of ``n`` are reduced side by side: some lanes, no more than the cache holds."""
    return max(16, min(256, 2**16 // n))


def _folded(
    x: Tensor,
    axes: tuple[Axis, ...],
    fold: int,
    *,
    change: int = AS_IS,
    finish: int = 0,
    counts: tuple[Any, ...] = _ALONE,
    spread: tuple[int, ...] = (1, 1, 1),
) -> Tensor:
    dims = len(axes)
    source, last = _readable(x, dims)
    y = _empty(source, [axis.windows for axis in axes], last, source.dtype)
    identity = _identity(source.dtype, fold)
    array, out = _array(source, dims, last), _array(y, dims, last)
    unit = source.shape[1] if last else 1
    if is_whole(axes) and x.is_floating_point():
        rest = (
            change,
            finish,
            identity.dtype.type(np.prod([count[0] for count in counts])),
            identity,
        )
        if last:
            three = array.reshape(len(array), -1, unit)
            width = _shared(unit, 2048, len(three))  # the cache holds two lines of these
            sweeps.whole_by_channel(three, out.reshape(len(out), unit), fold, *rest, width)
        else:
            sweeps.whole(array.reshape(len(array), -1), out.reshape(-1), fold, *rest)
        return y.to(x.dtype)
    three, factors = _table(axes), _factors(counts, identity.dtype)
    rest = fold, change, finish, *factors, identity
    if spread == (1, 1, 1) and _are_few(axes, unit, least=96):
        lines.fold(array, out, three, unit, _rows(axes, unit, 8, out.shape[0]), *rest)
        return y.to(x.dtype)
    band = _band(axes, unit * source.element_size(), out.shape[0])
    sweeps.sweep(array, out, three, np.array(spread), unit, band, *rest)
    return y.to(x.dtype)


@functools.lru_cache(maxsize=256)
def _counts(
    axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> tuple[Any, ...]:
    """What the sums are divided by, as factors for the windows of each of three axes."""
    if divisor_override is not None:
        counts = tuple(np.ones(axis.windows) for axis in _three(axes))
        counts[0][:] = divisor_override
        return counts
    return tuple(_elements(axis, count_include_pad) for axis in _three(axes))


def _factors(counts: Sequence[Any], dtype: Any) -> tuple[Any, Any]:
    """What to divide by, as a factor for each row of windows and one for each window of a row."""
    if counts is _ALONE:
        return _NO_FACTORS[np.dtype(dtype)]
    return np.outer(counts[0], counts[1]).astype(dtype), counts[2].astype(dtype)


def _elements(axis: Axis, padded: bool, least: int = 1) -> Any:
    """How many elements of each window lie in the input, or in it and its padding."""
    first = np.arange(axis.windows)[:, None] * axis.stride - axis.before
    index = first + np.arange(axis.kernel) * axis.dilation
    inside = index < axis.length + axis.after if padded else (index >= 0) & (index < axis.length)
    return np.maximum(inside.sum(1), least).astype(float)


def _can_gather(axes: tuple[Axis, ...], unit: int) -> bool:
    """Whether rows of the input are many numbers, from few elements of windows."""
    few = 255 if unit >= LANES else 9
    return axes[-1].windows * unit >= LANES and math.prod(axis.kernel for axis in axes) <= few


def _are_few(axes: tuple[Axis, ...], unit: int, *, least: int) -> bool:
    """Whether windows are small, and their rows long enough, to be folded line by line.

    Where rows are shorter than ``least``, the sweeps lose less between one and the next.
    """
    a, b, w = _three(axes)
    if unit >= LANES:
        return a.kernel * b.kernel <= 9 and w.kernel <= 9
    few = a.kernel * b.kernel <= 5 and w.kernel <= 5
    return few and (w.stride > 1 or least < 96) and w.windows * w.stride >= least


def _rows(axes: tuple[Axis, ...], unit: int, item: int, others: int) -> int:
    """How many rows of windows, of so many bytes an element, fit into the cache at once."""
    a, b, w = _three(axes)
    most = BAND // (_reach(w) * unit * item)
    return _shared(a.windows * b.windows, max(1, most), others)


def _three(axes: tuple[Axis, ...]) -> tuple[Axis, Axis, Axis]:
    """The axes as three; the middle one is made up first, since the work is cut along the first."""
    if len(axes) == 3:
        return axes
    return (_ONE if len(axes) == 1 else axes[0]), _ONE, axes[-1]


@functools.lru_cache(maxsize=256)
def _table(axes: tuple[Axis, ...]) -> Any:
    """The three axes for a kernel, (3, fields of an Axis)."""
    return np.array(_three(axes))


def _transposed(axis: Axis) -> Axis:
    """The windows that hold each element, over what was spread by the stride."""
    span = axis.dilation * (axis.kernel - 1)
    length = (axis.windows - 1) * axis.stride + 1
    before = span - axis.before
    after = axis.length - length + axis.before
    return Axis(length, axis.kernel, 1, before, after, axis.dilation, axis.length)


def _band(axes: tuple[Axis, ...], item: int, planes: int) -> Any:
    """How many windows of the first two of three axes fit into the cache at once."""
    a, b, w = _three(axes)
    row = _reach(w) * item
    most = _fitting(a, row * _reach(b))
    if most > 1 or b.windows == 1:
        return np.array((_shared(a.windows, most, planes * b.windows), b.windows))
    most = _fitting(b, row * (a.dilation * (a.kernel - 1) + 1))
    return np.array((1, _shared(b.windows, most, planes * a.windows)))


def _fitting(axis: Axis, row: int) -> int:
    """How many windows along ``axis`` fit into the scratch, in rows of so many bytes."""
    overlap = axis.dilation * (axis.kernel - 1)
    rows = max(BAND // row, 2 * overlap + 1)  # read no element much more than twice
    return (rows - overlap - 1) // axis.stride + 1


def _shared(number: int, most: int, others: int) -> int:
    """At most ``most``, and few enough of a ``number`` to leave work for every thread."""
    each = -(-number * others // (2 * torch.get_num_threads()))
    return max(1, min(number, most, each))


def _reach(axis: Axis) -> int:
    return (axis.windows - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1


def _readable(x: Tensor, dims: int) -> tuple[Tensor, bool]:
    """``x`` as a kernel can read it, and whether its channels come last."""
    x = x.detach().float() if x.dtype == torch.float16 else x.detach()
    memory = memory_format_of(x, dims)
    return x.contiguous(memory_format=memory), memory != torch.contiguous_format


def _array(t: Tensor, dims: int, last: bool) -> Any:
    """A view as (planes, A, B, W * unit)."""
    if last:
        t = t.movedim(1, -1)
        t = t.flatten(-2)
    lengths = t.shape[-dims:]
    a, b = {1: (1, 1), 2: (lengths[0], 1), 3: tuple(lengths[:2])}[dims]
    return array_of(t.reshape(-1, a, b, lengths[-1]))


def _empty(x: Tensor, lengths: Sequence[int], last: bool, dtype: torch.dtype) -> Tensor:
    memory = _LAST[len(lengths)] if last else torch.contiguous_format
    shape = [*x.shape[: -len(lengths)], *lengths]
    return in_huge_pages(torch.empty(shape, dtype=dtype, memory_format=memory))


def _identity(dtype: torch.dtype, fold: int) -> Any:
    """What changes no result, in the dtype that is computed in."""
    if not dtype.is_floating_point:
        limits = torch.iinfo(dtype)
        number = array_of(torch.empty(0, dtype=dtype)).dtype.type
        return number({MAX: limits.min, MIN: limits.max, SUM: 0}[fold])
    number = np.float64 if dtype == torch.float64 else np.float32
    return number({MAX: -np.inf, MIN: np.inf, SUM: 0}[fold])
