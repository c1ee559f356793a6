"""Norms, means and softmaxes of whole rows in Numba, (rows, n) -> (rows,), and their gradients."""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.mathematics import raised
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi._kernel.select import larger
from huashi.pooling.cpu.formulas import (
    LP,
    POWER,
    Formula,
    Sums,
    add_up,
    change,
    gradients,
    results,
    slopes,
)
from huashi.pooling.masks import NONE

LEAST, MOST = 1e-30, 1e30  # between these a sum of squares or cubes is exact enough without scaling


@threaded
def whole_formula(part, parts, x, y, formula, real, slope, block):
    """The formula of each row, (rows, n) -> (rows,); ``block`` rows lie side by side in lanes.

    Where ``real`` has rows it says how many elements of each row are real.
    """
    formula = Formula(*formula)
    for task in part_of((x.shape[0] + block - 1) // block, part, parts):
        low, high = task * block, min(task * block + block, x.shape[0])
        buffer, sums, line, n = _side_by_side(x[low:high], real[low:high], formula.absent)
        change(buffer, buffer, formula)
        add_up(buffer, sums, formula)
        results(sums, n, formula, line)
        if slope:
            slopes(buffer, sums, n, formula, line)
        for i in range(high - low):
            y[low + i] = narrow(line[i], y)


@inlined
def _floored(value, floor):
    """A number of POWER; 0 for none."""
    return floor * 0 if value == NONE else larger(value, floor)


@inlined
def _power_sum(row, floor, kind, param):
    """The sum of squares or cubes, unscaled: it may overflow, or lose small numbers.

    NaN where an element is NaN, which a floor would hide, or infinite, or for another power.
    """
    total, odd = floor * 0, floor * 0
    if kind == POWER and param == 3:
        for i in range(row.size):
            value = wide(row[i])
            size = _floored(value, floor)
            total += size * size * size
            odd += value * 0
    elif kind == POWER and param == 2:
        for i in range(row.size):
            value = wide(row[i])
            size = _floored(value, floor)
            total += size * size
            odd += value * 0
    elif kind != POWER and param == 3:
        for i in range(row.size):
            size = abs(wide(row[i]))
            total += size * size * size
    elif kind != POWER and param == 2:
        for i in range(row.size):
            total += wide(row[i]) * wide(row[i])
    else:
        odd += np.nan
    return total + odd


@compiled
def _scaled_power_sum(row, floor, kind, param):
    """The sum of the powers of what is divided by the largest element, and that element."""
    zero = floor * 0
    peak, total, odd = floor, zero, 0
    for i in range(row.size):
        value = wide(row[i])
        peak = larger(peak, value if kind == POWER else abs(value))
        odd |= value != value
    if odd or not peak < np.inf:
        return zero + 1, zero + (np.nan if odd else np.inf)
    if peak > 0:
        scale = 1 / peak
        for i in range(row.size):
            value = wide(row[i])
            size = _floored(value, floor) if kind == POWER else abs(value)
            total += raised(scale * size, param)
    return total, peak


@inlined
def _count(kind, real, row, length):
    """What the sum of powers of a row is divided by."""
    if kind == LP:
        return 1.0
    return max(real[row], 1.0) if real.size else float(length)


@inlined
def _mean_powers(rows, sums, peaks, formula, floor, real, low):
    """Of each row the mean of the powers, and the number they are scaled by."""
    for r in range(rows.shape[0]):
        total, peak = _power_sum(rows[r], floor, formula.kind, formula.param), floor * 0 + 1
        if not LEAST < total < MOST:
            total, peak = _scaled_power_sum(rows[r], floor, formula.kind, formula.param)
        count = _count(formula.kind, real, low + r, rows.shape[1])
        sums[r], peaks[r] = total / sums.dtype.type(count), peak


@threaded
def whole_power(part, parts, x, y, formula, real, block):
    """The norm or generalised mean of each row, (rows, n) -> (rows,); p is not below SMALL."""
    formula = Formula(*formula)
    kind, param, eps, _ = formula
    zero = eps * 0
    floor = eps if kind == POWER else zero
    sums, peaks = np.full(block, zero), np.full(block, zero)
    for task in part_of((x.shape[0] + block - 1) // block, part, parts):
        low = task * block
        high = min(low + block, x.shape[0])
        _mean_powers(x[low:high], sums, peaks, formula, floor, real, low)
        for r in range(low, high):
            y[r] = narrow(peaks[r - low] * raised(sums[r - low], 1 / param), y)


@inlined
def _power_slopes(row, out, common, scale, eps, kind, param):
    """``common`` times the derivative of each scaled element's power, over ``param``."""
    zero = eps * 0
    for i in range(out.size):
        value = wide(row[i])
        share = scale * (larger(value, eps) if kind == POWER else abs(value))
        if param == 3:
            slope = common * share * share
        elif param == 2:
            slope = common * share
        else:
            slope = common * raised(share, param - 1)
        if kind == POWER:
            slope = zero if value < eps else slope
        else:
            slope = -slope if value < zero else (zero if value == zero else slope)
        out[i] = narrow(slope, out)


@threaded
def whole_power_backward(part, parts, x, grad, dx, formula, real, block):
    """The gradient of :func:`whole_power` in x."""
    formula = Formula(*formula)
    kind, param, eps, absent = formula
    zero = eps * 0
    floor = eps if kind == POWER else zero
    sums, peaks = np.full(block, zero), np.full(block, zero)
    for task in part_of((x.shape[0] + block - 1) // block, part, parts):
        low = task * block
        high = min(low + block, x.shape[0])
        _mean_powers(x[low:high], sums, peaks, formula, floor, real, low)
        for r in range(low, high):
            count = zero + _count(kind, real, r, x.shape[1])
            sums[r - low] = wide(grad[r]) * raised(sums[r - low], 1 / param - 1) / count
        for r in range(low, high):
            common, peak, out = sums[r - low], peaks[r - low], dx[r]
            if not zero < peak < np.inf:
                for i in range(out.size):
                    none = peak == zero or wide(x[r, i]) == absent
                    out[i] = narrow(zero if none else zero + np.nan, dx)
            elif param == 3:
                _power_slopes(x[r], out, common, 1 / peak, eps, kind, 3)
            elif param == 2:
                _power_slopes(x[r], out, common, 1 / peak, eps, kind, 2)
            else:
                _power_slopes(x[r], out, common, 1 / peak, eps, kind, param)


@threaded
def whole_formula_backward(part, parts, x, grad, dx, formula, real, block):
    """The gradient of :func:`whole_formula` in x."""
    formula = Formula(*formula)
    for task in part_of((x.shape[0] + block - 1) // block, part, parts):
        low, high = task * block, min(task * block + block, x.shape[0])
        raw, sums, line, n = _side_by_side(x[low:high], real[low:high], formula.absent)
        buffer, g = np.empty_like(raw), np.empty_like(line)
        change(raw, buffer, formula)
        add_up(buffer, sums, formula)
        results(sums, n, formula, line)
        for i in range(high - low):
            g[i] = wide(grad[low + i])
        gradients(raw, sums, line, g, n, formula)
        for i in range(high - low):
            out = dx[low + i]
            for j in range(out.size):
                out[j] = narrow(raw[j, i], dx)


@compiled
def _side_by_side(rows, real, like):
    """Rows as columns; room for their sums and for a line more; how many elements they have."""
    buffer = np.full((rows.shape[1], rows.shape[0]), like)
    for i in range(rows.shape[0]):
        row = rows[i]
        for j in range(row.size):
            buffer[j, i] = wide(row[j])
    lines = np.full((5, rows.shape[0]), like)
    for i in range(rows.shape[0]):
        lines[4, i] = real[i] if real.size else rows.shape[1]
    return buffer, Sums(lines[0], lines[1], lines[2]), lines[3], lines[4]
