"""Folding windows in Numba: a plane is read once, and folded where the cache can hold it.

A maximum or a sum over a window of k folds two windows of k/2. So a band of rows is copied into a
padded scratch that stays in the L1 or L2 cache, and swept about log2(k) times for each axis, every
sweep a loop in vector lanes over the whole scratch; then each stride-th element is stored. From the
memory this reads each element once, whatever the window, and writes the results once.

With offsets each value takes along where in its window it stood: on a tie the smaller offset wins,
of two NaN the larger, and padding has one beyond all others.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numba
import numpy as np

from huashi._numba import compiled, inlined, larger, narrow, smaller, threaded, wide

MAX, MIN, SUM = 1, -1, 0  # what a fold does
AS_IS, ABS, SQUARE = 0, 1, 2  # what is done to an element first
DIVIDE, ROOT = 1, 2  # what is done to a result last, as flags
LENGTH, KERNEL, STRIDE, BEFORE, AFTER, DILATION, WINDOWS = range(7)  # the fields of an Axis
PARTS = 64  # pieces that the work is cut into, for as many threads
ABSENT = 2**29  # the offset of padding


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
        total[:m] = now[:m]


@compiled
def _pair_with_offsets(fold, a, at_a, b, at_b, further, out, at_out):
    """Fold two stretches, the offsets of the second ``further`` on."""
    if fold == MAX:
        for i in range(out.size):
            at = at_b[i] + further
            better = (b[i] > a[i]) | ((b[i] == a[i]) & (at < at_a[i]))
            take = better | ((b[i] != b[i]) & ((a[i] == a[i]) | (at > at_a[i])))
            out[i] = b[i] if take else a[i]
            at_out[i] = at if take else at_a[i]
    else:
        for i in range(out.size):
            at = at_b[i] + further
            better = (b[i] < a[i]) | ((b[i] == a[i]) & (at < at_a[i]))
            take = better | ((b[i] != b[i]) & ((a[i] == a[i]) | (at > at_a[i])))
            out[i] = b[i] if take else a[i]
            at_out[i] = at if take else at_a[i]


@compiled
def _windows_with_offsets(fold, now, at_now, spare, at_spare, n, k, step, weight):
    """As :func:`_windows`; an element further along the axis has a ``weight`` larger offset."""
    size = 1
    while size < k:
        shift = min(size, k - size)  # at last two windows that overlap
        m = n - (size + shift - 1) * step
        low, high = shift * step, shift * step + m
        b, at_b = now[low:high], at_now[low:high]
        further = np.int32(shift * weight)
        _pair_with_offsets(fold, now[:m], at_now[:m], b, at_b, further, spare[:m], at_spare[:m])
        now, at_now, spare, at_spare = spare, at_spare, now, at_now
        size += shift
    return now, at_now, spare, at_spare


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
def _finish(line, out, unit, count, counts, finish):
    """Divide by how many elements there were, take the root, and store."""
    if finish & DIVIDE:
        for o in range(counts.size):
            share = count * counts[o]
            for i in range(o * unit, (o + 1) * unit):
                line[i] /= share
    if finish & ROOT:
        for i in range(out.size):
            line[i] = np.sqrt(line[i])
    for i in range(out.size):
        out[i] = narrow(line[i], out)


@inlined
def _change(source, target, change):
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
def _span(axis, spread, n):
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
            _change(source[i * unit : (i + 1) * unit], target[at : at + unit], change)
    else:
        stop = (start + last - first) * unit
        for i in range(start * unit):
            target[i] = identity
        _change(source[first * unit : last * unit], target[start * unit : stop], change)
        for i in range(stop, target.size):
            target[i] = identity


@compiled
def _source(place, length, spread):
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
    first, last, start = _span(axes[2], spread[2], pitch // unit)
    for r in range(rows):
        a = _source(corner[0] + r, axes[0, LENGTH], spread[0])
        for q in range(across):
            b = _source(corner[1] + q, axes[1, LENGTH], spread[1])
            at = (r * across + q) * pitch
            target = now[at : at + pitch]
            if a >= 0 and b >= 0:
                _load(x[p, a, b], target, first, last, start, spread[2], unit, identity, change)
            else:
                target[:] = identity


@compiled
def _fill_offsets(at_now, corner, size, axes, unit):
    """0 where there is an element, ABSENT where there is padding."""
    rows, across, pitch = size
    first, last, start = _span(axes[2], 1, pitch // unit)
    start, stop = start * unit, (start + last - first) * unit
    for r in range(rows):
        a = _source(corner[0] + r, axes[0, LENGTH], 1)
        for q in range(across):
            b = _source(corner[1] + q, axes[1, LENGTH], 1)
            target = at_now[(r * across + q) * pitch : (r * across + q + 1) * pitch]
            target[:] = ABSENT
            if a >= 0 and b >= 0:
                target[start:stop] = 0


@inlined
def _piece(task, y, axes, band):
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
def _rows(axis, windows):
    """How many elements along an axis so many windows reach over."""
    return (windows - 1) * axis[STRIDE] + axis[DILATION] * (axis[KERNEL] - 1) + 1


@compiled
def _tasks(y, band):
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    return y.shape[0] * bands_a * ((y.shape[2] + band[1] - 1) // band[1])


@threaded
def sweep(x, y, axes, spread, unit, band, fold, change, finish, counts, identity):
    """Fold windows, (planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``axes`` is (3, fields of an Axis); ``spread`` the distance of the elements of x as they are
    pooled, with zeros between; ``band`` how many windows of A and B fit into the cache; ``counts``
    what to divide by, for the windows of A, B and W.
    """
    tasks, pitch = _tasks(y, band), _rows(axes[2], axes[2, WINDOWS]) * unit
    most = _rows(axes[0], band[0]) * _rows(axes[1], band[1]) * pitch
    parts = min(tasks, PARTS)
    for part in numba.prange(parts):
        now = np.full(most, identity)
        spare, total = np.empty_like(now), np.empty_like(now)
        for task in range(part * tasks // parts, (part + 1) * tasks // parts):
            p, firsts, number, corner = _piece(task, y, axes, band)
            size = _rows(axes[0], number[0]), _rows(axes[1], number[1]), pitch
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
                    if finish:
                        line = spare[: out.size]
                        every(row, line, axes[2, STRIDE], unit)
                        count = counts[0][firsts[0] + o] * counts[1][firsts[1] + q]
                        _finish(line, out, unit, count, counts[2], finish)
                    else:
                        every(row, out, axes[2, STRIDE], unit)


@threaded
def sweep_with_offsets(x, y, offsets, axes, unit, band, fold, nowhere, identity):
    """As :func:`sweep`, for a maximum or minimum, with where in its window each lies."""
    tasks, pitch = _tasks(y, band), _rows(axes[2], axes[2, WINDOWS]) * unit
    most = _rows(axes[0], band[0]) * _rows(axes[1], band[1]) * pitch
    weights = axes[1, KERNEL] * axes[2, KERNEL], axes[2, KERNEL], 1
    parts = min(tasks, PARTS)
    for part in numba.prange(parts):
        now, at_now = np.full(most, identity), np.full(most, np.int32(0))
        spare, at_spare = np.empty_like(now), np.empty_like(at_now)
        for task in range(part * tasks // parts, (part + 1) * tasks // parts):
            p, firsts, number, corner = _piece(task, y, axes, band)
            size = _rows(axes[0], number[0]), _rows(axes[1], number[1]), pitch
            _fill(x, now, p, corner, size, axes, (1, 1, 1), unit, identity, AS_IS)
            _fill_offsets(at_now, corner, size, axes, unit)
            n, steps = size[0] * size[1] * pitch, (size[1] * pitch, pitch, unit)
            for axis in range(3):
                step, k = axes[axis, DILATION] * steps[axis], axes[axis, KERNEL]
                now, at_now, spare, at_spare = _windows_with_offsets(
                    fold, now, at_now, spare, at_spare, n, k, step, weights[axis]
                )
                n -= (k - 1) * step
            for o in range(number[0]):
                for q in range(number[1]):
                    at = (o * axes[0, STRIDE] * size[1] + q * axes[1, STRIDE]) * pitch
                    a, b = firsts[0] + o, firsts[1] + q
                    every(now[at : at + pitch], y[p, a, b], axes[2, STRIDE], unit)
                    line, found = at_spare[: y.shape[3]], offsets[p, a, b]
                    every(at_now[at : at + pitch], line, axes[2, STRIDE], unit)
                    for i in range(line.size):
                        found[i] = nowhere if line[i] >= ABSENT else line[i]


@threaded
def scatter(grad, offsets, dx, axes, unit, shifts, nowhere, band, zero):
    """Each gradient to the element its window picked; a task owns ``band`` rows of ``dx``.

    ``shifts`` says how far from the first element of a window each of its offsets lies.
    """
    bands = (dx.shape[1] + band - 1) // band
    tasks, length = dx.shape[0] * bands, dx.shape[2] * dx.shape[3]
    reach = axes[0, DILATION] * (axes[0, KERNEL] - 1)
    parts = min(tasks, PARTS)
    for part in numba.prange(parts):
        scratch = np.full(band * length, zero)
        for task in range(part * tasks // parts, (part + 1) * tasks // parts):
            p, low = task // bands, task % bands * band
            high = min(low + band, dx.shape[1])
            mine = scratch[: (high - low) * length]
            for i in range(mine.size):
                mine[i] = zero
            for a in range(grad.shape[1]):
                top = a * axes[0, STRIDE] - axes[0, BEFORE]
                if top >= high or top + reach < low:
                    continue
                for b in range(grad.shape[2]):
                    left = (b * axes[1, STRIDE] - axes[1, BEFORE]) * dx.shape[3]
                    start = (top - low) * length + left - axes[2, BEFORE] * unit
                    _add(grad[p, a, b], offsets[p, a, b], mine, start, axes, unit, shifts, nowhere)
            out = dx[p, low:high].reshape(mine.size)
            for i in range(mine.size):
                out[i] = narrow(mine[i], dx)


@inlined
def _add(g, found, mine, start, axes, unit, shifts, nowhere):
    """Add a row of gradients to where they belong, as far as that is ``mine``."""
    step = axes[2, STRIDE] * unit
    for o in range(g.size // unit):
        for c in range(unit):
            j = found[o * unit + c]
            if j != nowhere:
                at = start + o * step + c + shifts[j]
                if 0 <= at < mine.size:
                    mine[at] += wide(g[o * unit + c])


@threaded
def whole(x, y, fold, change, finish, count, identity):
    """Fold each row of floats, (rows, n) -> (rows,)."""
    for r in numba.prange(x.shape[0]):
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
def whole_by_channel(x, y, fold, change, finish, count, identity, width):
    """Fold the middle dimension of floats, (n, length, channels) -> (n, channels)."""
    parts = (x.shape[2] + width - 1) // width
    for task in numba.prange(x.shape[0] * parts):
        n, low = task // parts, task % parts * width
        high = min(low + width, x.shape[2])
        now, line = np.full(high - low, identity), np.full(high - low, identity)
        for i in range(x.shape[1]):
            _change(x[n, i, low:high], line, change)
            _pair(fold, now, line, now)
        out = y[n, low:high]
        if finish & DIVIDE:
            for i in range(now.size):
                now[i] /= count
        if finish & ROOT:
            for i in range(now.size):
                now[i] = np.sqrt(now[i])
        for i in range(now.size):
            out[i] = narrow(now[i], out)
