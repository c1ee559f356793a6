"""The k largest elements of a row, and the largest of its chunks, in Numba.

A row is folded in halves until it is a few times as long as k: each number that is left is the
largest of a group. The k-th largest of these is a bound that at least k elements reach, and few
others: one pass finds them, and the smallest few go one by one. Where that does not pay (small
rows, large k, NaN), elements are put among the k largest so far one after the other.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi._kernel.select import larger, smaller

BLOCK = 16  # elements that are compared side by side
MOST = 64  # for a larger k groups do not pay


@inlined
def _greater(a, b):
    """Whether a comes before b in size; NaN is larger than all else."""
    return (a > b) | ((a != a) & (b == b))


@threaded
def k_largest(part, parts, x, k, indices):
    """(rows, n) -> (rows, k): where the k largest stand, in order; the first of equals."""
    n = x.shape[1]
    tops = np.full((n + 1) // 2 + 1, wide(x[0, 0]))
    above = np.empty(4 * k, np.int32)
    spare, values, reached = np.empty_like(tops), np.full(n, tops[0]), np.empty(n, np.int64)
    for r in part_of(x.shape[0], part, parts):
        found = 0
        if 4 * k <= n and k <= MOST and not _has_nan(x[r]):
            found = _that_reach(x[r], _bound(x[r], k, tops, spare, above), reached, values)
        if k <= found <= 8 * k:
            _without_smallest(reached, values, found, indices[r])
        else:
            _one_by_one(x[r], indices[r])


@compiled
def _has_nan(row):
    odd = 0
    for i in range(row.size):
        odd |= wide(row[i]) != wide(row[i])
    return odd


@compiled
def _halved(row, size, out):
    """Keep the larger of each two of the first ``size`` numbers; how many are left."""
    half = (size + 1) // 2
    upper = row[half:size]
    for i in range(upper.size):
        out[i] = larger(wide(row[i]), wide(upper[i]))
    if size % 2:
        out[half - 1] = wide(row[half - 1])
    return half


@compiled
def _bound(row, k, tops, spare, above):
    """A number that at least k elements reach, and not many more."""
    size = _halved(row, row.size, tops)
    while size >= 4 * k:
        half = _halved(tops, size, spare)
        for i in range(half):
            tops[i] = spare[i]
        size = half
    least = tops[0]
    for i in range(size):
        above[i] = 0
        least = smaller(least, tops[i])
    for other in range(size):
        for i in range(size):
            above[i] += np.int32(tops[other] >= tops[i])
    bound = least
    for i in range(size):
        value = tops[i]
        bound = larger(bound, value if above[i] >= k else least)
    return bound


@compiled
def _that_reach(row, bound, reached, values):
    """Note which elements are at least the bound, in order, and how many."""
    found = 0
    for i in range(row.size):  # without a branch, which the processor could not foresee
        value = wide(row[i])
        reached[found], values[found] = i, value
        found += value >= bound
    return found


@compiled
def _without_smallest(reached, values, found, kept):
    """Drop the smallest of the elements found, of equals the last, until the others fit."""
    while found > kept.size:
        least = 0
        for j in range(1, found):
            if values[j] <= values[least]:
                least = j
        found -= 1
        for j in range(least, found):
            reached[j], values[j] = reached[j + 1], values[j + 1]
    for j in range(kept.size):
        kept[j] = reached[j]


@compiled
def _one_by_one(row, kept):
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
        at = first_equal(row, best)
    return at


@compiled
def first_equal(row, best):
    """Where the first element stands that equals ``best``, which one does."""
    start = 0
    for block in range(0, row.size, 2 * BLOCK):
        some = 0
        for i in range(block, min(block + 2 * BLOCK, row.size)):  # in vector lanes
            some |= wide(row[i]) == best
        start = block
        if some:
            break
    while wide(row[start]) != best:
        start += 1
    return start
