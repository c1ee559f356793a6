"""Which elements a window holds, and which part of the input a task needs, for kernels in Numba."""

# ruff: noqa: ANN001, ANN201  (Numba infers the types of a kernel)

from typing import Any, NamedTuple

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import compiled, inlined
from huashi._windows import Axis

AXIS = np.dtype([(field, np.int64) for field in Axis._fields], align=True)


class Windows(NamedTuple):
    """The windows of a pool, as a kernel reads them."""

    axes: Any
    """Three, of dtype AXIS."""
    unit: int
    """How many numbers stand side by side at each place: the channels where they come last."""


class Piece(NamedTuple):
    """What a task computes of a plane: some windows of the first two axes, all of the third."""

    plane: int
    first: tuple[int, int]
    """The first window along each of two axes."""
    number: tuple[int, int]
    """How many windows."""
    corner: tuple[int, int]
    """Where the first window begins, padding included."""


class Reach(NamedTuple):
    """A stretch of one row and where it begins in another."""

    first: int
    last: int
    """The one after the last."""
    start: int
    """Where in the other row the first one lies."""


@inlined
def every(row, out, stride, unit):
    """Store each ``stride``-th element, of ``unit`` numbers."""
    if unit > 1:
        for o in range(out.size // unit):
            source, target = row[o * stride * unit :], out[o * unit : (o + 1) * unit]
            for i in range(unit):
                target[i] = narrow(wide(source[i]), out)
    elif stride == 1:
        for i in range(out.size):
            out[i] = narrow(wide(row[i]), out)
    elif stride == 2:  # known to the compiler, so that it runs in vector lanes
        for i in range(out.size):
            out[i] = narrow(wide(row[2 * i]), out)
    else:
        for i in range(out.size):
            out[i] = narrow(wide(row[stride * i]), out)


@compiled
def span(axis, spread, n):
    """Which elements of a row fall into a scratch of ``n``, and where the first of them does.

    Where none does, since no window comes as far as the input, that is its end.
    """
    first = max(0, -(axis.before // spread))  # a negative ``before`` leaves out the first elements
    last = min((axis.length - 1) // spread + 1, (n - axis.before + spread - 1) // spread)
    return Reach(first, max(first, last), min(axis.before + first * spread, n))


@compiled
def source(place, length, spread):
    """Which row of the input lies at ``place`` of the padded, spread one; -1 for none."""
    if place < 0 or place >= length:
        return -1
    if spread == 1:  # the usual case: a division takes as long as copying a row
        return place
    return place // spread if place % spread == 0 else -1


@inlined
def piece(task, y, axes, band):
    """Which windows a task computes, and the part of the input that they need."""
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    bands_b = (y.shape[2] + band[1] - 1) // band[1]
    p, t = task // (bands_a * bands_b), task % (bands_a * bands_b)
    first_a, first_b = t // bands_b * band[0], t % bands_b * band[1]
    count_a, count_b = min(band[0], y.shape[1] - first_a), min(band[1], y.shape[2] - first_b)
    corner_a = first_a * axes[0].stride - axes[0].before
    corner_b = first_b * axes[1].stride - axes[1].before
    return Piece(p, (first_a, first_b), (count_a, count_b), (corner_a, corner_b))


@compiled
def rows(axis, windows):
    """How many elements along an axis so many windows reach over."""
    return (windows - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1


@compiled
def pieces(y, band):
    """Into how many bands of windows the work is cut."""
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    return y.shape[0] * bands_a * ((y.shape[2] + band[1] - 1) // band[1])


@inlined
def place(axis, j, size):
    """The windows whose j-th element is inside, from the first to before the last; its place."""
    offset = j * axis.dilation - axis.before
    first = max(0, -(offset // axis.stride))
    last = max(first, min(size, (axis.length - 1 - offset) // axis.stride + 1))
    return Reach(first, last, first * axis.stride + offset)
