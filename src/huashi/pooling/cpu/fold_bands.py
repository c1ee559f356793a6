"""Folding windows in Numba: a plane is read once, and folded where the cache can hold it.

A maximum or a sum over a window of k folds two windows of k/2. So a band of rows is copied into a
padded scratch that stays in the L1 or L2 cache, and swept about log2(k) times for each axis, every
sweep a loop in vector lanes over the whole scratch; then each stride-th element is stored. From the
memory this reads each element once, whatever the window, and writes the results once.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi.pooling.cpu.fold_elements import (
    MAX,
    MIN,
    SUM,
    copy_changed,
    store,
)
from huashi.pooling.cpu.windows import (
    DILATION,
    KERNEL,
    LENGTH,
    STRIDE,
    WINDOWS,
    every,
    piece,
    pieces,
    rows,
    source,
    span,
)


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
