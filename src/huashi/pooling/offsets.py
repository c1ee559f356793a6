"""Where in its window an element was found: one byte instead of an index of eight.

An offset counts the elements of a window in row-major order, absent ones too; the last number of
its dtype, or -1 where that is signed, is for a window without an element.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from huashi._windows import Axis

# fmt: off
__all__ = [
    "Places",
]
# fmt: on


class Places(NamedTuple):
    """Where each element lies that a pool picked, and in an input of what shape."""

    offsets: Tensor
    """Within the window, (..., windows of each axis); uint8 for windows of up to 255 elements."""
    axes: tuple[Axis, ...]
    """The windows; they know the input's lengths."""

    def indices(self) -> Tensor:
        """The same as torch has it: int64, in the flattened dimensions of the input, -1 if none.

        >>> from huashi._windows import axes_of
        >>> Places(torch.tensor([1, 0, 255], dtype=torch.uint8), axes_of([6], 2)).indices()
        tensor([ 1,  2, -1])
        """
        return indices_of(self.offsets, self.axes)


def offset_dtype(axes: tuple[Axis, ...]) -> torch.dtype:
    """The smallest dtype with a number for each element of a window and one for none of them."""
    elements = math.prod([axis.kernel for axis in axes])  # a list: it can be traced
    return torch.uint8 if elements <= 255 else torch.int16 if elements <= 2**15 else torch.int32


def nowhere(dtype: torch.dtype) -> int:
    """The offset of a window without an element."""
    return 255 if dtype == torch.uint8 else -1


def indices_of(offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Offsets in windows to indices in the flattened axes, int64, -1 where there is none."""
    place = torch.zeros((), dtype=torch.long, device=offsets.device)
    rest, pitch = offsets.long(), 1
    for dim in range(-1, -len(axes) - 1, -1):
        axis = axes[dim]
        first = _first(axis, dim, offsets.device)
        place = place + pitch * (first + axis.dilation * (rest % axis.kernel))
        rest, pitch = rest // axis.kernel, pitch * axis.length
    return torch.where(offsets == nowhere(offsets.dtype), -1, place)


def offsets_of(indices: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Indices in the flattened axes to offsets in windows, the inverse of :func:`indices_of`."""
    dtype = offset_dtype(axes)
    rest, offset, pitch = indices, torch.zeros_like(indices), 1
    for dim in range(-1, -len(axes) - 1, -1):
        axis = axes[dim]
        element = (rest % axis.length - _first(axis, dim, indices.device)) // axis.dilation
        offset = offset + pitch * element
        rest, pitch = rest // axis.length, pitch * axis.kernel
    return torch.where(indices < 0, nowhere(dtype), offset).to(dtype)


def _first(axis: Axis, dim: int, device: torch.device) -> Tensor:
    """Where each window begins, padding included, broadcastable along dimension ``dim``."""
    first = torch.arange(axis.windows, device=device) * axis.stride - axis.before
    return first.view(-1, *[1] * (-dim - 1))
