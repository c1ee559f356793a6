"""The largest element of each window and where it stood, in Numba; and the way back.

Value and offset travel in one integer of 64 bits: above, the number in an order-preserving way, so
that the larger is the larger integer; below, how far the offset is from the largest possible, so
that of equals the first wins. A fold of two windows is then one subtraction, which moves the
offsets of the second, and one maximum. What comes out of it is the value and one byte.

Back each row of the input gathers what the windows over it picked there: a comparison of the byte,
and an addition, for each element of a window, in vector lanes and in a fixed order. Where windows
are large, or a row has few of them, each task adds its own windows one by one instead.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np
from numba.core import types
from numba.extending import overload

from huashi._kernel.numba import (
    bits_of_float,
    compiled,
    float_of_bits,
    inlined,
    larger,
    narrow,
    part_of,
    smaller,
    threaded,
    wide,
)
from huashi.pooling.cpu.fold_bands import (
    BEFORE,
    DILATION,
    KERNEL,
    LENGTH,
    STRIDE,
    every,
    piece,
    pieces,
    rows,
    source,
    span,
)
from huashi.pooling.cpu.top_k import first_equal

LOW = 2**31 - 1  # what stands below for offset 0
ABSENT = (-(2**31) << 32) | LOW  # padding: less than any number
NAN = 2**31 - 1  # the number above that stands for NaN, larger than any


def key(value, sign):
    """In a kernel: an integer of 32 bits that has the order of the values, times the sign."""
    raise NotImplementedError("only for kernels")


def value_of(number, sign, array):
    """In a kernel: the value of a key, as ``array`` stores it."""
    raise NotImplementedError("only for kernels")


@overload(key)
def _key(value, sign):
    if value == types.float32:

        def of_float(value, sign):
            bits = np.int64(np.int32(bits_of_float(value)))
            ordered = bits if bits >= 0 else -(2**31) - bits  # both zeros are 0
            return ordered * sign if value == value else NAN

        return of_float
    return lambda value, sign: np.int64(value) * sign


@overload(value_of)
def _value_of(number, sign, array):
    if array.dtype in (types.float32, types.uint16):

        def to_float(number, sign, array):
            ordered = number * sign
            bits = ordered if ordered >= 0 else -(2**31) - ordered
            value = float_of_bits(bits) if number != NAN else np.float32(np.nan)
            return narrow(value, array)

        return to_float
    return lambda number, sign, array: array.dtype.type(number * sign)


@compiled
def _windows(now, spare, n, k, step, weight):
    """Fold every window of ``k`` elements ``step`` apart; each has a ``weight`` larger offset."""
    size = 1
    while size < k:
        shift = min(size, k - size)  # at last two windows that overlap
        m = n - (size + shift - 1) * step
        _pair(now[:m], now[shift * step : shift * step + m], shift * weight, spare[:m])
        now, spare = spare, now
        size += shift
    return now, spare


@compiled
def _pair(a, b, further, out):
    for i in range(out.size):
        out[i] = max(a[i], b[i] - further)


@inlined
def _fill(x, now, p, corner, size, axes, unit, sign):
    """Copy part of plane ``p`` into the scratch, packed and padded."""
    across, pitch = size[1], size[2]
    first, last, start = span(axes[2], 1, pitch // unit)
    begin, end = start * unit, (start + last - first) * unit
    for r in range(size[0]):
        a = source(corner[0] + r, axes[0, LENGTH], 1)
        for q in range(across):
            b = source(corner[1] + q, axes[1, LENGTH], 1)
            target = now[(r * across + q) * pitch : (r * across + q + 1) * pitch]
            if a >= 0 and b >= 0:
                real, row = target[begin:end], x[p, a, b, first * unit : last * unit]
                for i in range(begin):
                    target[i] = ABSENT
                for i in range(real.size):
                    real[i] = (key(wide(row[i]), sign) << 32) | LOW
                for i in range(end, target.size):
                    target[i] = ABSENT
            else:
                target[:] = ABSENT


@threaded
def sweep(part, parts, x, y, offsets, axes, unit, band, sign, nowhere, identity):
    """The extremum of each window, and its offset: (planes, A, B, W * unit) to two of windows."""
    number, pitch = pieces(y, band), rows(axes[2], offsets.shape[3] // unit) * unit
    most = rows(axes[0], band[0]) * rows(axes[1], band[1]) * pitch
    weights = axes[1, KERNEL] * axes[2, KERNEL], axes[2, KERNEL], 1
    now = np.full(most, ABSENT)
    spare, line = np.empty_like(now), np.full(y.shape[3], ABSENT)
    for task in part_of(number, part, parts):
        p, firsts, counts, corner = piece(task, y, axes, band)
        size = rows(axes[0], counts[0]), rows(axes[1], counts[1]), pitch
        _fill(x, now, p, corner, size, axes, unit, sign)
        n, steps = size[0] * size[1] * pitch, (size[1] * pitch, pitch, unit)
        for axis in range(3):
            step, k = axes[axis, DILATION] * steps[axis], axes[axis, KERNEL]
            now, spare = _windows(now, spare, n, k, step, weights[axis])
            n -= (k - 1) * step
        for o in range(counts[0]):
            for q in range(counts[1]):
                at = (o * axes[0, STRIDE] * size[1] + q * axes[1, STRIDE]) * pitch
                a, b = firsts[0] + o, firsts[1] + q
                every(now[at : at + pitch], line, axes[2, STRIDE], unit)
                if _unpack(line, y[p, a, b], offsets[p, a, b], sign, nowhere, identity):
                    _last_nan(x[p], line, offsets[p, a, b], a, b, axes, unit)


@inlined
def _unpack(line, out, found, sign, nowhere, identity):
    """Store values and offsets; say whether there was a NaN."""
    odd = 0
    for i in range(out.size):
        number = line[i] >> 32
        odd |= number == NAN
        absent = number == -(2**31)
        out[i] = narrow(identity, out) if absent else value_of(number, sign, out)
        found[i] = nowhere if absent else LOW - (line[i] & 0xFFFFFFFF)
    return odd


@compiled
def _last_nan(plane, line, found, a, b, axes, unit):
    """Of several NaN in a window the last one counts: look for it from the end."""
    for i in range(line.size):
        j = axes[0, KERNEL] * axes[1, KERNEL] * axes[2, KERNEL]
        missing = line[i] >> 32 == NAN
        while missing and j > 0:
            j -= 1
            ja, rest = (
                j // (axes[1, KERNEL] * axes[2, KERNEL]),
                j % (axes[1, KERNEL] * axes[2, KERNEL]),
            )
            ra = a * axes[0, STRIDE] - axes[0, BEFORE] + ja * axes[0, DILATION]
            rb = b * axes[1, STRIDE] - axes[1, BEFORE]
            rb += rest // axes[2, KERNEL] * axes[1, DILATION]
            w = i // unit * axes[2, STRIDE] - axes[2, BEFORE]
            w += rest % axes[2, KERNEL] * axes[2, DILATION]
            inside = 0 <= ra < axes[0, LENGTH] and 0 <= rb < axes[1, LENGTH]
            if inside and 0 <= w < axes[2, LENGTH]:
                value = wide(plane[ra, rb, w * unit + i % unit])
                missing = value == value
        if line[i] >> 32 == NAN:
            found[i] = j


@inlined
def _window_at(place, axis, j, windows):
    """Which window has its j-th element at ``place`` along an axis; -1 for none."""
    start = place + axis[BEFORE] - j * axis[DILATION]
    if start < 0 or start >= windows * axis[STRIDE]:
        return -1
    window = start // axis[STRIDE] if axis[STRIDE] > 1 else start
    return window if window * axis[STRIDE] == start else -1


@threaded
def gather(part, parts, grad, offsets, dx, axes, unit, zero):
    """To each row of the input the gradients of the windows that picked there."""
    phases, spans = _phases(axes[2], grad.shape[3] // unit, unit, zero)
    for task in part_of(dx.shape[0] * dx.shape[1] * dx.shape[2], part, parts):
        row = task // dx.shape[2]
        p, ra, rb = row // dx.shape[1], row % dx.shape[1], task % dx.shape[2]
        phases[:] = zero
        for ja in range(axes[0, KERNEL]):
            a = _window_at(ra, axes[0], ja, grad.shape[1])
            for jb in range(axes[1, KERNEL]):
                b = _window_at(rb, axes[1], jb, grad.shape[2])
                if a >= 0 and b >= 0:
                    j = (ja * axes[1, KERNEL] + jb) * axes[2, KERNEL]
                    for jw in range(axes[2, KERNEL]):
                        phase, start = spans[jw, 0], spans[jw, 1]
                        first, last = spans[jw, 2], spans[jw, 3]
                        target = phases[phase, start : start + last - first]
                        given, mark = grad[p, a, b, first:last], offsets[p, a, b, first:last]
                        this = mark.dtype.type(j + jw)
                        for i in range(target.size):
                            value = wide(given[i])  # in any case: a branch would end the lanes
                            target[i] += value if mark[i] == this else zero
        _interleave(phases, dx[p, ra, rb], axes[2, STRIDE], unit)


@threaded
def gather_all(part, parts, grad, x, dx, axes, unit, zero, times):
    """To each row of the input the gradients of all windows over it, ``times`` the input itself."""
    phases, spans = _phases(axes[2], grad.shape[3] // unit, unit, zero)
    for task in part_of(dx.shape[0] * dx.shape[1] * dx.shape[2], part, parts):
        row = task // dx.shape[2]
        p, ra, rb = row // dx.shape[1], row % dx.shape[1], task % dx.shape[2]
        phases[:] = zero
        for ja in range(axes[0, KERNEL]):
            a = _window_at(ra, axes[0], ja, grad.shape[1])
            for jb in range(axes[1, KERNEL]):
                b = _window_at(rb, axes[1], jb, grad.shape[2])
                if a >= 0 and b >= 0:
                    for jw in range(axes[2, KERNEL]):
                        phase, start = spans[jw, 0], spans[jw, 1]
                        first, last = spans[jw, 2], spans[jw, 3]
                        target = phases[phase, start : start + last - first]
                        given = grad[p, a, b, first:last]
                        for i in range(target.size):
                            target[i] += wide(given[i])
        out = dx[p, ra, rb]
        _interleave(phases, out, axes[2, STRIDE], unit)
        if times:
            factor = x[p, ra, rb]
            for i in range(out.size):
                out[i] = narrow(wide(out[i]) * wide(factor[i]), out)


@compiled
def _phases(axis, windows, unit, zero):
    """Room for a row, dealt out by the stride, so that what one pass adds to lies side by side.

    Also, for each element of a window, to which hand it goes, where there the first window has it,
    and which windows have it at all.
    """
    spans = np.empty((axis[KERNEL], 4), np.int64)
    for jw in range(axis[KERNEL]):
        offset = jw * axis[DILATION] - axis[BEFORE]
        shift, phase = offset // axis[STRIDE], offset % axis[STRIDE]
        first = max(0, -shift)
        last = max(first, min(windows, (axis[LENGTH] - 1 - offset) // axis[STRIDE] + 1))
        spans[jw] = phase, (first + shift) * unit, first * unit, last * unit
    size = (axis[LENGTH] + axis[STRIDE] - 1) // axis[STRIDE]
    return np.full((axis[STRIDE], size * unit), zero), spans


@inlined
def _interleave(phases, out, stride, unit):
    if stride == 1:
        for i in range(out.size):
            out[i] = narrow(phases[0, i], out)
    elif stride == 2 and unit == 1:  # known to the compiler, so that it runs in vector lanes
        even, odd = phases[0], phases[1]
        for i in range(out.size // 2):
            out[2 * i] = narrow(even[i], out)
            out[2 * i + 1] = narrow(odd[i], out)
        if out.size % 2:
            out[out.size - 1] = narrow(even[out.size // 2], out)
    else:
        for phase in range(stride):
            row = phases[phase]
            for o in range((out.size // unit - phase + stride - 1) // stride):
                at = (o * stride + phase) * unit
                for c in range(unit):
                    out[at + c] = narrow(row[o * unit + c], out)


@threaded
def scatter(part, parts, grad, offsets, dx, axes, unit, shifts, nowhere, band, zero):
    """Each gradient to the element its window picked; a task owns ``band`` rows of ``dx``.

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
        for a in range(grad.shape[1]):
            top = a * axes[0, STRIDE] - axes[0, BEFORE]
            if top >= high or top + reach < low:
                continue
            for b in range(grad.shape[2]):
                left = (b * axes[1, STRIDE] - axes[1, BEFORE]) * dx.shape[3]
                start = (top - low) * length + left - axes[2, BEFORE] * unit
                _add(grad[p, a, b], offsets[p, a, b], mine, start, axes[2], unit, shifts, nowhere)
        out = dx[p, low:high].reshape(mine.size)
        for i in range(mine.size):
            out[i] = narrow(mine[i], dx)


@inlined
def _add(g, found, mine, start, axis, unit, shifts, nowhere):
    """Add a row of gradients to where they belong, as far as that is ``mine``."""
    for o in range(g.size // unit):
        for c in range(unit):
            j = found[o * unit + c]
            if j != nowhere:
                at = start + o * axis[STRIDE] * unit + c + shifts[j]
                if 0 <= at < mine.size:
                    mine[at] += wide(g[o * unit + c])


@threaded
def whole(part, parts, x, y, offsets, sign):
    """The extremum of each row of floats and its place, (rows, n) -> (rows,), (rows,)."""
    for r in part_of(x.shape[0], part, parts):
        row, best, odd = x[r], wide(x[r, 0]), 0
        if sign > 0:
            for i in range(row.size):
                best = larger(best, wide(row[i]))
                odd |= wide(row[i]) != wide(row[i])
        else:
            for i in range(row.size):
                best = smaller(best, wide(row[i]))
                odd |= wide(row[i]) != wide(row[i])
        at = row.size - 1
        if odd:  # the last NaN
            while wide(row[at]) == wide(row[at]):
                at -= 1
        else:
            at = first_equal(row, best)
        y[r], offsets[r] = row[at], at
