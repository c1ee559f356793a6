"""Folding windows in Numba: a plane is read once, and folded where the cache can hold it.

A maximum or a sum over a window of k folds two windows of k/2. So a band of rows is copied into a
padded scratch that stays in the L1 or L2 cache, and swept about log2(k) times for each axis, every
sweep a loop in vector lanes over the whole scratch; then each stride-th element is stored. From the
memory this reads each element once, whatever the window, and writes the results once.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.numba import (
    compiled,
    inlined,
    larger,
    narrow,
    part_of,
    smaller,
    threaded,
    wide,
)

MAX, MIN, SUM = 1, -1, 0  # what a fold does
AS_IS, ABS, SQUARE = 0, 1, 2  # what is done to an element first
DIVIDE, ROOT = 1, 2  # what is done to a result last, as flags
LENGTH, KERNEL, STRIDE, BEFORE, AFTER, DILATION, WINDOWS = range(7)  # the fields of an Axis


@compiled
def _pair(fold, a, b, out):
    """Fold two stretches; NaN wins."""
    if fold == MAX:
        for i in range(out.size):
            out[i] = a[i] if (a[i] >= b[i]) | (a[i] != a[i]) else b[i]
    elif fold == MIN:
        for i in range(out.size):
            out[i] = a[i] if (a[i] <= b[i]) | (a[i] != a[i]) else b[i]
    else:
        for i in range(out.size):
            out[i] = a[i] + b[i]


@compiled
def _triple(fold, a, b, c, out):
    """Fold three stretches in one go; NaN wins."""
    if fold == MAX:
        for i in range(out.size):
            first = a[i] if (a[i] >= b[i]) | (a[i] != a[i]) else b[i]
            out[i] = first if (first >= c[i]) | (first != first) else c[i]
    elif fold == MIN:
        for i in range(out.size):
            first = a[i] if (a[i] <= b[i]) | (a[i] != a[i]) else b[i]
            out[i] = first if (first <= c[i]) | (first != first) else c[i]
    else:
        for i in range(out.size):
            out[i] = a[i] + b[i] + c[i]


@compiled
def _windows(fold, now, spare, total, n, k, step):
    """Fold every window of ``k`` elements ``step`` apart in the first ``n`` of ``now``.

    Returns where the result is, and the two other buffers.
    """
    if k == 3:
        m = n - 2 * step
        _triple(fold, now[:m], now[step : step + m], now[2 * step : 2 * step + m], spare[:m])
        return spare, now, total
    size, done = 1, 0  # `now` holds windows of `size`; `total`, in a sum, those of `done`
    while 2 * size <= k:
        if fold == SUM and k & size:
            _append(now, total, n, size, done, step)
            done += size
        m = n - (2 * size - 1) * step
        _pair(fold, now[:m], now[size * step : size * step + m], spare[:m])
        now, spare = spare, now
        size *= 2
    if size == k:
        return now, spare, total
    if fold == SUM:
        _append(now, total, n, size, done, step)
        return total, now, spare
    m = n - (k - 1) * step  # two windows that overlap: a maximum does not mind
    _pair(fold, now[:m], now[(k - size) * step : (k - size) * step + m], spare[:m])
    return spare, now, total


@compiled
def _append(now, total, n, size, done, step):
    """Make ``total``, sums of windows of ``done`` elements, those of ``done + size``."""
    m = n - (done + size - 1) * step
    if done:
        _pair(SUM, total[:m], now[done * step : done * step + m], total[:m])
    else:
        for i in range(m):  # a fifth of the time of copying a slice
            total[i] = now[i]


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


@inlined
def store(line, out, unit, count, along, finish):
    """Divide a line by how many elements there were, take the root, and narrow it."""
    if finish == DIVIDE and unit == 1:  # in one go
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


@compiled
def span(axis, spread, n):
    """Which elements of a row fall into a scratch of ``n``, and where the first of them does."""
    first = max(0, -(axis[BEFORE] // spread))  # before < 0 leaves out what comes earlier
    last = min((axis[LENGTH] - 1) // spread + 1, (n - axis[BEFORE] + spread - 1) // spread)
    return first, max(first, last), axis[BEFORE] + first * spread


@inlined
def _load(source, target, first, last, start, spread, unit, identity, change):
    """Copy elements of a row, ``spread`` apart, to ``start``; the others get the identity."""
    if spread > 1:
        target[:] = identity
        for i in range(first, last):
            at = (start + (i - first) * spread) * unit
            for c in range(unit):
                target[at + c] = wide(source[i * unit + c])
    else:
        stop = (start + last - first) * unit
        for i in range(start * unit):
            target[i] = identity
        copy_changed(source[first * unit : last * unit], target[start * unit : stop], change)
        for i in range(stop, target.size):
            target[i] = identity


@compiled
def source(place, length, spread):
    """Which row of the input lies at ``place`` of the padded, spread one; -1 for none."""
    if place < 0 or place >= length:
        return -1
    if spread == 1:  # most often, and a division takes as long as copying a row
        return place
    return place // spread if place % spread == 0 else -1


@inlined
def _fill(x, now, p, corner, size, axes, spread, unit, identity, change):
    """Copy part of plane ``p``, padded, into the scratch: (rows of A, rows of B, pitch)."""
    rows, across, pitch = size
    first, last, start = span(axes[2], spread[2], pitch // unit)
    for r in range(rows):
        a = source(corner[0] + r, axes[0, LENGTH], spread[0])
        for q in range(across):
            b = source(corner[1] + q, axes[1, LENGTH], spread[1])
            at = (r * across + q) * pitch
            target = now[at : at + pitch]
            if a >= 0 and b >= 0:
                _load(x[p, a, b], target, first, last, start, spread[2], unit, identity, change)
            else:
                target[:] = identity


@inlined
def piece(task, y, axes, band):
    """Which windows a task computes, and the part of the input that they need."""
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    bands_b = (y.shape[2] + band[1] - 1) // band[1]
    p, t = task // (bands_a * bands_b), task % (bands_a * bands_b)
    first_a, first_b = t // bands_b * band[0], t % bands_b * band[1]
    count_a, count_b = min(band[0], y.shape[1] - first_a), min(band[1], y.shape[2] - first_b)
    corner_a = first_a * axes[0, STRIDE] - axes[0, BEFORE]
    corner_b = first_b * axes[1, STRIDE] - axes[1, BEFORE]
    return p, (first_a, first_b), (count_a, count_b), (corner_a, corner_b)


@compiled
def rows(axis, windows):
    """How many elements along an axis so many windows reach over."""
    return (windows - 1) * axis[STRIDE] + axis[DILATION] * (axis[KERNEL] - 1) + 1


@compiled
def pieces(y, band):
    """Into how many bands of windows the work is cut."""
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    return y.shape[0] * bands_a * ((y.shape[2] + band[1] - 1) // band[1])


@threaded
def sweep(
    part, parts, x, y, axes, spread, unit, band, fold, change, finish, counts, along, identity
):
    """Fold windows, (planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``axes`` is (3, fields of an Axis); ``spread`` the distance of the elements of x as they are
    pooled, with zeros between; ``band`` how many windows of A and B fit into the cache; ``counts``
    times ``along`` what to divide by, for the rows of windows and for those of a row.
    """
    tasks, pitch = pieces(y, band), rows(axes[2], axes[2, WINDOWS]) * unit
    most = rows(axes[0], band[0]) * rows(axes[1], band[1]) * pitch
    now = np.full(most, identity)
    spare, total = np.empty_like(now), np.empty_like(now)
    for task in part_of(tasks, part, parts):
        p, firsts, number, corner = piece(task, y, axes, band)
        size = rows(axes[0], number[0]), rows(axes[1], number[1]), pitch
        _fill(x, now, p, corner, size, axes, spread, unit, identity, change)
        n, steps = size[0] * size[1] * pitch, (size[1] * pitch, pitch, unit)
        for axis in range(3):
            step, k = axes[axis, DILATION] * steps[axis], axes[axis, KERNEL]
            now, spare, total = _windows(fold, now, spare, total, n, k, step)
            n -= (k - 1) * step
        for o in range(number[0]):
            for q in range(number[1]):
                at = (o * axes[0, STRIDE] * size[1] + q * axes[1, STRIDE]) * pitch
                row, out = now[at : at + pitch], y[p, firsts[0] + o, firsts[1] + q]
                if not finish:
                    every(row, out, axes[2, STRIDE], unit)
                    continue
                if axes[2, STRIDE] > 1:
                    every(row, spare[: out.size], axes[2, STRIDE], unit)
                    row = spare[: out.size]
                store(row, out, unit, counts[firsts[0] + o, firsts[1] + q], along, finish)


@threaded
def whole(part, parts, x, y, fold, change, finish, count, identity):
    """Fold each row of floats, (rows, n) -> (rows,)."""
    for r in part_of(x.shape[0], part, parts):
        row, result, odd = x[r], identity, 0
        if fold == MAX:
            for i in range(row.size):
                result = larger(result, wide(row[i]))
                odd |= wide(row[i]) != wide(row[i])
        elif fold == MIN:
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
            result /= count
        if finish & ROOT:
            result = np.sqrt(result)
        y[r] = narrow(result, y)


@threaded
def whole_by_channel(part, parts, x, y, fold, change, finish, count, identity, width):
    """Fold the middle dimension of floats, (n, length, channels) -> (n, channels)."""
    pieces, one = (x.shape[2] + width - 1) // width, np.full(1, count / count)
    for task in part_of(x.shape[0] * pieces, part, parts):
        n, low = task // pieces, task % pieces * width
        high = min(low + width, x.shape[2])
        now, odd = np.full(high - low, identity), False
        for i in range(x.shape[1]):
            odd |= _join(x[n, i, low:high], now, fold, change)
        if odd:
            for i in range(x.shape[1]):
                _spoil(x[n, i, low:high], now)
        store(now, y[n, low:high], now.size, count, one, finish)


@inlined
def _join(given, now, fold, change):
    """Fold an element of each channel; say whether there is a NaN, which a maximum may miss."""
    odd = now.dtype.type(0)
    if fold == MAX:
        for c in range(now.size):
            value = wide(given[c])
            now[c] = larger(now[c], value)
            odd = larger(odd, now.dtype.type(value != value))
    elif fold == MIN:
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
    """NaN to the channels that have one."""
    for c in range(now.size):
        value = wide(given[c])
        if value != value:
            now[c] = value
