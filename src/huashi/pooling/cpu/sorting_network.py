"""Order statistics of windows in Numba: the elements of many windows sorted side by side.

For a few rows of results the K elements of their windows are gathered into K rows of a scratch, and
these are sorted against each other by a network of exchanges, each of them a loop in vector lanes
(Batcher: Sorting Networks and Their Applications, 1968). Only those exchanges are made that the
wanted ranks depend on. Where a gradient is wanted, marks of which element each number was move
along.

With a mask, a byte more is read for each element of a window, and each window looks up its ranks by
how many real elements it has.

A mean of the largest has the absent elements at -inf, a quantile at +inf: either way the ranks that
are wanted hold real ones.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import functools
from typing import Any, NamedTuple

import numpy as np

from huashi._kernel.bfloat16 import narrow
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi._kernel.select import larger, smaller
from huashi.pooling.cpu.windows import Windows, every, place

NOWHERE = 255  # the offset of no element
_SMALLER, _LARGER = 1, 2  # which of the two numbers of an exchange is needed


class Ranking(NamedTuple):
    """Which of the sorted elements of a window count, for a window of each size that there is."""

    ranks: Any
    """Their ranks, (levels, ranks), -1 for none; a level is one number of elements."""
    shares: Any
    """Their shares in the result, (levels, ranks, channels or 1)."""
    levels: Any
    """The level of each number of elements."""
    counts: Any
    """How many elements each row of windows has along the first two axes."""
    runs: Any
    """Runs of windows in a row with equally many elements along it: (first, stop, elements)."""
    absent: Any
    """What stands for an element outside the input."""
    mean: bool
    """A mean of the largest, else a quantile."""


class Real(NamedTuple):
    """What is real where a mask says so; without one both have no planes."""

    mask: Any
    """Of each element whether it is real, (planes, A, B, W * unit), bool."""
    counts: Any
    """How many elements of each window are, (planes, windows of A, of B, of W * unit), uint8."""


class Row(NamedTuple):
    """A row of windows: its lanes in the scratch, and where it lies in the first two axes."""

    at: int
    width: int
    a: int
    b: int


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
    """The same with marks, which move with their numbers, and by which equals are ordered."""
    for i in range(a.size):
        this, other, mark, another = a[i], b[i], marks[i], others[i]
        swap = (other < this) | ((other == this) & (another < mark))
        a[i] = other if swap else this
        b[i] = this if swap else other
        marks[i] = another if swap else mark
        others[i] = mark if swap else another


@inlined
def _hide(mask, lane, value, stride, unit):
    """``value`` in place of what the mask leaves out of a lane, as ``every`` filled it."""
    if unit == 1:
        for o in range(lane.size):
            lane[o] = lane[o] if mask[stride * o] else value
    else:
        for o in range(lane.size // unit):
            there, target = mask[o * stride * unit :], lane[o * unit : (o + 1) * unit]
            for i in range(unit):
                target[i] = target[i] if there[i] else value


@inlined
def _gather(plane, p, mask, buffer, marks, row, windows, spans, ranking, marked):
    """Copy the elements of a row of windows, and their marks, to the lanes of that row."""
    (axes, unit), (at, width, a, b), k = windows, row, buffer.shape[0]
    absent, mean, j = ranking.absent, ranking.mean, 0
    none = np.int32(-1 if mean else k)
    for ja in range(axes[0].kernel):
        top = a * axes[0].stride - axes[0].before + ja * axes[0].dilation
        for jb in range(axes[1].kernel):
            left = b * axes[1].stride - axes[1].before + jb * axes[1].dilation
            inside = 0 <= top < axes[0].length and 0 <= left < axes[1].length
            for jw in range(axes[2].kernel):
                lane = buffer[j, at : at + width]
                first, start = spans[jw, 0] * unit, spans[jw, 2] * unit
                last = spans[jw, 1] * unit if inside else first
                for i in range(first):
                    lane[i] = absent
                if last > first:
                    every(plane[top, left][start:], lane[first:last], axes[2].stride, unit)
                    if mask.shape[0]:
                        there = mask[p, top, left][start:]
                        _hide(there, lane[first:last], absent, axes[2].stride, unit)
                for i in range(last, width):
                    lane[i] = absent
                if marked:
                    mark, this = marks[j, at : at + width], np.int32(k - 1 - j if mean else j)
                    for i in range(width):
                        mark[i] = this if first <= i < last else none
                    if mask.shape[0] and last > first:
                        there = mask[p, top, left][start:]
                        _hide(there, mark[first:last], none, axes[2].stride, unit)
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
    """Which windows hold a NaN; in a mean it counts as larger than any number."""
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


@functools.partial(compiled, as_written=True)
def _between(low, high, weight):
    """From ``low`` to ``high``; an infinity wins over a number, and is itself between equals."""
    gap = high - low
    near, far = low + gap * weight, low * (np.float32(1) - weight) + high * weight
    return near if abs(gap) < np.inf else far


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
            target[i] = _between(low[i], high[i], weight)


@compiled
def _places_of_rank(marks, found, begin, stop, rank, mean):
    """Which elements are of one rank."""
    k = marks.shape[0]
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


@compiled
def _results_by_count(buffer, line, counts, at, ranking, channel, unit):
    """What each window of a row gives, by how many of its elements are real."""
    alone = ranking.shares.shape[2] == 1 or unit == 1
    for i in range(counts.size):
        level = ranking.levels[counts[i]]
        ranks, shares, c = (
            ranking.ranks[level],
            ranking.shares[level],
            channel if alone else i % unit,
        )
        if ranking.mean or ranks[0] < 0:
            total = line.dtype.type(0)
            for r in range(ranks.size):
                if ranks[r] >= 0:
                    total += shares[r, c] * buffer[ranks[r], at + i]
            line[at + i] = total
        elif ranks[1] < 0:
            line[at + i] = buffer[ranks[0], at + i]
        else:
            low, high = buffer[ranks[0], at + i], buffer[ranks[1], at + i]
            line[at + i] = _between(low, high, shares[1, 0])


@compiled
def _places_by_count(marks, found, q, counts, at, ranking):
    """Which elements each window of row ``q`` is made of, by how many of them are real."""
    k = marks.shape[0]
    for i in range(counts.size):
        ranks = ranking.ranks[ranking.levels[counts[i]]]
        for r in range(ranks.size):
            mark = marks[max(ranks[r], 0), at + i]
            if ranks[r] < 0:
                found[r, q, i] = NOWHERE
            elif ranking.mean:
                found[r, q, i] = np.uint8(k - 1 - (mark - k if mark >= k else mark))
            else:
                found[r, q, i] = np.uint8(mark)


@threaded
def pool(part, parts, x, y, offsets, windows, tile, swaps, ranking, real, marked):
    """(planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``tile`` is how many rows of windows are sorted at once, and how many lanes the cache holds;
    ``swaps`` are from :func:`network`; ``offsets`` are (ranks, the shape of y), if ``marked``.
    """
    windows, ranking, real = Windows(*windows), Ranking(*ranking), Real(*real)
    (axes, unit), (rows, block), mean = windows, tile, ranking.mean
    masked = real.mask.shape[0] > 0
    k, width = axes[0].kernel * axes[1].kernel * axes[2].kernel, y.shape[3]
    rows_of_plane, number = y.shape[1] * y.shape[2], y.shape[0] * y.shape[1] * y.shape[2]
    spans = _spans(axes[2], width // unit)
    buffer, line = np.full((k, rows * width), ranking.absent), np.full(rows * width, ranking.absent)
    marks = np.full((k, rows * width if marked else 1), np.int32(0))
    spoiled = np.full(rows * width, False)
    out, found = y.reshape(number, width), offsets.reshape(offsets.shape[0], -1, width)
    for task in part_of((number + rows - 1) // rows, part, parts):
        low, high = task * rows, min(number, task * rows + rows)
        lanes = (high - low) * width
        for q in range(low, high):
            p, rest = q // rows_of_plane, q % rows_of_plane
            row = Row((q - low) * width, width, rest // y.shape[2], rest % y.shape[2])
            _gather(x[p], p, real.mask, buffer, marks, row, windows, spans, ranking, marked)
        odd = _has_nan(buffer, lanes)
        if odd:
            _find_nan(buffer, marks, lanes, spoiled, mean, marked)
        _sort(buffer, marks, swaps, lanes, block, marked)
        for q in range(low, high):
            p, rest = q // rows_of_plane, q % rows_of_plane
            row = Row((q - low) * width, width, rest // y.shape[2], rest % y.shape[2])
            channel = p % ranking.shares.shape[2]
            if masked:
                counts = real.counts[p, row.a, row.b]
                _results_by_count(buffer, line, counts, row.at, ranking, channel, unit)
                if marked:
                    _places_by_count(marks, found, q, counts, row.at, ranking)
            else:
                _results(buffer, line, row, ranking, channel, unit)
                if marked:
                    _places(marks, found, q, row, ranking, unit)
            results, target = line[row.at : row.at + width], out[q]
            if odd:
                for i in range(width):
                    if spoiled[row.at + i]:
                        results[i] = np.nan
                        if marked and not mean:
                            found[:, q, i] = NOWHERE
            for i in range(width):
                target[i] = narrow(results[i], target)


@compiled
def _spans(axis, windows):
    """Of each element along an axis: the first window that has it, the last, and its place."""
    spans = np.empty((axis.kernel, 3), np.int64)
    for j in range(axis.kernel):
        first, last, start = place(axis, j, windows)
        if first < last:
            spans[j] = first, last, start
        else:  # of no window
            spans[j] = 0
    return spans


@inlined
def _results(buffer, line, row, ranking, channel, unit):
    """What the windows of a row give, from their sorted elements."""
    count, runs = ranking.counts[row.a, row.b], ranking.runs
    for run in range(runs.shape[0]):
        level = ranking.levels[count * runs[run, 2]]
        begin, stop = row.at + runs[run, 0] * unit, row.at + runs[run, 1] * unit
        rank, share = ranking.ranks[level], ranking.shares[level]
        _result(buffer, line, begin, stop, rank, share, channel, unit, ranking.mean)


@inlined
def _places(marks, found, q, row, ranking, unit):
    """Which elements the windows of row ``q`` are made of, for ``found``, (ranks, rows, width)."""
    count, runs = ranking.counts[row.a, row.b], ranking.runs
    for run in range(runs.shape[0]):
        rank = ranking.ranks[ranking.levels[count * runs[run, 2]]]
        begin, stop = runs[run, 0] * unit, runs[run, 1] * unit
        for r in range(found.shape[0]):
            of_run = found[r, q, begin:stop]
            _places_of_rank(marks, of_run, row.at + begin, row.at + stop, rank[r], ranking.mean)
