"""What a fold does to elements: which folds there are, what comes before and after them."""

# ruff: noqa: ANN001, ANN201  (Numba infers the types of a kernel)

from typing import Any, NamedTuple

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import inlined

MAX, MIN, SUM = 1, -1, 0  # what a fold does
AS_IS, ABS, SQUARE = 0, 1, 2  # what is done to an element first
DIVIDE, ROOT = 1, 2  # what is done to a result last, as flags


class Fold(NamedTuple):
    """What is made of the elements of a window."""

    kind: int
    """MAX, MIN or SUM."""
    change: int
    """What is done to each element first: AS_IS, ABS or SQUARE."""
    finish: int
    """What is done to the result last: DIVIDE, ROOT, both or neither."""
    identity: Any
    """What changes no result, in the dtype that is computed in."""


class Extremum(NamedTuple):
    """Which element of a window is looked for, and what an empty window gives."""

    sign: int
    """1 for the largest, -1 for the smallest."""
    nowhere: int
    """The offset in an empty window."""
    identity: Any
    """The value of an empty window, in the dtype that is computed in."""


class Factors(NamedTuple):
    """A number for each window, such as what to divide by: the product of two factors."""

    rows: Any
    """The factor of each row of windows, (windows of A, of B)."""
    along: Any
    """The factor of each window of a row."""


@inlined
def copy_changed(source, target, change):
    """Copy a row; of each element the magnitude or the square, if asked for."""
    if change == ABS:
        for i in range(target.size):
            target[i] = abs(wide(source[i]))
    elif change == SQUARE:
        for i in range(target.size):
            target[i] = wide(source[i]) * wide(source[i])
    else:
        for i in range(target.size):
            target[i] = wide(source[i])


@inlined
def store(line, out, unit, count, along, finish):
    """Store a line of results, over ``count`` times ``along`` and under the root if asked for."""
    if finish == DIVIDE and unit == 1:  # in a single loop
        for o in range(along.size):
            out[o] = narrow(line[o] / (count * along[o]), out)
        return
    if finish & DIVIDE and unit == 1:
        for o in range(along.size):
            line[o] /= count * along[o]
    elif finish & DIVIDE:
        for o in range(along.size):
            share = count * along[o]
            for i in range(o * unit, (o + 1) * unit):
                line[i] /= share
    if finish & ROOT:
        for i in range(out.size):
            out[i] = narrow(np.sqrt(line[i]), out)
    else:
        for i in range(out.size):
            out[i] = narrow(line[i], out)
