"""Whole rows, planes and volumes folded to one number each, in Numba."""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi._kernel.select import larger, smaller
from huashi.pooling.cpu.fold_elements import (
    ABS,
    DIVIDE,
    MAX,
    MIN,
    ROOT,
    SQUARE,
    Fold,
    store,
)


@threaded
def whole(part, parts, x, y, fold, divisor):
    """Fold each row of floats, (rows, n) -> (rows,)."""
    kind, change, finish, identity = Fold(*fold)
    for r in part_of(x.shape[0], part, parts):
        row, result, odd = x[r], identity, 0
        if kind == MAX:
            for i in range(row.size):
                result = larger(result, wide(row[i]))
                odd |= wide(row[i]) != wide(row[i])
        elif kind == MIN:
            for i in range(row.size):
                result = smaller(result, wide(row[i]))
                odd |= wide(row[i]) != wide(row[i])
        elif change == SQUARE:
            for i in range(row.size):
                result += wide(row[i]) * wide(row[i])
        elif change == ABS:
            for i in range(row.size):
                result += abs(wide(row[i]))
        else:
            for i in range(row.size):
                result += wide(row[i])
        if odd:
            result = identity - identity  # NaN, since the identity is infinite
        if finish & DIVIDE:
            result /= divisor
        if finish & ROOT:
            result = np.sqrt(result)
        y[r] = narrow(result, y)


@threaded
def whole_by_channel(part, parts, x, y, fold, divisor, width):
    """Fold the middle dimension of floats, (n, length, channels) -> (n, channels)."""
    kind, change, finish, identity = Fold(*fold)
    pieces, one = (x.shape[2] + width - 1) // width, np.full(1, divisor / divisor)
    for task in part_of(x.shape[0] * pieces, part, parts):
        n, low = task // pieces, task % pieces * width
        high = min(low + width, x.shape[2])
        now, odd = np.full(high - low, identity), False
        for i in range(x.shape[1]):
            odd |= _join(x[n, i, low:high], now, kind, change)
        if odd:
            for i in range(x.shape[1]):
                _spoil(x[n, i, low:high], now)
        store(now, y[n, low:high], now.size, divisor, one, finish)


@inlined
def _join(given, now, kind, change):
    """Fold an element of each channel; say whether there is a NaN, which a maximum may miss."""
    odd = now.dtype.type(0)
    if kind == MAX:
        for c in range(now.size):
            value = wide(given[c])
            now[c] = larger(now[c], value)
            odd = larger(odd, now.dtype.type(value != value))
    elif kind == MIN:
        for c in range(now.size):
            value = wide(given[c])
            now[c] = smaller(now[c], value)
            odd = larger(odd, now.dtype.type(value != value))
    elif change == ABS:
        for c in range(now.size):
            now[c] += abs(wide(given[c]))
    elif change == SQUARE:
        for c in range(now.size):
            now[c] += wide(given[c]) * wide(given[c])
    else:
        for c in range(now.size):
            now[c] += wide(given[c])
    return odd > 0


@compiled
def _spoil(given, now):
    """Put NaN where a channel has one."""
    for c in range(now.size):
        value = wide(given[c])
        if value != value:
            now[c] = value
