"""Norms, means and softmaxes of windows in Numba: the elements of a row of windows side by side.

For each row of results the K elements of its windows are gathered into K rows of a scratch, which
then are folded twice, for the largest and for the sums, in vector lanes. An exponential or a power
takes about 20 operations, so that these pools are bound by arithmetic where windows overlap, and by
the memory where they do not. What a mask leaves out comes marked as what lies outside the input is,
and with it the number of real elements of each window: 4 bytes for each result.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi.pooling.cpu.fold_elements import Factors
from huashi.pooling.cpu.formulas import Formula, Sums, add_up, change, gradients, results, slopes
from huashi.pooling.cpu.windows import Windows, every, place


@inlined
def gather_row(plane, buffer, a, b, windows, absent):
    """The elements of a row of windows, (K, lanes)."""
    axes, unit = windows.axes, windows.unit
    j, size = 0, buffer.shape[1] // unit
    for ja in range(axes[0].kernel):
        top = a * axes[0].stride - axes[0].before + ja * axes[0].dilation
        for jb in range(axes[1].kernel):
            left = b * axes[1].stride - axes[1].before + jb * axes[1].dilation
            inside = 0 <= top < axes[0].length and 0 <= left < axes[1].length
            for jw in range(axes[2].kernel):
                lane = buffer[j]
                first, last, start = place(axes[2], jw, size)
                if not inside or last == first:
                    lane[:] = absent
                else:
                    lane[: first * unit] = absent
                    lane[last * unit :] = absent
                    real = lane[first * unit : last * unit]
                    every(plane[top, left][start * unit :], real, axes[2].stride, unit)
                j += 1


@inlined
def count_row(counts, real, p, a, b, unit, n):
    """How many elements each window of a row has: by ``real`` if it has rows, else by Factors."""
    if real.shape[0]:
        row = real[p, a, b]
        for i in range(n.size):
            n[i] = row[i]
    else:
        count = counts.rows[a, b]
        for i in range(n.size):
            n[i] = count * counts.along[i // unit]


@threaded
def pool(part, parts, x, y, windows, formula, counts, real, slope):
    """(planes, A, B, W * unit) -> (planes, windows of A, of B, of W * unit).

    ``slope`` asks for the derivative in the parameter instead. How many elements the windows
    really have, ``counts`` says as Factors, or with a mask ``real`` for each of them.
    """
    windows, formula, counts = Windows(*windows), Formula(*formula), Factors(*counts)
    axes, unit, absent = windows.axes, windows.unit, formula.absent
    k = axes[0].kernel * axes[1].kernel * axes[2].kernel
    rows = y.shape[1] * y.shape[2]
    tasks = y.shape[0] * rows
    buffer = np.full((k, y.shape[3]), absent)
    scale, first = np.full(y.shape[3], absent), np.full(y.shape[3], absent)
    sums, line = Sums(scale, first, np.empty_like(scale)), np.empty_like(scale)
    n = np.empty_like(scale)
    for task in part_of(tasks, part, parts):
        p, a, b = task // rows, task % rows // y.shape[2], task % y.shape[2]
        gather_row(x[p], buffer, a, b, windows, absent)
        change(buffer, buffer, formula)
        add_up(buffer, sums, formula)
        count_row(counts, real, p, a, b, unit, n)
        results(sums, n, formula, line)
        if slope:
            slopes(buffer, sums, n, formula, line)
        out = y[p, a, b]
        for i in range(out.size):
            out[i] = narrow(line[i], out)


@threaded
def pool_backward(part, parts, x, grad, dx, windows, formula, counts, real, band):
    """The gradient of :func:`pool` in x; a task owns ``band`` rows of ``dx``."""
    windows, formula, counts = Windows(*windows), Formula(*formula), Factors(*counts)
    axes, unit, absent = windows.axes, windows.unit, formula.absent
    k = axes[0].kernel * axes[1].kernel * axes[2].kernel
    bands = (dx.shape[1] + band - 1) // band
    tasks, length = dx.shape[0] * bands, dx.shape[2] * dx.shape[3]
    reach = axes[0].dilation * (axes[0].kernel - 1)
    lanes = grad.shape[3]
    scratch = np.full(band * length, absent)
    raw, buffer = np.full((k, lanes), absent), np.full((k, lanes), absent)
    scale, first = np.full(lanes, absent), np.full(lanes, absent)
    sums, line = Sums(scale, first, np.empty_like(scale)), np.empty_like(scale)
    g, n = np.empty_like(scale), np.empty_like(scale)
    for task in part_of(tasks, part, parts):
        p, low = task // bands, task % bands * band
        high = min(low + band, dx.shape[1])
        mine = scratch[: (high - low) * length]
        for i in range(mine.size):
            mine[i] = 0
        for a in range(grad.shape[1]):
            top = a * axes[0].stride - axes[0].before
            if top >= high or top + reach < low:
                continue
            for b in range(grad.shape[2]):
                left = b * axes[1].stride - axes[1].before
                gather_row(x[p], raw, a, b, windows, absent)
                change(raw, buffer, formula)
                add_up(buffer, sums, formula)
                count_row(counts, real, p, a, b, unit, n)
                results(sums, n, formula, line)
                row = grad[p, a, b]
                for i in range(lanes):
                    g[i] = wide(row[i])
                gradients(raw, sums, line, g, n, formula)
                _return(raw, mine, top - low, left, windows, dx.shape[3], length)
        out = dx[p, low:high].reshape(mine.size)
        for i in range(mine.size):
            out[i] = narrow(mine[i], dx)


@compiled
def _return(buffer, mine, top, left, windows, width, length):
    """Add (K, lanes) to the elements they came from, as far as these are ``mine``."""
    axes, unit = windows.axes, windows.unit
    j, size, step = 0, buffer.shape[1] // unit, axes[2].stride * unit
    for ja in range(axes[0].kernel):
        a = top + ja * axes[0].dilation
        for jb in range(axes[1].kernel):
            b = left + jb * axes[1].dilation
            inside = 0 <= a * length < mine.size and 0 <= b < axes[1].length
            for jw in range(axes[2].kernel):
                first, last, start = place(axes[2], jw, size)
                if inside:
                    target = mine[a * length + b * width + start * unit :]
                    for o in range(last - first):
                        source = buffer[j][(first + o) * unit : (first + o + 1) * unit]
                        for c in range(unit):
                            target[o * step + c] += source[c]
                j += 1
