"""The padding of convolutions: as of the pools, for every stride, of every mode."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from huashi._checks import check_choice
from huashi._windows import each_axis, same_sides

Size = int | Sequence[int]
"""One number for all axes, or one for each."""
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
SAME = ("same", "same_lower")
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Number of dimensions, those of batch and channels counted, to the format."""

Sides = tuple[int, int] | Literal["same", "same_lower"]
"""Elements before and after along one axis, or how many there are to be for ceil(L / stride)
results: with an odd one after (``same``) or before (``same_lower``)."""
Padding = (
    int
    | Sequence[int]
    | Sequence[tuple[int, int]]
    | Sequence[Sides]
    | Literal["valid", "same", "same_lower"]
)
"""One number for all sides, one for each axis, or :data:`Sides` for each; ``valid`` is none,
``same`` gives ceil(L / stride) results, an odd element after; ``same_lower`` has it before."""


def sides_of(padding: Padding, dims: int) -> tuple[Sides, ...]:
    """The padding of each axis.

    Raises:
        ValueError: a number is below 0, a word is unknown, or there are not ``dims`` of them.
        TypeError: something that should be an int is none.

    >>> sides_of(1, 2), sides_of(["same", (0, 2)], 2)
    (((1, 1), (1, 1)), ('same', (0, 2)))
    """
    if isinstance(padding, str):
        check_choice("padding", padding, ("valid", *SAME))
        return ((0, 0) if padding == "valid" else padding,) * dims
    if isinstance(padding, Sequence) and any(isinstance(each, Sequence) for each in padding):
        if len(padding) != dims:
            raise ValueError(f"padding must have (before, after) for {dims} axes, got {padding}")
        return tuple(_of_axis(each) for each in padding)
    return tuple((p, p) for p in each_axis("padding", padding, dims, least=0))  # pyright: ignore[reportArgumentType]


def _of_axis(padding: object) -> Sides:
    if isinstance(padding, str):
        check_choice("padding", padding, SAME)
        return padding  # pyright: ignore[reportReturnType]
    pair = padding if isinstance(padding, Sequence) else (padding, padding)
    before, after = each_axis("padding", tuple(pair), 2, least=0)
    return before, after


def pad(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    sides: Sequence[Sides],
    dilation: Sequence[int],
    mode: PaddingMode = "zeros",
) -> Tensor:
    """``x``, (..., *lengths), with what a convolution without padding then needs around it.

    It may be traced, exported and compiled with lengths that are not known, and keeps channels
    last, which torch's circular padding does not.
    """
    lengths = x.shape[x.ndim - len(sides) :]
    numbers = numbers_of(lengths, kernel_size, stride, sides, dilation)
    flat = [number for pair in reversed(numbers) for number in pair]
    known = not (torch.compiler.is_compiling() and any(isinstance(side, str) for side in sides))
    if known and all(isinstance(number, int) and not number for number in flat):
        return x
    padded = F.pad(x, flat, mode="constant" if mode == "zeros" else mode)
    return in_format_of(x, padded) if mode == "circular" else padded


def in_format_of(x: Tensor, y: Tensor) -> Tensor:
    """``y`` with channels last if ``x``, also a part of its channels, has them so."""
    last = CHANNELS_LAST.get(x.ndim)
    if last is None or x.stride(1) != 1 or x.is_contiguous():
        return y
    if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return y  # vmap has no such formats
    return y.contiguous(memory_format=last)


def numbers_of(
    lengths: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    sides: Sequence[Sides],
    dilation: Sequence[int],
) -> list[tuple[int, int]]:
    """(before, after) along each axis of such lengths."""
    shape = zip(lengths, kernel_size, stride, sides, dilation, strict=True)
    return [
        same_sides(length, spread * (kernel - 1) + 1, step, lower=side == "same_lower")
        if isinstance(side, str)
        else side
        for length, kernel, step, side, spread in shape
    ]
