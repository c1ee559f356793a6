"""The largest element of each window and where it stood, in Numba.

Value and offset travel in one integer of 64 bits: above, the number in an order-preserving way, so
that the larger is the larger integer; below, how far the offset is from the largest possible, so
that of equals the first wins. A fold of two windows is then one subtraction, which moves the
offsets of the second, and one maximum. What comes out of it is the value and one byte.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np
from numba.core import types
from numba.extending import overload

from huashi._kernel.bfloat16 import bits_of_float, float_of_bits, narrow, wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi._kernel.select import larger, smaller
from huashi.pooling.cpu.fold_elements import Extremum
from huashi.pooling.cpu.top_k import first_equal
from huashi.pooling.cpu.windows import (
    Windows,
    every,
    piece,
    pieces,
    rows,
    source,
    span,
)

LOW = 2**31 - 1  # the lower half for offset 0
ABSENT = (-(2**31) << 32) | LOW  # padding: less than any number
NAN = 2**31 - 1  # the upper half for NaN, larger than any number


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
        shift = min(size, k - size)  # the last two windows may overlap
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
def _fill(plane, now, corner, size, windows, sign):
    """Copy part of a plane into the scratch, packed and padded: (rows of A, rows of B, pitch)."""
    (across, pitch), axes, unit = size[1:], windows.axes, windows.unit
    first, last, start = span(axes[2], 1, pitch // unit)
    begin, end = start * unit, (start + last - first) * unit
    for r in range(size[0]):
        a = source(corner[0] + r, axes[0].length, 1)
        for q in range(across):
            b = source(corner[1] + q, axes[1].length, 1)
            target = now[(r * across + q) * pitch : (r * across + q + 1) * pitch]
            if a >= 0 and b >= 0:
                real, row = target[begin:end], plane[a, b, first * unit : last * unit]
                for i in range(begin):
                    target[i] = ABSENT
                for i in range(real.size):
                    real[i] = (key(wide(row[i]), sign) << 32) | LOW
                for i in range(end, target.size):
                    target[i] = ABSENT
            else:
                target[:] = ABSENT


@threaded
def sweep(part, parts, x, y, offsets, windows, sought, band):
    """The extremum of each window, and its offset: (planes, A, B, W * unit) to two of windows.

    ``band`` is how many windows of A and B fit into the cache.
    """
    windows, sought = Windows(*windows), Extremum(*sought)
    axes, unit = windows.axes, windows.unit
    number, pitch = pieces(y, band), rows(axes[2], offsets.shape[3] // unit) * unit
    most = rows(axes[0], band[0]) * rows(axes[1], band[1]) * pitch
    weights = axes[1].kernel * axes[2].kernel, axes[2].kernel, 1
    now = np.full(most, ABSENT)
    spare, line = np.empty_like(now), np.full(y.shape[3], ABSENT)
    for task in part_of(number, part, parts):
        p, firsts, counts, corner = piece(task, y, axes, band)
        size = rows(axes[0], counts[0]), rows(axes[1], counts[1]), pitch
        _fill(x[p], now, corner, size, windows, sought.sign)
        n, steps = size[0] * size[1] * pitch, (size[1] * pitch, pitch, unit)
        for axis in range(3):
            step, k = axes[axis].dilation * steps[axis], axes[axis].kernel
            now, spare = _windows(now, spare, n, k, step, weights[axis])
            n -= (k - 1) * step
        for o in range(counts[0]):
            for q in range(counts[1]):
                at = (o * axes[0].stride * size[1] + q * axes[1].stride) * pitch
                a, b = firsts[0] + o, firsts[1] + q
                every(now[at : at + pitch], line, axes[2].stride, unit)
                if _unpack(line, y[p, a, b], offsets[p, a, b], sought):
                    _last_nan(x[p], line, offsets[p, a, b], a, b, windows)


@inlined
def _unpack(line, out, found, sought):
    """Store values and offsets; say whether there was a NaN."""
    (sign, nowhere, identity), odd = sought, 0
    for i in range(out.size):
        number = line[i] >> 32
        odd |= number == NAN
        absent = number == -(2**31)
        out[i] = narrow(identity, out) if absent else value_of(number, sign, out)
        found[i] = nowhere if absent else LOW - (line[i] & 0xFFFFFFFF)
    return odd


@compiled
def _last_nan(plane, line, found, a, b, windows):
    """Where a window has NaN, find the last one, which counts, from the end."""
    axes, unit = windows.axes, windows.unit
    for i in range(line.size):
        j = axes[0].kernel * axes[1].kernel * axes[2].kernel
        missing = line[i] >> 32 == NAN
        while missing and j > 0:
            j -= 1
            ja, rest = (
                j // (axes[1].kernel * axes[2].kernel),
                j % (axes[1].kernel * axes[2].kernel),
            )
            ra = a * axes[0].stride - axes[0].before + ja * axes[0].dilation
            rb = b * axes[1].stride - axes[1].before
            rb += rest // axes[2].kernel * axes[1].dilation
            w = i // unit * axes[2].stride - axes[2].before
            w += rest % axes[2].kernel * axes[2].dilation
            inside = 0 <= ra < axes[0].length and 0 <= rb < axes[1].length
            if inside and 0 <= w < axes[2].length:
                value = wide(plane[ra, rb, w * unit + i % unit])
                missing = value == value
        if line[i] >> 32 == NAN:
            found[i] = j


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
