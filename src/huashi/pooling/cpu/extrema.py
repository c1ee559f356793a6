"""The largest or smallest element of each window, where it lies, and the gradient of that."""

import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import fold_rows, gather, packed_extrema, scatter
from huashi.pooling.cpu.fold import folded
from huashi.pooling.cpu.fold_elements import SUM, Extremum
from huashi.pooling.cpu.planning import (
    BAND,
    are_small,
    as_planes,
    as_source,
    band_of,
    can_gather,
    identity_of,
    new_tensor,
    per_task,
    rows_at_once,
    shifts_of,
    windows_of,
)
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.masks import first_real
from huashi.pooling.offsets import nowhere, offset_dtype
from huashi.pooling.reference import identity

PACKED = (  # an offset can be packed into 64 bits with these
    *(torch.float32, torch.bfloat16, torch.float16),
    *(torch.uint8, torch.int8, torch.int16, torch.int32),
)


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The largest (``sign`` 1) or smallest (-1) element of each window."""
    return folded(x, axes, sign)


def extremum_offsets(
    x: Tensor, axes: tuple[Axis, ...], sign: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same, and where in its window each lies, as :mod:`huashi.pooling.offsets` has it."""
    y, offsets = _found(x, axes, sign)
    if mask is not None:
        offsets = first_real(y, offsets, axes, mask, identity(x.dtype, sign), _found)
    return y, offsets


def _found(x: Tensor, axes: tuple[Axis, ...], sign: int) -> tuple[Tensor, Tensor]:
    dims = len(axes)
    source, last, unit = as_source(x, dims)
    lengths = [axis.windows for axis in axes]
    y = new_tensor(source, lengths, last, source.dtype)
    offsets = new_tensor(source, lengths, last, offset_dtype(axes))
    array, out, places = (as_planes(t, dims, last) for t in (source, y, offsets))
    if is_whole(axes) and not last and x.is_floating_point():
        packed_extrema.whole(
            array.reshape(len(array), -1), out.reshape(-1), places.reshape(-1), sign
        )
        return y.to(x.dtype), offsets
    windows = windows_of(axes, unit)
    sought = Extremum(sign, nowhere(offsets.dtype), identity_of(source.dtype, sign))
    if source.dtype not in PACKED or are_small(axes, unit, least=24):
        rows = rows_at_once(axes, unit, 16, out.shape[0])
        fold_rows.pick(array, out, places, windows, sought, rows)
    else:
        band = band_of(axes, unit * 8, out.shape[0])
        packed_extrema.sweep(array, out, places, windows, sought, band)
    return y.to(x.dtype), offsets


def pick_backward(grad: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Each gradient to the element that its window picked."""
    dims = len(axes)
    memory = memory_format_of(offsets, dims)
    last = memory != torch.contiguous_format
    source = grad.detach().float() if grad.dtype == torch.float16 else grad.detach()
    source = source.contiguous(memory_format=memory)
    offsets = offsets.contiguous(memory_format=memory)
    dx = new_tensor(source, [axis.length for axis in axes], last, source.dtype)
    array, places, out = (as_planes(t, dims, last) for t in (source, offsets, dx))
    unit, zero = dx.shape[1] if last else 1, identity_of(source.dtype, SUM)
    if is_whole(axes) and not last:
        at, given = offsets.reshape(-1, 1).long(), source.reshape(-1, 1)
        none = at == nowhere(offsets.dtype)  # where nothing was drawn
        if none.any():
            at, given = at.masked_fill(none, 0), given.masked_fill(none, 0)
        out.fill(0)
        dx.view(len(at), -1).scatter_(1, at, given)
        return dx.to(grad.dtype)
    windows = windows_of(axes, unit)
    if can_gather(axes, unit):
        gather.gather(array, places, out, windows, zero)
        return dx.to(grad.dtype)
    band = per_task(out.shape[1], BAND // (out[0, 0].size * out.itemsize), out.shape[0])
    rest = shifts_of(axes) * unit, nowhere(offsets.dtype), band, zero
    scatter.scatter(array, places, out, windows, *rest)
    return dx.to(grad.dtype)
