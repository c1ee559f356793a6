"""Where a tap of a deformable convolution looks, and the neighbours of that position."""

# ruff: noqa: ANN001, ANN201  (Numba infers the types of a kernel)

from typing import Any, NamedTuple

import numpy as np

from huashi._kernel.numba import compiled


class Geometry(NamedTuple):
    """The sizes of a call in three axes; those that the input has not are of length 1."""

    dims: int
    masked: bool
    channels: int
    group_channels: int
    """Of a group of the weight."""
    depth: int
    height: int
    width: int
    result_height: int
    result_width: int
    stride_z: int
    stride_y: int
    stride_x: int


class Neighbours(NamedTuple):
    """Two elements of an axis, the share that each has in a position, and how that grows.

    One that does not exist has no share, which does not grow, and the index of the other.
    """

    inside: bool
    """Whether one of them exists."""
    low: Any
    high: Any
    share_low: float
    share_high: float
    slope_low: float
    slope_high: float


@compiled
def neighbours(at, length, one):
    """Of a position on an axis. One that is NaN has shares that are NaN."""
    zero, first = one - one, np.int64(0)
    if at >= -one and at < length:
        floor = np.floor(at)
        rest = at - floor
        low, share_low, slope_low = np.int64(floor), one - rest, -one
        high, share_high, slope_high = low + 1, rest, one
        if low < 0:
            low, share_low, slope_low = first, zero, zero
        if high >= length:
            high, share_high, slope_high = low, zero, zero
        return Neighbours(True, low, high, share_low, share_high, slope_low, slope_high)
    share = at if at != at else zero
    return Neighbours(at != at, first, first, share, share, zero, zero)


@compiled
def seen(offset, row, place, reach, g, one):
    """What a tap of result ``place`` sees along z, y and x, three :class:`Neighbours`.

    Args:
        offset: (..., results); from ``row`` on a number for each axis of the input.
        row: of the offset.
        place: the number of the result.
        reach: (z, y, x) from where a result begins to the tap.
        g: :class:`Geometry`.
        one: 1 in the type of the numbers.
    """
    zero, number, last = one - one, offset.dtype.type, row + g.dims - 1
    rest, x = place // g.result_width, place % g.result_width
    z, y = rest // g.result_height, rest % g.result_height
    at_x = number(x * g.stride_x + reach[2]) + offset[last, place]
    at_y, at_z = zero, zero
    if g.dims > 1:
        at_y = number(y * g.stride_y + reach[1]) + offset[last - 1, place]
    if g.dims > 2:
        at_z = number(z * g.stride_z + reach[0]) + offset[row, place]
    return (
        neighbours(at_z, g.depth, one),
        neighbours(at_y, g.height, one),
        neighbours(at_x, g.width, one),
    )
