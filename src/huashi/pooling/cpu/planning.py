"""What every launch needs: the axes as a table, tensors as arrays, and how the work is cut.

Bytes and limits stand in the modules of the kernels, and as measured in docs/kernels.md.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.memory import empty
from huashi._windows import Axis
from huashi.pooling.cpu.fold_elements import (
    MAX,
    MIN,
    SUM,
)
from huashi.pooling.cpu.windows import AXIS, Windows
from huashi.pooling.dimensions import memory_format_of

BAND = 2**14  # bytes of a scratch: it and its twin fit into the L1 cache
LANES = 16  # so many numbers side by side are worth a loop of their own
_ONE = Axis(length=1, kernel=1, stride=1, before=0, after=0, dilation=1, windows=1)
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def shifts_of(axes: tuple[Axis, ...]) -> Any:
    """How far from the first element of a window each of its elements lies, in elements."""
    a, b, w = three_of(axes)
    first = np.arange(a.kernel) * a.dilation * b.length
    second = np.arange(b.kernel) * b.dilation
    rows = np.add.outer(first, second) * w.length
    return np.add.outer(rows, np.arange(w.kernel) * w.dilation).ravel()


def elements_inside(axis: Axis, padded: bool, least: int = 1) -> Any:
    """How many elements of each window lie in the input, or in it and its padding."""
    first = np.arange(axis.windows)[:, None] * axis.stride - axis.before
    index = first + np.arange(axis.kernel) * axis.dilation
    inside = index < axis.length + axis.after if padded else (index >= 0) & (index < axis.length)
    return np.maximum(inside.sum(1), least).astype(float)


def can_gather(axes: tuple[Axis, ...], unit: int) -> bool:
    """Whether the gradient is gathered: rows are long, and windows have few elements."""
    few = 255 if unit >= LANES else 9
    return axes[-1].windows * unit >= LANES and math.prod(axis.kernel for axis in axes) <= few


def are_small(axes: tuple[Axis, ...], unit: int, *, least: int) -> bool:
    """Whether windows are small, and their rows long enough, to be folded line by line.

    Where rows are shorter than ``least``, the sweeps lose less between one and the next.
    """
    a, b, w = three_of(axes)
    if unit >= LANES:
        return a.kernel * b.kernel <= 9 and w.kernel <= 9
    few = a.kernel * b.kernel <= 5 and w.kernel <= 5
    return few and (w.stride > 1 or least < 96) and w.windows * w.stride >= least


def rows_at_once(axes: tuple[Axis, ...], unit: int, item: int, others: int) -> int:
    """How many rows of windows, of so many bytes an element, fit into the cache at once."""
    a, b, w = three_of(axes)
    most = BAND // (_reach(w) * unit * item)
    return per_task(a.windows * b.windows, max(1, most), others)


def three_of(axes: tuple[Axis, ...]) -> tuple[Axis, Axis, Axis]:
    """The axes as three; the middle one is made up first, since the work is cut along the first."""
    if len(axes) == 3:
        return axes
    return (_ONE if len(axes) == 1 else axes[0]), _ONE, axes[-1]


@functools.lru_cache(maxsize=256)
def windows_of(axes: tuple[Axis, ...], unit: int) -> Windows:
    """The windows for a kernel, of so many numbers side by side at each place."""
    return Windows(np.array([tuple(axis) for axis in three_of(axes)], AXIS), unit)


def transposed(axis: Axis) -> Axis:
    """The windows that hold each element, over what was spread by the stride."""
    span = axis.dilation * (axis.kernel - 1)
    length = (axis.windows - 1) * axis.stride + 1
    before = span - axis.before
    after = axis.length - length + axis.before
    return Axis(length, axis.kernel, 1, before, after, axis.dilation, axis.length)


def band_of(axes: tuple[Axis, ...], item: int, planes: int) -> Any:
    """How many windows of the first two of three axes fit into the cache at once."""
    a, b, w = three_of(axes)
    row = _reach(w) * item
    most = _fitting(a, row * _reach(b))
    if most > 1 or b.windows == 1:
        return np.array((per_task(a.windows, most, planes * b.windows), b.windows))
    most = _fitting(b, row * (a.dilation * (a.kernel - 1) + 1))
    return np.array((1, per_task(b.windows, most, planes * a.windows)))


def _fitting(axis: Axis, row: int) -> int:
    """How many windows along ``axis`` fit into the scratch, in rows of so many bytes."""
    overlap = axis.dilation * (axis.kernel - 1)
    rows = max(BAND // row, 2 * overlap + 1)  # read no element much more than twice
    return (rows - overlap - 1) // axis.stride + 1


def per_task(number: int, most: int, others: int) -> int:
    """At most ``most``, and few enough of a ``number`` to leave work for every thread."""
    each = -(-number * others // (2 * torch.get_num_threads()))
    return max(1, min(number, most, each))


def _reach(axis: Axis) -> int:
    """How many elements along an axis all windows reach over."""
    return (axis.windows - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1


class Source(NamedTuple):
    """A tensor as a kernel can read it."""

    tensor: Tensor
    last: bool
    """Whether its channels come last."""
    unit: int
    """How many numbers stand side by side at each place: the channels where they come last."""


def as_source(x: Tensor, dims: int) -> Source:
    """``x`` as a kernel can read it; float16 in float32."""
    x = x.detach().float() if x.dtype == torch.float16 else x.detach()
    memory = memory_format_of(x, dims)
    last = memory != torch.contiguous_format
    return Source(x.contiguous(memory_format=memory), last, x.shape[1] if last else 1)


def as_planes(t: Tensor, dims: int, last: bool) -> Any:
    """A view as (planes, A, B, W * unit)."""
    if last:
        t = t.movedim(1, -1)
        t = t.flatten(-2)
    lengths = t.shape[-dims:]
    a, b = {1: (1, 1), 2: (lengths[0], 1), 3: tuple(lengths[:2])}[dims]
    return array_of(t.reshape(-1, a, b, lengths[-1]))


def new_tensor(x: Tensor, lengths: Sequence[int], last: bool, dtype: torch.dtype) -> Tensor:
    """An empty tensor like ``x`` but for its dtype and the lengths of its last dimensions."""
    memory = CHANNELS_LAST[len(lengths)] if last else torch.contiguous_format
    shape = [*x.shape[: -len(lengths)], *lengths]
    return empty(shape, dtype, memory)


def identity_of(dtype: torch.dtype, kind: int) -> Any:
    """What changes no result, in the dtype that is computed in."""
    if not dtype.is_floating_point:
        limits = torch.iinfo(dtype)
        number = array_of(torch.empty(0, dtype=dtype, device="cpu")).dtype.type
        return number({MAX: limits.min, MIN: limits.max, SUM: 0}[kind])
    number = np.float64 if dtype == torch.float64 else np.float32
    return number({MAX: -np.inf, MIN: np.inf, SUM: 0}[kind])
