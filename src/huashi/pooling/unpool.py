r"""Unpooling: what a pool kept goes back to where it was found, and all else is zero.

.. math:: y_p = \sum_{o \,:\, \mathrm{index}(o) = p} x_o

with one term of the sum left, or all of them, where windows overlap and found the same element.

Zeiler, Fergus: Visualizing and Understanding Convolutional Networks (2014),
https://arxiv.org/abs/1311.2901; as the decoder of a network in Badrinarayanan, Kendall, Cipolla:
SegNet (2017), https://arxiv.org/abs/1511.00561.

PyTorch's guesses the size of the input from the kernel, which misplaces the values of an odd-sized
one, and leaves it open which of two values at one place stays. Here :class:`Places` bring the size
along, and a named rule decides.
"""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice
from huashi._kernel.operator import kernel_serves
from huashi._windows import Axis, Padding, Size, axes_of
from huashi.pooling import operators, reference
from huashi.pooling.arguments import check_input, has_values
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.offsets import Places, nowhere

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]
# fmt: on

POLICIES = "last", "max", "sum"
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
NO_ELEMENT = -2
_ANY_LENGTH = 2**40
Windows = tuple[Size | None, Size | None, Padding]


def max_unpool(
    dims: int,
    x: Tensor,
    indices: Places | Tensor,
    kernel_size: Size | None = None,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
    *,
    duplicates: str = "last",
) -> Tensor:
    """Put values back to where a pool found them, zeros elsewhere.

    Only values that stay get a gradient. A window that found nothing, index -1, adds nothing.

    Source: Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2014.

    Args:
        {shared}
        x: what the pool gave, or as many other values, {pooled}, floating-point or integer.
        indices: of the pool, in the shape of ``x``. :class:`Places`, which ``return_indices=
            "compact"`` gives, know the size of its input; int64 indices in the flattened dimensions
            are PyTorch's.
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        output_size: of the input of the pool, its pooled dimensions or all of them. By default what
            :class:`Places` say, else ``(windows - 1) * stride - 2 * padding + kernel_size``.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.

    Returns:
        {shape}, in the dtype and memory format of ``x``, sums accumulated in float32 or wider.

    Raises:
        ValueError: ``indices`` are not of this shape, or lie outside (which compiled code cannot
            see: it leaves them out); sizes do not fit; an argument is out of its range.
        {errors}

    >>> from huashi.pooling import max_pool1d
    >>> x = torch.tensor([[3.0, 1.0, 2.0, 4.0, 5.0]])
    >>> max_unpool1d(*max_pool1d(x, 2, return_indices="compact"))
    tensor([[3., 0., 0., 4., 0.]])
    >>> max_unpool1d(torch.tensor([[7.0, 8.0]]), torch.tensor([[1, 1]]), 2, duplicates="sum")
    tensor([[ 0., 15.,  0.,  0.]])
    """
    check_input(dims, x, integers=True)
    _check_options(dims, kernel_size, stride, padding, duplicates)
    windows = kernel_size, stride, padding
    if isinstance(indices, Places):
        lengths = _lengths_of_places(dims, x, indices, windows, output_size)
        index, apart = _indices_of(indices), _apart(indices.axes)
        uncovered = not apart and "overlapping windows"
    else:
        lengths = _lengths_of_indices(dims, x, indices, windows, output_size)
        index, apart, uncovered = indices, False, "indices"
    if has_values(index) and index.numel():
        _check_inside(index, lengths)
    if kernel_serves("pool_pick_backward", x, index, unless=uncovered):
        return operators.put(x, indices.offsets, indices.axes)  # pyright: ignore[reportAttributeAccessIssue]
    places = index.flatten(-dims)
    flat = _put(x.flatten(-dims), places, math.prod(lengths), duplicates, apart=apart)
    y = flat.unflatten(-1, lengths)
    return y.contiguous(memory_format=CHANNELS_LAST[dims]) if _channels_last(dims, x) else y


class MaxUnpool(nn.Module):
    """:func:`~huashi.pooling.max_unpool{dims}d` as a module."""

    dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size | None = None,
        stride: Size | None = None,
        padding: Padding = 0,
        *,
        duplicates: str = "last",
    ) -> None:
        super().__init__()
        _check_options(self.dims, kernel_size, stride, padding, duplicates)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding: Padding = padding
        self.duplicates = duplicates

    def forward(
        self, x: Tensor, indices: Places | Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        windows = self.kernel_size, self.stride, self.padding
        return max_unpool(self.dims, x, indices, *windows, output_size, duplicates=self.duplicates)

    def extra_repr(self) -> str:
        names = "kernel_size", "stride", "padding", "duplicates"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


def _check_options(
    dims: int, kernel_size: Size | None, stride: Size | None, padding: Padding, duplicates: str
) -> None:
    check_choice("duplicates", duplicates, POLICIES)
    if kernel_size is not None:
        axes_of([_ANY_LENGTH] * dims, kernel_size, stride, padding)
    elif stride is not None or padding != 0:
        raise ValueError("kernel_size must be given where stride or padding is, got None")


def _lengths_of_places(
    dims: int, x: Tensor, places: Places, windows: Windows, output_size: Sequence[int] | None
) -> tuple[int, ...]:
    """The lengths that ``places`` come from, once all that is said of them is found to agree."""
    offsets, axes = places
    if offsets.dtype not in (torch.uint8, torch.int16, torch.int32):
        raise TypeError(f"indices must have uint8, int16 or int32 offsets, got {offsets.dtype}")
    shape = (*x.shape[:-dims], *(axis.windows for axis in axes))
    if len(axes) != dims or offsets.shape != x.shape or shape != tuple(x.shape):
        raise ValueError(
            f"indices must be for the windows of x {tuple(x.shape)}, got offsets of "
            f"{tuple(offsets.shape)} in {' x '.join(str(axis.windows) for axis in axes)} windows"
        )
    lengths = tuple(axis.length for axis in axes)
    kernel_size, stride, padding = windows
    if kernel_size is not None:
        dilation = [axis.dilation for axis in axes]
        expected = axes_of(lengths, kernel_size, stride, padding, dilation)
        if any(one[:6] != other[:6] for one, other in zip(expected, axes, strict=True)):
            raise ValueError(
                f"kernel_size, stride and padding must be those of indices, got {kernel_size}, "
                f"{stride} and {padding}"
            )
    if output_size is not None and _pooled(dims, x, output_size) != lengths:
        raise ValueError(
            f"output_size must be {lengths}, which indices come from, got {tuple(output_size)}"
        )
    return lengths


def _lengths_of_indices(
    dims: int, x: Tensor, indices: Tensor, windows: Windows, output_size: Sequence[int] | None
) -> tuple[int, ...]:
    """The lengths of the output, by the rules of torch."""
    if not isinstance(indices, Tensor) or indices.dtype != torch.int64:
        got = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise TypeError(f"indices must be Places or an int64 tensor, got {got}")
    if indices.shape != x.shape:
        raise ValueError(
            f"indices must have the shape of x {tuple(x.shape)}, got {tuple(indices.shape)}"
        )
    lengths = None if output_size is None else _pooled(dims, x, output_size)
    kernel_size, stride, padding = windows
    if kernel_size is None:
        if lengths is None:
            raise ValueError("output_size or kernel_size must be given with a tensor, got neither")
        return lengths
    if isinstance(padding, str):
        raise ValueError(f"padding must be numbers with a tensor of indices, got {padding!r}")
    axes = axes_of([_ANY_LENGTH] * dims, kernel_size, stride, padding)
    default = tuple(
        (windows - 1) * axis.stride - axis.before - axis.after + axis.kernel
        for windows, axis in zip(x.shape[-dims:], axes, strict=True)
    )
    if lengths is None:
        if min(default) < 1:
            raise ValueError(f"padding must leave something of the output, got {padding}")
        return default
    if any(abs(a - b) >= c.stride for a, b, c in zip(lengths, default, axes, strict=True)):
        raise ValueError(
            f"output_size must be less than a stride from {default}, got {tuple(lengths)}"
        )
    return lengths


def _check_inside(index: Tensor, lengths: tuple[int, ...]) -> None:
    low, high = (int(bound) for bound in index.aminmax())
    if low < -1 or high >= math.prod(lengths):
        raise ValueError(
            f"indices must be from -1 to {math.prod(lengths) - 1}, in an output of {lengths}, got "
            f"{low} to {high}" + (", an offset to no element" if low == NO_ELEMENT else "")
        )


def _pooled(dims: int, x: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
    """The pooled dimensions of an output size, which may also have the others."""
    size = tuple(output_size)
    if len(size) not in (dims, x.ndim) or min(size[-dims:]) < 1:
        raise ValueError(f"output_size must be {dims} numbers > 0, or {x.ndim}, got {size}")
    return size[-dims:]


def _put(x: Tensor, index: Tensor, size: int, duplicates: str, *, apart: bool) -> Tensor:
    """(..., n) values to their places among (..., size) zeros; ``apart`` if no two can meet.

    Losers add zero to the place they lost, so that no order of the additions can be seen.
    """
    real = (index >= 0) & (index < size)
    place = torch.where(real, index, 0)
    if duplicates == "sum" and not apart:
        wide = x.to(torch.promote_types(x.dtype, torch.float32)) if x.is_floating_point() else x
        add = _add if x.device.type == "cpu" else _add_sorted
        return add(torch.where(real, wide, 0), place, size).to(x.dtype)
    if not apart:
        real = real & _wins(x.detach(), torch.where(real, index, size), size, duplicates)
    return _add(torch.where(real, x, 0), place, size)


def _add(x: Tensor, place: Tensor, size: int) -> Tensor:
    return x.new_zeros(*x.shape[:-1], size).scatter_add(-1, place, x)


def _add_sorted(x: Tensor, place: Tensor, size: int) -> Tensor:
    """As :func:`_add`, in the same order at every run, where a device adds as it comes.

    Values for one place are brought together, added up in a segmented scan, and put down once.
    """
    place, order = place.sort(dim=-1, stable=True)
    x, reach = x.gather(-1, order), 1
    while reach < x.shape[-1]:
        same = place[..., reach:] == place[..., :-reach]
        further = x[..., reach:] + torch.where(same, x[..., :-reach], 0)
        x, reach = torch.cat([x[..., :reach], further], -1), 2 * reach
    last = torch.cat(
        [place[..., 1:] != place[..., :-1], torch.ones_like(place[..., :1]).bool()], -1
    )
    return _add(torch.where(last, x, 0), place, size)


def _wins(x: Tensor, place: Tensor, size: int, duplicates: str) -> Tensor:
    """Which values stay at their places, one at each; place ``size`` is for those without one."""
    n = x.shape[-1]
    order = torch.arange(n, dtype=torch.int32, device=x.device).expand(x.shape)

    def best(of: Tensor, reduce: str, start: float) -> Tensor:
        table = of.new_full((*x.shape[:-1], size + 1), start)
        return table.scatter_reduce(-1, place, of, reduce).gather(-1, place)

    if duplicates == "last":
        return best(order, "amax", -1) == order
    least = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    largest = (x == best(x, "amax", least)) | x.isnan()
    return best(torch.where(largest, order, n), "amin", n) == order


def _apart(axes: tuple[Axis, ...]) -> bool:
    """Whether no two windows have an element in common."""
    return all(
        isinstance(axis, Axis) and axis.stride > axis.dilation * (axis.kernel - 1) for axis in axes
    )


def _indices_of(places: Places) -> Tensor:
    """As :meth:`Places.indices`, but ``NO_ELEMENT`` for an offset to none of the input."""
    offsets, axes = places
    lengths = [axis.length for axis in axes]
    _, real, index = reference.windows(torch.zeros(lengths, device=offsets.device), axes)
    elements = index.shape[-1]
    table = F.pad(torch.where(real, index, NO_ELEMENT), (0, 1), value=NO_ELEMENT)
    column = offsets.long()[..., None]
    column = torch.where((column < 0) | (column > elements), elements, column)
    found = table.expand(*offsets.shape, -1).gather(-1, column)[..., 0]
    return torch.where(offsets == nowhere(offsets.dtype), -1, found)


def _channels_last(dims: int, x: Tensor) -> bool:
    if dims == 1 or x.ndim != dims + 2:
        return False
    if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return False  # where formats cannot be asked for
    return not x.is_contiguous() and x.is_contiguous(memory_format=CHANNELS_LAST[dims])


def _to_first_elements(function: Callable[..., Tensor], x: Tensor) -> Tensor:
    """Call ``function`` on what windows of two are to have found in their first elements."""
    axes = axes_of([2 * length for length in x.shape[2:]], 2)
    return function(x, Places(torch.zeros_like(x, dtype=torch.uint8), axes))


def _in_reverse(x: Tensor) -> Tensor:
    """Indices that turn the positions of ``x`` round."""
    places = torch.arange(math.prod(x.shape[2:]) - 1, -1, -1, device=x.device)
    return places.view(x.shape[2:]).expand(x.shape)


max_unpool1d, max_unpool2d, max_unpool3d = each_dimension(
    max_unpool,
    _to_first_elements,
    Called(_to_first_elements, spatial=LONG_ROWS),
    lambda f, x: f(x, _in_reverse(x), output_size=x.shape[2:]),
    integers=True,
)
MaxUnpool1d, MaxUnpool2d, MaxUnpool3d = each_dimension_module(
    MaxUnpool, (max_unpool1d, max_unpool2d, max_unpool3d)
)
