"""The largest or smallest element of each window, where it lies, and the gradient of that."""

import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import fold_rows, gather, packed_extrema, scatter
from huashi.pooling.cpu.fold import _folded
from huashi.pooling.cpu.fold_elements import SUM
from huashi.pooling.cpu.planning import (
    BAND,
    _are_few,
    _array,
    _band,
    _can_gather,
    _empty,
    _identity,
    _readable,
    _rows,
    _shared,
    _shifts,
    _table,
)
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.offsets import nowhere, offset_dtype

PACKED = (torch.float32, torch.bfloat16, torch.float16)  # what an offset can be packed beside
PACKED = (*PACKED, torch.uint8, torch.int8, torch.int16, torch.int32)


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
        packed_extrema.whole(
            array.reshape(len(array), -1), out.reshape(-1), places.reshape(-1), sign
        )
        return y.to(x.dtype), offsets
    unit, three = source.shape[1] if last else 1, _table(axes)
    rest = sign, nowhere(offsets.dtype), _identity(source.dtype, sign)
    if source.dtype not in PACKED or _are_few(axes, unit, least=24):
        rows = _rows(axes, unit, 16, out.shape[0])
        fold_rows.pick(array, out, places, three, unit, rows, *rest)
    else:
        packed_extrema.sweep(
            array, out, places, three, unit, _band(axes, unit * 8, out.shape[0]), *rest
        )
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
        gather.gather(array, places, out, _table(axes), unit, zero)
        return dx.to(grad.dtype)
    scatter.scatter(
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
