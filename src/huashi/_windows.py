r"""Which elements a window holds: strides, padding and dilation are worked out here only.

Along an axis of length :math:`L`, with kernel :math:`k`, stride :math:`s`, dilation :math:`d` and
:math:`p_l, p_r` elements of padding before and after, window :math:`o` holds
:math:`\{ i = o s - p_l + j d : 0 \le j < k,\ 0 \le i < L \}`, and there are

.. math:: \Bigl\lfloor \tfrac{1}{s} (L + p_l + p_r - d (k - 1) - 1 + (s - 1 \text{ if ceil}))
    \Bigr\rfloor + 1

windows, less the last one where in ceil mode it would begin at or beyond :math:`L + p_l`.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from huashi._checks import as_bool, check_choice, int_or_none

Size = int | Sequence[int]
"""One number for all axes, or one for each."""


Padding = int | Sequence[int] | Sequence[tuple[int, int]] | Literal["same", "same_lower"]
"""One number for all sides, one for each axis, or (before, after) for each axis. ``same`` gives
ceil(L / stride) windows, an odd element of padding after; ``same_lower`` has it before."""


class Axis(NamedTuple):
    """The windows along one axis."""

    length: int
    """Elements of the input."""
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int
    windows: int
    """How many windows there are."""


def axes_of(
    lengths: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> tuple[Axis, ...]:
    """The windows along each axis, from arguments as torch has them.

    Args:
        lengths: of the axes that are pooled.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around the input; any number of them is legal.
        dilation: from one element of a window to the next.
        ceil_mode: count a last window that is only partly inside.

    Raises:
        ValueError: a number is out of its range, there are more or fewer numbers than axes, or a
            window is larger than the padded input.
        TypeError: something that should be an int is none.

    >>> [axis] = axes_of([5], kernel_size=2, ceil_mode=True)
    >>> axis.windows
    3
    >>> axes_of([5], 3, 2, padding="same")[0][3:5]  # before and after
    (1, 1)
    """
    n, ceil_mode = len(lengths), as_bool("ceil_mode", ceil_mode)
    kernels = each_axis("kernel_size", kernel_size, n, least=1)
    strides = kernels if stride is None else each_axis("stride", stride, n, least=1)
    dilations = each_axis("dilation", dilation, n, least=1)
    if isinstance(padding, str):
        check_choice("padding", padding, ("same", "same_lower"))
        sides = [
            same_sides(length, dilation * (kernel - 1) + 1, stride, lower=padding == "same_lower")
            for length, kernel, stride, dilation in zip(
                lengths, kernels, strides, dilations, strict=True
            )
        ]
    else:
        sides = _sides(padding, n)
    return tuple(
        _axis(*each, ceil_mode)
        for each in zip(lengths, kernels, strides, sides, dilations, strict=True)
    )


def is_whole(axes: Sequence[Axis]) -> bool:
    """Whether the one window is the input.

    >>> is_whole(axes_of([5, 4], kernel_size=[5, 4]))
    True
    """
    return all(
        (axis.windows, axis.kernel, axis.before, axis.dilation) == (1, axis.length, 0, 1)
        for axis in axes
    )


def each_axis(name: str, value: Size, n: int, *, least: int) -> tuple[int, ...]:
    """``value`` for each of ``n`` axes, every one an int of at least ``least``."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) == 1:
        values *= n
    if len(values) != n:
        raise ValueError(f"{name} must be an int or have {n} of them, got {value}")
    numbers = tuple(int_or_none(each) for each in values)
    for number in numbers:
        if number is None:
            raise TypeError(f"{name} must be made of ints, got {value!r}")
        if number < least:
            raise ValueError(f"{name} must be >= {least}, got {value}")
    return numbers  # pyright: ignore[reportReturnType]


def _axis(
    length: int, k: int, stride: int, sides: tuple[int, int], dilation: int, ceil_mode: bool
) -> Axis:
    before, after = sides
    span = dilation * (k - 1) + 1
    room = length + before + after - span
    if room < 0 and not (ceil_mode and room + stride > 0):  # in ceil mode one that overhangs
        raise ValueError(
            f"kernel_size must fit into the padded input, got a window of {span} elements "
            f"(kernel {k}, dilation {dilation}) for {length} + {before} + {after}"
        )
    windows = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (windows - 1) * stride >= length + before:
        windows -= 1
    if room < 0 and before == after == 0:  # all of the input, and nothing beyond it
        k = -(-length // dilation)
    if stride > length + before + after:  # of a single window any stride will do
        stride = length + before + after
    return Axis(length, k, stride, before, after, dilation, windows)


def same_sides(length: Any, span: int, stride: int, *, lower: bool) -> tuple[int, int]:
    """How much ``same`` pads before and after, for windows that reach over ``span`` elements.

    The length may be symbolic, or a tensor while ``torch.jit.trace`` records. Nothing is divided
    that may be negative: an exported file would round it towards 0.

    >>> same_sides(5, 3, 2, lower=False), same_sides(6, 3, 2, lower=False)
    ((1, 1), (0, 1))
    """
    past = (length - 1) % stride  # elements after the first one of the last window
    total: Any = span - 1 - past
    if span < stride:  # else it is never negative
        total = total.clamp(min=0) if isinstance(total, Tensor) else torch.sym_max(total, 0)
        less = total // 2
    else:
        less = (span - 1) // 2 - (past + span % 2) // 2
    more = total - less
    return (more, less) if lower else (less, more)


def _sides(
    padding: int | Sequence[int] | Sequence[tuple[int, int]], n: int
) -> list[tuple[int, int]]:
    if isinstance(padding, Sequence) and any(isinstance(side, Sequence) for side in padding):
        if len(padding) != n or any(
            not isinstance(side, Sequence) or len(side) != 2 for side in padding
        ):
            raise ValueError(f"padding must have (before, after) for {n} axes, got {padding}")
        pairs = [each_axis("padding", side, 2, least=0) for side in padding]
        return [(before, after) for before, after in pairs]
    return [(p, p) for p in each_axis("padding", padding, n, least=0)]  # pyright: ignore[reportArgumentType]
