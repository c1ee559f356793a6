"""Bins of an adaptive pool: windows along an axis that may differ in size and overlap."""

from typing import NamedTuple

from huashi._windows import Axis


class Bins(NamedTuple):
    """The windows along one axis where they differ in size; none of them is empty."""

    length: int
    """Elements of the input."""
    starts: tuple[int, ...]
    """The first element of each."""
    stops: tuple[int, ...]
    """The element after its last."""

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return len(self.starts)

    @property
    def kernel(self) -> int:
        """Elements of the largest."""
        return max(stop - start for start, stop in zip(self.starts, self.stops, strict=True))


AnyAxis = Axis | Bins
"""The windows along one axis, of one size or of several."""


def bins_of(length: int, output: int) -> AnyAxis:
    """``output`` adaptive bins: bin i reaches from floor(i length / output) to ceil of the next.

    Where ``output`` divides ``length`` they are windows like any others; else neighbours overlap.

    >>> bins_of(5, 2)
    Bins(length=5, starts=(0, 2), stops=(3, 5))
    >>> bins_of(6, 2)
    Axis(length=6, kernel=3, stride=3, before=0, after=0, dilation=1, windows=2)
    """
    if length % output == 0:
        size = length // output
        return Axis(length, size, size, 0, 0, 1, output)
    starts = tuple(i * length // output for i in range(output))
    stops = tuple(-(-(i + 1) * length // output) for i in range(output))
    return Bins(length, starts, stops)
