"""Windows of few elements, folded line by line, in Numba.

The rows under a row of windows are folded into a line that stays in the L1 cache. The line is dealt
out by the stride into as many hands, so that what is the same element of all windows lies side by
side, and these are folded again. From the memory each element is read once, and all that is done to
it runs in vector lanes: about as fast as a copy. The work grows with the elements of a window, so
that large ones are left to the sweeps.

Where the largest stood goes with it in a second line. Of equals the smaller offset wins, of several
NaN the larger one, as row-major order has it, whatever the order of the folds.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

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
    copy_changed,
    store,
)
from huashi.pooling.cpu.windows import (
    BEFORE,
    DILATION,
    KERNEL,
    LENGTH,
    STRIDE,
    span,
)

FAR = np.int32(2**30)  # the offset of what is absent: larger than any


@inlined
def _join(line, row, out, fold, change):
    """Fold a row into a line; NaN wins. In place a maximum would be a store under a condition."""
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
def _deal(line, hands, stride, unit):
    """Every ``stride``-th element into one hand, from each of the first ``stride`` on."""
    n = line.size // stride  # of a hand
    if unit > 1:
        for i in range(line.size // unit):
            target, given = hands[i % stride * n + i // stride * unit :], line[i * unit :]
            for c in range(unit):
                target[c] = given[c]
    elif stride == 2:  # known to the compiler, so that it runs in vector lanes
        even, odd = hands[:n], hands[n:]
        for i in range(n):
            even[i], odd[i] = line[2 * i], line[2 * i + 1]
    elif stride == 3:
        one, two, three = hands[:n], hands[n : 2 * n], hands[2 * n :]
        for i in range(n):
            one[i], two[i], three[i] = line[3 * i], line[3 * i + 1], line[3 * i + 2]
    else:
        for phase in range(stride):
            hand = hands[phase * n : (phase + 1) * n]
            for i in range(n):
                hand[i] = line[stride * i + phase]


@inlined
def _hand(axis, windows):
    """How many elements of a row are dealt into one hand."""
    return windows + axis[DILATION] * (axis[KERNEL] - 1) // axis[STRIDE]


@inlined
def _inside(axis, window):
    """Which elements of a window lie in the input: the first, and the one after the last."""
    begin, step = axis[BEFORE] - window * axis[STRIDE], axis[DILATION]
    first = max(0, (begin + step - 1) // step)
    return first, max(first, min(axis[KERNEL], (axis[LENGTH] - 1 + begin) // step + 1))


@threaded
def fold(part, parts, x, y, axes, unit, rows, fold, change, finish, counts, along, identity):
    """Fold windows, (planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``rows`` is how many rows of windows fit into the cache at once; the other arguments are those
    of :func:`huashi.pooling.cpu.fold_bands.sweep`.
    """
    k, stride, step, n = axes[2, KERNEL], axes[2, STRIDE], axes[2, DILATION], y.shape[3]
    hand = _hand(axes[2], n // unit) * unit
    pitch, plane = hand * stride, y.shape[1] * y.shape[2]
    low, high, start = span(axes[2], 1, pitch // unit)
    low, high, start = low * unit, high * unit, start * unit
    spare, dealt, joined = rows * pitch, (rows + 1) * pitch, (2 * rows + 1) * pitch
    scratch = np.full(joined + 2 * rows * hand, identity)
    each = (plane + rows - 1) // rows
    for task in part_of(y.shape[0] * each, part, parts):
        p, first = task // each, task % each * rows
        count = min(rows, plane - first)
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            (a_first, a_last), (b_first, b_last) = _inside(axes[0], a), _inside(axes[1], b)
            left = (a_last - a_first) * (b_last - b_first)
            if left == 0:
                scratch[r * pitch : (r + 1) * pitch] = identity
            turn = 1 - left % 2  # the last one writes the line, the others this and the spare one
            begun = False
            for ja in range(a_first, a_last):
                ra = a * axes[0, STRIDE] - axes[0, BEFORE] + ja * axes[0, DILATION]
                for jb in range(b_first, b_last):
                    rb = b * axes[1, STRIDE] - axes[1, BEFORE] + jb * axes[1, DILATION]
                    into = start + (spare if turn else r * pitch)
                    before = start + (r * pitch if turn else spare)
                    given, out = x[p, ra, rb, low:high], scratch[into : into + high - low]
                    if begun:
                        _join(scratch[before:], given, out, fold, change)
                    else:
                        copy_changed(given, out, change)
                    begun, turn = True, 1 - turn
        now, size = 0, count * hand
        if stride > 1:
            _deal(scratch[: size * stride], scratch[dealt : dealt + size * stride], stride, unit)
            now = dealt
        hands, length = now, size - hand + n
        for j in range(1, k):
            further = scratch[hands + step * j % stride * size + step * j // stride * unit :]
            into = joined + j % 2 * rows * hand
            _join(scratch[now:], further, scratch[into : into + length], fold, AS_IS)
            now = into
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            count = counts[a, b] if finish & DIVIDE else identity
            store(scratch[now + r * hand :], y[p, a, b], unit, count, along, finish)


@inlined
def _better(line, at, row, j, out, found, sign):
    """Of two rows of values, the line above with its offsets, the one below with offset ``j``."""
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
    """Of two lines of values and their offsets, which are ``j`` larger in the second."""
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
def pick(part, parts, x, y, offsets, axes, unit, rows, sign, nowhere, identity):
    """The extremum of each window, and its offset: (planes, A, B, W * unit) to two of windows."""
    k, stride, step, n = axes[2, KERNEL], axes[2, STRIDE], axes[2, DILATION], y.shape[3]
    hand = _hand(axes[2], n // unit) * unit
    pitch, plane = hand * stride, y.shape[1] * y.shape[2]
    low, high, start = span(axes[2], 1, pitch // unit)
    low, high, start = low * unit, high * unit, start * unit
    spare, dealt, joined = rows * pitch, (rows + 1) * pitch, (2 * rows + 1) * pitch
    values = np.full(joined + 2 * rows * hand, identity)
    places = np.full(values.size, FAR)
    each = (plane + rows - 1) // rows
    for task in part_of(y.shape[0] * each, part, parts):
        p, first = task // each, task % each * rows
        count = min(rows, plane - first)
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            (a_first, a_last), (b_first, b_last) = _inside(axes[0], a), _inside(axes[1], b)
            left = (a_last - a_first) * (b_last - b_first)
            if left == 0:
                values[r * pitch : (r + 1) * pitch] = identity
                places[r * pitch : (r + 1) * pitch] = FAR
            turn = 1 - left % 2  # the last one writes the line, the others this and the spare one
            begun = False
            for ja in range(a_first, a_last):
                ra = a * axes[0, STRIDE] - axes[0, BEFORE] + ja * axes[0, DILATION]
                for jb in range(b_first, b_last):
                    rb = b * axes[1, STRIDE] - axes[1, BEFORE] + jb * axes[1, DILATION]
                    into = start + (spare if turn else r * pitch)
                    before = start + (r * pitch if turn else spare)
                    given, j = x[p, ra, rb, low:high], np.int32((ja * axes[1, KERNEL] + jb) * k)
                    out = values[into : into + high - low]
                    found = places[into : into + high - low]
                    if begun:
                        _better(values[before:], places[before:], given, j, out, found, sign)
                    else:
                        copy_changed(given, out, AS_IS)
                        found[:] = j
                    begun, turn = True, 1 - turn
        now, size = 0, count * hand
        if stride > 1:
            _deal(values[: size * stride], values[dealt : dealt + size * stride], stride, unit)
            _deal(places[: size * stride], places[dealt : dealt + size * stride], stride, unit)
            now = dealt
        hands, length = now, size - hand + n
        for j in range(1, k):
            beside = hands + step * j % stride * size + step * j // stride * unit
            into = joined + j % 2 * rows * hand
            out, found = values[into : into + length], places[into : into + length]
            line, at, row, further = values[now:], places[now:], values[beside:], places[beside:]
            _best(line, at, row, further, np.int32(j), out, found, sign)
            now = into
        for r in range(count):
            a, b = (first + r) // y.shape[2], (first + r) % y.shape[2]
            line, at = values[now + r * hand :], places[now + r * hand :]
            out, found = y[p, a, b], offsets[p, a, b]
            for i in range(n):
                value, place = line[i], at[i]
                out[i] = narrow(value, out)
                found[i] = place if place < FAR else nowhere
