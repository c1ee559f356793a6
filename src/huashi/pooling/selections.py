"""The k largest elements of a row, and the largest of its chunks, in Numba.

A row is read once. Most elements are no larger than the smallest of the k that are kept, so that
one comparison is all they cost; each of the few others, about k log(n / k), moves up to k numbers.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._numba import compiled, inlined, larger, part_of, threaded, wide

BLOCK = 16  # elements that are compared side by side with the smallest that is kept


@inlined
def _greater(a, b):
    """Whether a comes before b in size; NaN is larger than all else."""
    return (a > b) | ((a != a) & (b == b))


@threaded
def k_largest(part, parts, x, k, indices):
    """(rows, n) -> (rows, k): where the k largest stand, in order; the first of equals."""
    for r in part_of(x.shape[0], part, parts):
        _k_largest(x[r], indices[r])


@compiled
def _k_largest(row, kept):
    k, values = kept.size, np.empty(kept.size, row.dtype)
    for j in range(k):
        values[j], kept[j] = row[j], j
    least = _last_least(values)
    for start in range(k, row.size, BLOCK):
        block, low, any_above = row[start : start + BLOCK], wide(values[least]), 0
        for i in range(block.size):  # in vector lanes
            any_above |= not wide(block[i]) <= low
        if not any_above:
            continue
        for i in range(block.size):
            if not wide(block[i]) <= low and _greater(wide(block[i]), low):
                for j in range(least, k - 1):  # the last of the smallest makes room
                    values[j], kept[j] = values[j + 1], kept[j + 1]
                values[k - 1], kept[k - 1] = block[i], start + i
                least = _last_least(values)
                low = wide(values[least])


@inlined
def _last_least(values):
    least, low = 0, wide(values[0])
    for j in range(1, values.size):
        value = wide(values[j])
        if (value <= low) | (low != low):  # NaN is larger than all else
            least, low = j, value
    return least


@threaded
def chunk_largest(part, parts, x, starts, stops, indices):
    """(rows, n) -> (rows, chunks): where the first largest of each chunk stands; -1 if empty.

    ``starts`` and ``stops`` are (samples, chunks), for the same number of rows each.
    """
    each = x.shape[0] // starts.shape[0]
    for r in part_of(x.shape[0], part, parts):
        for c in range(starts.shape[1]):
            start = starts[r // each, c]
            indices[r, c] = start + _largest(x[r, start : max(start, stops[r // each, c])], start)


@compiled
def _largest(row, start):
    if row.size == 0:
        return -1 - start
    best, odd = wide(row[0]), 0
    for i in range(row.size):
        value = wide(row[i])
        best = larger(best, value)
        odd |= value != value
    if odd:  # the last NaN
        at = row.size - 1
        while wide(row[at]) == wide(row[at]):
            at -= 1
    else:
        at = 0
        while wide(row[at]) != best:
            at += 1
    return at
