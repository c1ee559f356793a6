"""Folding windows in Numba: a plane is read once, and folded where the cache can hold it.

A maximum or a sum over a window of k folds two windows of k/2. So a band of rows is copied into a
padded scratch that stays in the L1 or L2 cache, and swept about log2(k) times for each axis, every
sweep a loop in vector lanes over the whole scratch; then each stride-th element is stored. Whatever
the window, memory is read once and the results are written once.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

from typing import Any, NamedTuple

import numpy as np

from huashi._kernel.bfloat16 import wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi.pooling.cpu.fold_elements import (
    DIVIDE,
    MAX,
    MIN,
    SUM,
    Factors,
    Fold,
    copy_changed,
    store,
)
from huashi.pooling.cpu.windows import (
    Windows,
    every,
    piece,
    pieces,
    rows,
    source,
    span,
)


class Buffers(NamedTuple):
    """A scratch, and two more of its size to fold it into."""

    now: Any
    spare: Any
    total: Any
    """In a sum, the windows of the sizes that are added up so far."""


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
    """Fold three stretches at once; NaN wins."""
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
def _windows(fold, buffers, n, k, step):
    """Fold every window of ``k`` elements ``step`` apart in the first ``n`` of ``buffers.now``.

    Returns the buffers anew: the result is ``now``.
    """
    now, spare, total = buffers
    if k == 3:
        m = n - 2 * step
        _triple(fold, now[:m], now[step : step + m], now[2 * step : 2 * step + m], spare[:m])
        return Buffers(spare, now, total)
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
        return Buffers(now, spare, total)
    if fold == SUM:
        _append(now, total, n, size, done, step)
        return Buffers(total, now, spare)
    m = n - (k - 1) * step  # the last two windows may overlap: a maximum stays the same
    _pair(fold, now[:m], now[(k - size) * step : (k - size) * step + m], spare[:m])
    return Buffers(spare, now, total)


@compiled
def _append(now, total, n, size, done, step):
    """Make ``total``, sums of windows of ``done`` elements, those of ``done + size``."""
    m = n - (done + size - 1) * step
    if done:
        _pair(SUM, total[:m], now[done * step : done * step + m], total[:m])
    else:
        for i in range(m):  # takes a fifth of the time of assigning a slice
            total[i] = now[i]


@inlined
def _load(source, target, reach, spread, unit, fold):
    """Copy a stretch of a row, its elements ``spread`` apart, with the identity around them."""
    first, last, start = reach
    if spread > 1:
        target[:] = fold.identity
        for i in range(first, last):
            at = (start + (i - first) * spread) * unit
            for c in range(unit):
                target[at + c] = wide(source[i * unit + c])
    else:
        stop = (start + last - first) * unit
        for i in range(start * unit):
            target[i] = fold.identity
        copy_changed(source[first * unit : last * unit], target[start * unit : stop], fold.change)
        for i in range(stop, target.size):
            target[i] = fold.identity


@inlined
def _fill(plane, now, corner, size, windows, fold, spread):
    """Copy part of a plane, padded, into the scratch: (rows of A, rows of B, pitch)."""
    (rows, across, pitch), axes, unit = size, windows.axes, windows.unit
    reach = span(axes[2], spread[2], pitch // unit)
    for r in range(rows):
        a = source(corner[0] + r, axes[0].length, spread[0])
        for q in range(across):
            b = source(corner[1] + q, axes[1].length, spread[1])
            at = (r * across + q) * pitch
            target = now[at : at + pitch]
            if a >= 0 and b >= 0:
                _load(plane[a, b], target, reach, spread[2], unit, fold)
            else:
                target[:] = fold.identity


@compiled
def _store_finished(buffers, y, done, size, windows, fold, divisors):
    """Store the windows of a piece, divided and under the root as ``fold.finish`` says.

    In a function of its own: in the loop of :func:`sweep` its rows would cost even folds that are
    finished as they are an eighth of their time, for counts of references.
    """
    axes, unit, stride = windows.axes, windows.unit, windows.axes[2].stride
    for o in range(done.number[0]):
        for q in range(done.number[1]):
            at = (o * axes[0].stride * size[1] + q * axes[1].stride) * size[2]
            a, b = done.first[0] + o, done.first[1] + q
            row, out = buffers.now[at : at + size[2]], y[done.plane, a, b]
            if stride > 1:
                line = buffers.spare[: out.size]
                every(row, line, stride, unit)
                row = line
            divisor = divisors.rows[a, b] if fold.finish & DIVIDE else fold.identity
            store(row, out, unit, divisor, divisors.along, fold.finish)


@threaded
def sweep(part, parts, x, y, windows, fold, divisors, band, spread):
    """Fold windows, (planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``band`` is how many windows of A and B fit into the cache; ``spread`` the distance of the
    elements of x along each axis as they are pooled, with zeros between.
    """
    windows, fold, divisors = Windows(*windows), Fold(*fold), Factors(*divisors)
    axes, unit, stride = windows.axes, windows.unit, windows.axes[2].stride
    tasks, pitch = pieces(y, band), rows(axes[2], axes[2].windows) * unit
    most = rows(axes[0], band[0]) * rows(axes[1], band[1]) * pitch
    now = np.full(most, fold.identity)
    buffers = Buffers(now, np.empty_like(now), np.empty_like(now))
    for task in part_of(tasks, part, parts):
        done = piece(task, y, axes, band)
        size = rows(axes[0], done.number[0]), rows(axes[1], done.number[1]), pitch
        _fill(x[done.plane], buffers.now, done.corner, size, windows, fold, spread)
        n, steps = size[0] * size[1] * pitch, (size[1] * pitch, pitch, unit)
        for axis in range(3):
            step, k = axes[axis].dilation * steps[axis], axes[axis].kernel
            buffers = _windows(fold.kind, buffers, n, k, step)
            n -= (k - 1) * step
        if fold.finish:
            _store_finished(buffers, y, done, size, windows, fold, divisors)
            continue
        for o in range(done.number[0]):
            for q in range(done.number[1]):
                at = (o * axes[0].stride * size[1] + q * axes[1].stride) * pitch
                out = y[done.plane, done.first[0] + o, done.first[1] + q]
                every(buffers.now[at : at + pitch], out, stride, unit)
