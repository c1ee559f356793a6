"""Order statistics of windows in Numba: the elements of many windows sorted side by side.

For a few rows of results the K elements of their windows are gathered into K rows of a scratch, and
these are sorted against each other by a network of exchanges, each of them a loop in vector lanes
(Batcher: Sorting Networks and Their Applications, 1968). Only those exchanges are made that the
wanted ranks depend on. Where a gradient is wanted, which element each number was goes along.

A mean of the largest has the absent elements at -inf, a quantile at +inf: either way the ranks that
are wanted hold real ones.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import functools

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi._kernel.select import larger, smaller
from huashi.pooling.cpu.windows import (
    BEFORE,
    DILATION,
    KERNEL,
    LENGTH,
    STRIDE,
    every,
    place,
)

NOWHERE = 255  # the offset of no element
_SMALLER, _LARGER = 1, 2  # what of an exchange anything depends on


@functools.lru_cache(maxsize=256)
def network(k, wanted):
    """The exchanges that bring each of the ``wanted`` ranks of ``k`` numbers to its place.

    Each is (a, b, what of it is needed): the smaller of the two goes to a, the larger to b.

    >>> network(3, (0, 1, 2)).tolist()
    [[0, 1, 3], [0, 2, 3], [1, 2, 3]]
    >>> network(3, (0,)).tolist()
    [[0, 1, 1], [0, 2, 1]]
    """
    exchanges, size = [], 1
    while size < k:
        step = size
        while step >= 1:
            for start in range(step % size, k - step, 2 * step):
                near = range(start, min(start + step, k - step))
                same = (a for a in near if a // (2 * size) == (a + step) // (2 * size))
                exchanges += [(a, a + step) for a in same]
            step //= 2
        size *= 2
    needed, kept = set(wanted), []
    for a, b in reversed(exchanges):
        if what := _SMALLER * (a in needed) + _LARGER * (b in needed):
            kept.append((a, b, what))
            needed |= {a, b}
    return np.array(kept[::-1], np.int64).reshape(-1, 3)


@compiled
def _exchange(a, b, what):
    if what == _SMALLER:
        for i in range(a.size):
            a[i] = smaller(a[i], b[i])
    elif what == _LARGER:
        for i in range(a.size):
            b[i] = larger(a[i], b[i])
    else:
        for i in range(a.size):
            this, other = a[i], b[i]
            a[i] = smaller(this, other)
            b[i] = larger(this, other)


@compiled
def _exchange_marked(a, b, marks, others):
    """The same where equals are told apart by marks, which go along."""
    for i in range(a.size):
        this, other, mark, another = a[i], b[i], marks[i], others[i]
        swap = (other < this) | ((other == this) & (another < mark))
        a[i] = other if swap else this
        b[i] = this if swap else other
        marks[i] = another if swap else mark
        others[i] = mark if swap else another


@inlined
def _gather(x, buffer, marks, at, q, windows, axes, spans, unit, absent, mean, marked):
    """The elements of the q-th row of windows, and their marks, to the lanes from ``at`` on."""
    none = np.int32(-1 if mean else buffer.shape[0])
    rest, width, k = q % (windows[0] * windows[1]), windows[2] * unit, buffer.shape[0]
    p, a, b, j = q // (windows[0] * windows[1]), rest // windows[1], rest % windows[1], 0
    for ja in range(axes[0, KERNEL]):
        top = a * axes[0, STRIDE] - axes[0, BEFORE] + ja * axes[0, DILATION]
        for jb in range(axes[1, KERNEL]):
            left = b * axes[1, STRIDE] - axes[1, BEFORE] + jb * axes[1, DILATION]
            inside = 0 <= top < axes[0, LENGTH] and 0 <= left < axes[1, LENGTH]
            for jw in range(axes[2, KERNEL]):
                lane = buffer[j, at : at + width]
                first, start = spans[jw, 0] * unit, spans[jw, 2] * unit
                last = spans[jw, 1] * unit if inside else first
                for i in range(first):
                    lane[i] = absent
                if last > first:
                    every(x[p, top, left][start:], lane[first:last], axes[2, STRIDE], unit)
                for i in range(last, width):
                    lane[i] = absent
                if marked:
                    mark, this = marks[j, at : at + width], np.int32(k - 1 - j if mean else j)
                    for i in range(width):
                        mark[i] = this if first <= i < last else none
                j += 1


@compiled
def _has_nan(buffer, lanes):
    odd = 0
    for j in range(buffer.shape[0]):
        lane = buffer[j, :lanes]
        for i in range(lane.size):
            odd |= lane[i] != lane[i]
    return odd


@compiled
def _find_nan(buffer, marks, lanes, spoiled, mean, marked):
    """Which windows hold a NaN; and make it the largest number of all, which it counts as."""
    spoiled[:] = False
    for j in range(buffer.shape[0]):
        for i in range(lanes):
            if buffer[j, i] != buffer[j, i]:
                spoiled[i] = True
                if mean and marked:
                    buffer[j, i] = np.inf
                    marks[j, i] += np.int32(buffer.shape[0])


@compiled
def _sort(buffer, marks, swaps, lanes, block, marked):
    for start in range(0, lanes, block):
        stop = min(lanes, start + block)
        for s in range(swaps.shape[0]):
            a, b = buffer[swaps[s, 0], start:stop], buffer[swaps[s, 1], start:stop]
            if marked:
                mark, other = marks[swaps[s, 0], start:stop], marks[swaps[s, 1], start:stop]
                _exchange_marked(a, b, mark, other)
            else:
                _exchange(a, b, swaps[s, 2])


@compiled
def _result(buffer, line, begin, stop, ranks, shares, channel, unit, mean):
    """What windows of one size give, from their sorted elements."""
    target = line[begin:stop]
    if mean or ranks[0] < 0:
        target[:] = 0
        for r in range(shares.shape[0]):
            if ranks[r] >= 0:
                lane, weights = buffer[ranks[r], begin:stop], shares[r]
                if weights.size == 1 or unit == 1:
                    weight = weights[channel]
                    for i in range(target.size):
                        target[i] += weight * lane[i]
                else:
                    for o in range(target.size // unit):
                        one, source = target[o * unit :], lane[o * unit :]
                        for c in range(weights.size):
                            one[c] += weights[c] * source[c]
    elif ranks[1] < 0:
        target[:] = buffer[ranks[0], begin:stop]
    else:
        low, high = buffer[ranks[0], begin:stop], buffer[ranks[1], begin:stop]
        weight = shares[1, 0]
        for i in range(target.size):
            target[i] = low[i] + (high[i] - low[i]) * weight


@compiled
def _tell(marks, found, begin, stop, rank, mean, k):
    """Which elements are of one rank."""
    if rank < 0:
        found[:] = NOWHERE
    elif mean:
        mark = marks[rank, begin:stop]
        for i in range(found.size):
            this = mark[i]
            found[i] = np.uint8(k - 1 - (this - k if this >= k else this))
    else:
        mark = marks[rank, begin:stop]
        for i in range(found.size):
            found[i] = np.uint8(mark[i])


@threaded
def pool(
    part,
    parts,
    x,
    y,
    offsets,
    axes,
    unit,
    rows,
    block,
    swaps,
    ranks,
    shares,
    levels,
    counts,
    runs,
    absent,
    mean,
    marked,
):
    """(planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``runs`` are the windows of a row that have as many elements along it, which times ``counts``
    are all; ``levels`` says of so many elements which ``ranks`` count, and which ``shares`` they
    have. ``offsets`` are (ranks, the shape of y), if ``marked``.
    """
    k, width = axes[0, KERNEL] * axes[1, KERNEL] * axes[2, KERNEL], y.shape[3]
    windows, number = (y.shape[1], y.shape[2], width // unit), y.shape[0] * y.shape[1] * y.shape[2]
    spans = np.empty((axes[2, KERNEL], 3), np.int64)
    for jw in range(axes[2, KERNEL]):
        first, last, start = place(axes[2], jw, windows[2])
        if first < last:
            spans[jw] = first, last, start
        else:  # of no window
            spans[jw] = 0
    buffer, line = np.full((k, rows * width), absent), np.full(rows * width, absent)
    marks = np.full((k, rows * width if marked else 1), np.int32(0))
    spoiled = np.full(rows * width, False)
    out, told = y.reshape(number, width), offsets.reshape(offsets.shape[0], -1, width)
    for task in part_of((number + rows - 1) // rows, part, parts):
        low, high = task * rows, min(number, task * rows + rows)
        lanes = (high - low) * width
        for q in range(low, high):
            at = (q - low) * width
            _gather(x, buffer, marks, at, q, windows, axes, spans, unit, absent, mean, marked)
        odd = _has_nan(buffer, lanes)
        if odd:
            _find_nan(buffer, marks, lanes, spoiled, mean, marked)
        _sort(buffer, marks, swaps, lanes, block, marked)
        for q in range(low, high):
            p, rest = q // (windows[0] * windows[1]), q % (windows[0] * windows[1])
            count, at = counts[rest // windows[1], rest % windows[1]], (q - low) * width
            channel = p % shares.shape[2]
            for run in range(runs.shape[0]):
                level = levels[count * runs[run, 2]]
                begin, stop = at + runs[run, 0] * unit, at + runs[run, 1] * unit
                rank, share = ranks[level], shares[level]
                _result(buffer, line, begin, stop, rank, share, channel, unit, mean)
                if marked:
                    for r in range(told.shape[0]):
                        found = told[r, q, begin - at : stop - at]
                        _tell(marks, found, begin, stop, rank[r], mean, k)
            row, target = line[at : at + width], out[q]
            if odd:
                for i in range(width):
                    if spoiled[at + i]:
                        row[i] = np.nan
                        if marked and not mean:
                            told[:, q, i] = NOWHERE
            for i in range(width):
                target[i] = narrow(row[i], target)


@threaded
def scatter(
    part, parts, grad, offsets, dx, axes, unit, shifts, shares, levels, counts, runs, band, zero
):
    """The shares of each gradient to the elements of its ranks; a task owns ``band`` rows of dx.

    ``shifts`` says how far from the first element of a window each of its offsets lies.
    """
    bands = (dx.shape[1] + band - 1) // band
    length, reach = dx.shape[2] * dx.shape[3], axes[0, DILATION] * (axes[0, KERNEL] - 1)
    scratch = np.full(band * length, zero)
    for task in part_of(dx.shape[0] * bands, part, parts):
        p, low = task // bands, task % bands * band
        high = min(low + band, dx.shape[1])
        mine = scratch[: (high - low) * length]
        for i in range(mine.size):
            mine[i] = zero
        channel = p % shares.shape[2]
        for a in range(grad.shape[1]):
            top = a * axes[0, STRIDE] - axes[0, BEFORE]
            if top >= high or top + reach < low:
                continue
            for b in range(grad.shape[2]):
                left = (b * axes[1, STRIDE] - axes[1, BEFORE]) * dx.shape[3]
                start = (top - low) * length + left - axes[2, BEFORE] * unit
                given = grad[p, a, b]
                for run in range(runs.shape[0]):
                    level = levels[counts[a, b] * runs[run, 2]]
                    for r in range(offsets.shape[0]):
                        found, weights = offsets[r, p, a, b], shares[level, r]
                        alone = weights.size == 1 or unit == 1
                        for o in range(runs[run, 0], runs[run, 1]):
                            for c in range(unit):
                                i = o * unit + c
                                j = found[i]
                                if j != NOWHERE:
                                    at = start + o * axes[2, STRIDE] * unit + c + shifts[j]
                                    if 0 <= at < mine.size:
                                        weight = weights[channel if alone else c]
                                        mine[at] += weight * wide(given[i])
        out = dx[p, low:high].reshape(mine.size)
        for i in range(mine.size):
            out[i] = narrow(mine[i], dx)


@threaded
def slopes(part, parts, x, grad, offsets, out, axes, unit, shifts, levels, counts, runs):
    """What each share is worth: the gradients times the elements, (planes, levels, ranks, unit)."""
    for p in part_of(x.shape[0], part, parts):
        plane = x[p].reshape(x.shape[1] * x.shape[2] * x.shape[3])
        for a in range(grad.shape[1]):
            top = (a * axes[0, STRIDE] - axes[0, BEFORE]) * x.shape[2]
            for b in range(grad.shape[2]):
                left = (top + b * axes[1, STRIDE] - axes[1, BEFORE]) * x.shape[3]
                start, given = left - axes[2, BEFORE] * unit, grad[p, a, b]
                for run in range(runs.shape[0]):
                    level = levels[counts[a, b] * runs[run, 2]]
                    for r in range(offsets.shape[0]):
                        found, total = offsets[r, p, a, b], out[p, level, r]
                        for o in range(runs[run, 0], runs[run, 1]):
                            for c in range(unit):
                                i = o * unit + c
                                j = found[i]
                                if j != NOWHERE:
                                    at = start + o * axes[2, STRIDE] * unit + c + shifts[j]
                                    total[c] += wide(given[i]) * wide(plane[at])
