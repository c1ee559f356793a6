"""Windows of few elements, folded line by line, in Numba.

The rows under a row of windows are folded into a line that stays in the L1 cache. The line is split
into its phases, one for each place within a stride, so that what is the same element of all windows
lies side by side, and these are folded again. Each element is read from memory once, and every loop
runs in vector lanes: about as fast as a copy. The work grows with the elements of a window, so that
large ones are left to `fold_bands.py`.

For offsets, a second line holds where each value came from. Of equals the smaller offset wins, of
several NaN the larger, so that the result does not depend on the order of the folds.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

from typing import NamedTuple

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import inlined, part_of, threaded
from huashi._kernel.select import maximum, minimum
from huashi.pooling.cpu.fold_elements import (
    ABS,
    AS_IS,
    DIVIDE,
    MAX,
    MIN,
    SQUARE,
    Extremum,
    Factors,
    Fold,
    copy_changed,
    store,
)
from huashi.pooling.cpu.windows import (
    Windows,
    span,
)

FAR = np.int32(2**30)  # the offset of what is absent: larger than any


@inlined
def _join(line, row, out, fold, change):
    """Fold a line and a row; NaN wins. In place a maximum would become a conditional store."""
    if fold == MAX:
        for i in range(out.size):
            out[i] = maximum(line[i], wide(row[i]))
    elif fold == MIN:
        for i in range(out.size):
            out[i] = minimum(line[i], wide(row[i]))
    elif change == ABS:
        for i in range(out.size):
            out[i] = line[i] + abs(wide(row[i]))
    elif change == SQUARE:
        for i in range(out.size):
            out[i] = line[i] + wide(row[i]) * wide(row[i])
    else:
        for i in range(out.size):
            out[i] = line[i] + wide(row[i])


@inlined
def _split_phases(scratch, start, size, windows):
    """Split the first ``size`` numbers: every stride-th element into the same phase."""
    line, phases = scratch[:size], scratch[start : start + size]
    stride, unit = windows.axes[2].stride, windows.unit
    n = line.size // stride  # of a phase
    if unit > 1:
        for i in range(line.size // unit):
            target, given = phases[i % stride * n + i // stride * unit :], line[i * unit :]
            for c in range(unit):
                target[c] = given[c]
    elif stride == 2:  # known to the compiler, so that it runs in vector lanes
        even, odd = phases[:n], phases[n:]
        for i in range(n):
            even[i], odd[i] = line[2 * i], line[2 * i + 1]
    elif stride == 3:
        one, two, three = phases[:n], phases[n : 2 * n], phases[2 * n :]
        for i in range(n):
            one[i], two[i], three[i] = line[3 * i], line[3 * i + 1], line[3 * i + 2]
    else:
        for first in range(stride):
            phase = phases[first * n : (first + 1) * n]
            for i in range(n):
                phase[i] = line[stride * i + first]


class Lines(NamedTuple):
    """How the scratch is laid out; positions and sizes count numbers.

    It holds a line for each row of windows, one to take turns with, the phases that all are
    split into, and two buffers that the phases are folded into.
    """

    low: int
    """The first number of a row of the input that is read."""
    high: int
    """The one after the last."""
    start: int
    """Where in a line the first of them is put."""
    pitch: int
    """The size of a line."""
    phase: int
    """The size of a phase: a line has as many as the stride."""
    spare: int
    """Where the line to take turns with begins."""
    phases: int
    """Where the phases begin."""
    joined: int
    """Where the two buffers begin."""
    size: int
    """The size of the scratch."""


class Inside(NamedTuple):
    """Which elements of a window lie in the input, along each of the first two axes."""

    a: tuple[int, int]
    """The first, and the one after the last."""
    b: tuple[int, int]
    left: int
    """How many rows of the input that makes."""


@inlined
def _lines(windows, n, rows):
    """The scratch for ``rows`` rows of windows at once, of ``n`` numbers each."""
    axis, unit = windows.axes[2], windows.unit
    phase = (n // unit + axis.dilation * (axis.kernel - 1) // axis.stride) * unit
    pitch = phase * axis.stride
    low, high, start = span(axis, 1, pitch // unit)
    spare, phases, joined = rows * pitch, (rows + 1) * pitch, (2 * rows + 1) * pitch
    size = joined + 2 * rows * phase
    return Lines(low * unit, high * unit, start * unit, pitch, phase, spare, phases, joined, size)


@inlined
def _along(axis, window):
    """Which elements of a window lie in the input: the first, and the one after the last."""
    begin, step = axis.before - window * axis.stride, axis.dilation
    first = max(0, (begin + step - 1) // step)
    return first, max(first, min(axis.kernel, (axis.length - 1 + begin) // step + 1))


@inlined
def _inside(axes, a, b):
    (a_first, a_last), (b_first, b_last) = _along(axes[0], a), _along(axes[1], b)
    left = (a_last - a_first) * (b_last - b_first)
    return Inside((a_first, a_last), (b_first, b_last), left)


@inlined
def _element(axis, window, j):
    """Where along an axis the j-th element of a window lies."""
    return window * axis.stride - axis.before + j * axis.dilation


@inlined
def _further(windows, size, j):
    """How far from the first phase the j-th elements of the windows begin."""
    shift = windows.axes[2].dilation * j
    stride = windows.axes[2].stride
    return shift % stride * size + shift // stride * windows.unit


@threaded
def fold(part, parts, x, y, windows, fold, divisors, rows):
    """Fold windows, (planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``rows`` is how many rows of windows fit into the cache at once.
    """
    windows, fold, divisors = Windows(*windows), Fold(*fold), Factors(*divisors)
    axes, n, plane = windows.axes, y.shape[3], y.shape[1] * y.shape[2]
    lines = _lines(windows, n, rows)
    scratch = np.full(lines.size, fold.identity)
    each = (plane + rows - 1) // rows
    for task in part_of(y.shape[0] * each, part, parts):
        p, first = task // each, task % each * rows
        count = min(rows, plane - first)
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            mine, inside = r * lines.pitch, _inside(axes, a, b)
            if inside.left == 0:
                scratch[mine : mine + lines.pitch] = fold.identity
            turn = 1 - inside.left % 2  # so that the last fold writes to the line itself
            begun = False
            for ja in range(inside.a[0], inside.a[1]):
                ra = _element(axes[0], a, ja)
                for jb in range(inside.b[0], inside.b[1]):
                    rb = _element(axes[1], b, jb)
                    into = lines.start + (lines.spare if turn else mine)
                    before = lines.start + (mine if turn else lines.spare)
                    given = x[p, ra, rb, lines.low : lines.high]
                    out = scratch[into : into + given.size]
                    if begun:
                        _join(scratch[before:], given, out, fold.kind, fold.change)
                    else:
                        copy_changed(given, out, fold.change)
                    begun, turn = True, 1 - turn
        now, size = 0, count * lines.phase
        if axes[2].stride > 1:
            _split_phases(scratch, lines.phases, size * axes[2].stride, windows)
            now = lines.phases
        begin, length = now, size - lines.phase + n
        for j in range(1, axes[2].kernel):
            further = scratch[begin + _further(windows, size, j) :]
            into = lines.joined + j % 2 * rows * lines.phase
            _join(scratch[now:], further, scratch[into : into + length], fold.kind, AS_IS)
            now = into
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            divisor = divisors.rows[a, b] if fold.finish & DIVIDE else fold.identity
            line = scratch[now + r * lines.phase :]
            store(line, y[p, a, b], windows.unit, divisor, divisors.along, fold.finish)


@inlined
def _better(line, at, row, j, out, found, sign):
    """The better of each value of a line, with its offsets, and of a row, with offset ``j``."""
    if sign > 0:
        for i in range(out.size):
            a, b, one = line[i], wide(row[i]), at[i]
            other = (b > a) | (b != b)
            out[i] = b if other else a
            found[i] = j if other else one
    else:
        for i in range(out.size):
            a, b, one = line[i], wide(row[i]), at[i]
            other = (b < a) | (b != b)
            out[i] = b if other else a
            found[i] = j if other else one


@inlined
def _best(line, at, row, further, j, out, found, sign):
    """The better of the values of two lines; the offsets of the second count ``j`` more."""
    if sign > 0:
        for i in range(out.size):
            a, b, one, two = line[i], row[i], at[i], np.int32(further[i] + j)
            missing = (b != b) & ((a == a) | (two > one))
            other = (b > a) | ((b == a) & (two < one)) | missing
            out[i] = b if other else a
            found[i] = two if other else one
    else:
        for i in range(out.size):
            a, b, one, two = line[i], row[i], at[i], np.int32(further[i] + j)
            missing = (b != b) & ((a == a) | (two > one))
            other = (b < a) | ((b == a) & (two < one)) | missing
            out[i] = b if other else a
            found[i] = two if other else one


@threaded
def pick(part, parts, x, y, offsets, windows, sought, rows):
    """The extremum of each window, and its offset: (planes, A, B, W * unit) to two of windows."""
    windows, sought = Windows(*windows), Extremum(*sought)
    axes, n, plane = windows.axes, y.shape[3], y.shape[1] * y.shape[2]
    lines = _lines(windows, n, rows)
    values = np.full(lines.size, sought.identity)
    places = np.full(values.size, FAR)
    each = (plane + rows - 1) // rows
    for task in part_of(y.shape[0] * each, part, parts):
        p, first = task // each, task % each * rows
        count = min(rows, plane - first)
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            mine, inside = r * lines.pitch, _inside(axes, a, b)
            if inside.left == 0:
                values[mine : mine + lines.pitch] = sought.identity
                places[mine : mine + lines.pitch] = FAR
            turn = 1 - inside.left % 2  # so that the last fold writes to the line itself
            begun = False
            for ja in range(inside.a[0], inside.a[1]):
                ra = _element(axes[0], a, ja)
                for jb in range(inside.b[0], inside.b[1]):
                    rb = _element(axes[1], b, jb)
                    into = lines.start + (lines.spare if turn else mine)
                    before = lines.start + (mine if turn else lines.spare)
                    given = x[p, ra, rb, lines.low : lines.high]
                    j = np.int32((ja * axes[1].kernel + jb) * axes[2].kernel)
                    out, found = values[into : into + given.size], places[into : into + given.size]
                    if begun:
                        line, at = values[before:], places[before:]
                        _better(line, at, given, j, out, found, sought.sign)
                    else:
                        copy_changed(given, out, AS_IS)
                        found[:] = j
                    begun, turn = True, 1 - turn
        now, size = 0, count * lines.phase
        if axes[2].stride > 1:
            _split_phases(values, lines.phases, size * axes[2].stride, windows)
            _split_phases(places, lines.phases, size * axes[2].stride, windows)
            now = lines.phases
        begin, length = now, size - lines.phase + n
        for j in range(1, axes[2].kernel):
            beside = begin + _further(windows, size, j)
            into = lines.joined + j % 2 * rows * lines.phase
            out, found = values[into : into + length], places[into : into + length]
            line, at, row, further = values[now:], places[now:], values[beside:], places[beside:]
            _best(line, at, row, further, np.int32(j), out, found, sought.sign)
            now = into
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            line, at = values[now + r * lines.phase :], places[now + r * lines.phase :]
            out, found = y[p, a, b], offsets[p, a, b]
            for i in range(n):
                value, place = line[i], at[i]
                out[i] = narrow(value, out)
                found[i] = place if place < FAR else sought.nowhere
