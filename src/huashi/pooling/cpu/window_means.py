"""Norms, means and softmaxes of windows in Numba: the elements of a row of windows side by side.

For each row of results the K elements of its windows are gathered into K rows of a scratch, which
then are folded twice, for the largest and for the sums, in vector lanes. An exponential or a power
takes about 20 operations, so that these pools are bound by arithmetic where windows overlap, and by
the memory where they do not.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.mathematics import exponential, logarithm, raised
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi.pooling.cpu.windows import (
    BEFORE,
    DILATION,
    KERNEL,
    LENGTH,
    STRIDE,
    every,
    place,
)

LP, LP_MEAN, POWER, SOFT, LOG_SUM_EXP, STOCHASTIC = range(6)
NONE = -3.4028234663852886e38  # for an absent element of POWER: the least float32, not -inf


@inlined
def _gather(x, buffer, p, a, b, axes, unit, absent):
    """The elements of a row of windows, (K, lanes)."""
    j, size = 0, buffer.shape[1] // unit
    for ja in range(axes[0, KERNEL]):
        top = a * axes[0, STRIDE] - axes[0, BEFORE] + ja * axes[0, DILATION]
        for jb in range(axes[1, KERNEL]):
            left = b * axes[1, STRIDE] - axes[1, BEFORE] + jb * axes[1, DILATION]
            inside = 0 <= top < axes[0, LENGTH] and 0 <= left < axes[1, LENGTH]
            for jw in range(axes[2, KERNEL]):
                lane = buffer[j]
                first, last, start = place(axes[2], jw, size)
                if not inside or last == first:
                    lane[:] = absent
                else:
                    lane[: first * unit] = absent
                    lane[last * unit :] = absent
                    real = lane[first * unit : last * unit]
                    every(x[p, top, left][start * unit :], real, axes[2, STRIDE], unit)
                j += 1


@compiled
def _change(buffer, out, kind, eps):
    """What the formula starts from: magnitudes, or what is left above a floor."""
    zero = eps * 0
    for j in range(buffer.shape[0]):
        lane, target = buffer[j], out[j]
        if kind in (LP, LP_MEAN):
            for i in range(lane.size):
                target[i] = abs(lane[i])
        elif kind == POWER:
            for i in range(lane.size):
                floored = eps if lane[i] < eps else lane[i]
                target[i] = zero if lane[i] == NONE else floored
        elif kind == STOCHASTIC:
            for i in range(lane.size):
                target[i] = zero if lane[i] < zero else lane[i]
        else:
            for i in range(lane.size):
                target[i] = lane[i]


@compiled
def _add_up(buffer, scale, first, second, kind, param, slope):
    """The largest element of each window, and the two sums that its formula or slope needs."""
    scale[:] = buffer[0]
    first[:] = 0
    second[:] = 0
    for j in range(1, buffer.shape[0]):
        lane = buffer[j]
        for i in range(lane.size):
            scale[i] = scale[i] if (scale[i] >= lane[i]) | (scale[i] != scale[i]) else lane[i]
    exponents = kind in (SOFT, LOG_SUM_EXP)
    least, one = scale.dtype.type(-1e38), scale.dtype.type(1)
    for i in range(scale.size):  # there is no difference to an infinite one, nor a quotient
        peak = scale[i]
        scale[i] = peak if abs(peak) < np.inf or peak != peak else (least if exponents else one)
    for j in range(buffer.shape[0]):
        lane = buffer[j]
        if kind == SOFT:
            for i in range(lane.size):
                weight = exponential(lane[i] - scale[i])
                first[i] += weight
                second[i] += weight * lane[i] if lane[i] != -np.inf else weight
        elif kind == LOG_SUM_EXP:
            for i in range(lane.size):
                weight = exponential(param * (lane[i] - scale[i]))
                first[i] += weight
                second[i] += weight * (lane[i] - scale[i]) if lane[i] != -np.inf else weight
        elif kind == STOCHASTIC:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                first[i] += share
                second[i] += share * share
        elif slope:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                weight = raised(share, param)
                first[i] += weight
                second[i] += weight * (logarithm(share) if share > 0 else share)
        elif param == 3:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                first[i] += share * share * share
        else:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                first[i] += raised(share, param)


@compiled
def _results(scale, first, second, count, counts, unit, kind, param, out):
    """The pooled values, where a window has an element."""
    one = out.dtype.type(1)
    for o in range(counts.size):
        n = count * counts[o]
        for i in range(o * unit, (o + 1) * unit):
            if n == 0 or (scale[i] == 0 and kind != SOFT and kind != LOG_SUM_EXP):
                out[i] = 0
            elif kind == SOFT:
                out[i] = second[i] / first[i]
            elif kind == LOG_SUM_EXP:
                mean = first[i] / n
                finite = scale[i] + logarithm(mean) / param
                out[i] = -np.inf if mean == 0 else (mean if mean == np.inf else finite)
            elif kind == STOCHASTIC:
                out[i] = scale[i] * (second[i] / first[i])
            else:
                mean = first[i] if kind == LP else first[i] / n
                out[i] = scale[i] * raised(mean, one / param)


@compiled
def _slopes(first, second, count, counts, unit, kind, param, out):
    """The derivatives in the parameter; ``out`` holds the pooled values first."""
    for o in range(counts.size):
        n = count * counts[o]
        for i in range(o * unit, (o + 1) * unit):
            if n == 0 or first[i] == 0:
                out[i] = 0
            else:
                change = second[i] / first[i] - logarithm(first[i] / n) / param
                out[i] = change / param * (out[i] if kind == POWER else out.dtype.type(1))


@compiled
def _gradients(raw, first, second, scale, y, g, n, unit, kind, param, eps):
    """Turn the elements of a row of windows, (K, lanes), into their gradients."""
    zero = eps * 0
    for j in range(raw.shape[0]):
        lane = raw[j]
        for i in range(lane.size):
            x, share = lane[i], zero
            if kind == SOFT:
                share = exponential(x - scale[i]) / first[i] * (1 + (x - y[i]))
                share = zero if x == -np.inf else share
            elif kind == LOG_SUM_EXP:
                share = exponential(param * (x - scale[i])) / first[i]
            elif kind == STOCHASTIC:
                total = first[i] * scale[i]
                share = (2 * x - y[i]) / total if x > zero and total > zero else zero
            elif not y[i] <= zero:
                size = abs(x) if kind != POWER else x
                share = raised(size / y[i], param - 1)
                share = share if kind == LP else share / n[i]
                if kind == POWER:
                    share = share if x >= eps else zero
                else:
                    share = -share if x < zero else (share if x > zero else zero)
            lane[i] = g[i] * share if n[i] > zero else zero


@threaded
def formula(part, parts, x, y, axes, unit, kind, param, eps, absent, counts, along, slope):
    """(planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``slope`` asks for the derivative in ``param`` instead. ``counts`` times ``along`` is how many
    elements the windows really have, for the rows of windows and for those of a row.
    """
    k = axes[0, KERNEL] * axes[1, KERNEL] * axes[2, KERNEL]
    rows = y.shape[1] * y.shape[2]
    tasks = y.shape[0] * rows
    buffer = np.full((k, y.shape[3]), absent)
    scale, first = np.full(y.shape[3], absent), np.full(y.shape[3], absent)
    second, line = np.empty_like(scale), np.empty_like(scale)
    for task in part_of(tasks, part, parts):
        p, a, b = task // rows, task % rows // y.shape[2], task % y.shape[2]
        _gather(x, buffer, p, a, b, axes, unit, absent)
        _change(buffer, buffer, kind, eps)
        _add_up(buffer, scale, first, second, kind, param, slope)
        count = counts[a, b]
        _results(scale, first, second, count, along, unit, kind, param, line)
        if slope:
            _slopes(first, second, count, along, unit, kind, param, line)
        out = y[p, a, b]
        for i in range(out.size):
            out[i] = narrow(line[i], out)


@threaded
def formula_backward(
    part, parts, x, grad, dx, axes, unit, kind, param, eps, absent, counts, along, band
):
    """The gradient in x; a task owns ``band`` rows of ``dx``."""
    k = axes[0, KERNEL] * axes[1, KERNEL] * axes[2, KERNEL]
    bands = (dx.shape[1] + band - 1) // band
    tasks, length = dx.shape[0] * bands, dx.shape[2] * dx.shape[3]
    reach = axes[0, DILATION] * (axes[0, KERNEL] - 1)
    lanes = grad.shape[3]
    scratch = np.full(band * length, absent)
    raw, buffer = np.full((k, lanes), absent), np.full((k, lanes), absent)
    scale, first = np.full(lanes, absent), np.full(lanes, absent)
    second, line = np.empty_like(scale), np.empty_like(scale)
    g, n = np.empty_like(scale), np.empty_like(scale)
    for task in part_of(tasks, part, parts):
        p, low = task // bands, task % bands * band
        high = min(low + band, dx.shape[1])
        mine = scratch[: (high - low) * length]
        for i in range(mine.size):
            mine[i] = 0
        for a in range(grad.shape[1]):
            top = a * axes[0, STRIDE] - axes[0, BEFORE]
            if top >= high or top + reach < low:
                continue
            for b in range(grad.shape[2]):
                left = b * axes[1, STRIDE] - axes[1, BEFORE]
                _gather(x, raw, p, a, b, axes, unit, absent)
                _change(raw, buffer, kind, eps)
                _add_up(buffer, scale, first, second, kind, param, False)
                count = counts[a, b]
                _results(scale, first, second, count, along, unit, kind, param, line)
                row = grad[p, a, b]
                for i in range(lanes):
                    g[i] = wide(row[i])
                    n[i] = count * along[i // unit]
                _gradients(raw, first, second, scale, line, g, n, unit, kind, param, eps)
                _return(raw, mine, top - low, left, axes, unit, dx.shape[3], length)
        out = dx[p, low:high].reshape(mine.size)
        for i in range(mine.size):
            out[i] = narrow(mine[i], dx)


@compiled
def _return(buffer, mine, top, left, axes, unit, width, length):
    """Add (K, lanes) to the elements they came from, as far as these are ``mine``."""
    j, size, step = 0, buffer.shape[1] // unit, axes[2, STRIDE] * unit
    for ja in range(axes[0, KERNEL]):
        a = top + ja * axes[0, DILATION]
        for jb in range(axes[1, KERNEL]):
            b = left + jb * axes[1, DILATION]
            inside = 0 <= a * length < mine.size and 0 <= b < axes[1, LENGTH]
            for jw in range(axes[2, KERNEL]):
                first, last, start = place(axes[2], jw, size)
                if inside:
                    target = mine[a * length + b * width + start * unit :]
                    for o in range(last - first):
                        source = buffer[j][(first + o) * unit : (first + o + 1) * unit]
                        for c in range(unit):
                            target[o * step + c] += source[c]
                j += 1
