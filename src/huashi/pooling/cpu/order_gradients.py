"""Gradients of order statistics in Numba: what each window gives to the elements of its ranks.

As many numbers are read and written as results have ranks, at places that only their offsets tell:
the latency of memory is the limit, not its bandwidth.
"""

# ruff: noqa: ANN001, ANN201  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import part_of, threaded
from huashi.pooling.cpu.sorting_network import NOWHERE, Ranking
from huashi.pooling.cpu.windows import Windows


@threaded
def scatter(part, parts, grad, offsets, dx, windows, shifts, ranking, real, band, zero):
    """The shares of each gradient to the elements of its ranks; a task owns ``band`` rows of dx.

    ``shifts`` says how far from the first element of a window each of its offsets lies, ``real``
    with a mask how many elements of each window are real.
    """
    (axes, unit), ranking = Windows(*windows), Ranking(*ranking)
    shares, levels, counts, runs = ranking.shares, ranking.levels, ranking.counts, ranking.runs
    bands = (dx.shape[1] + band - 1) // band
    length, reach = dx.shape[2] * dx.shape[3], axes[0].dilation * (axes[0].kernel - 1)
    scratch = np.full(band * length, zero)
    for task in part_of(dx.shape[0] * bands, part, parts):
        p, low = task // bands, task % bands * band
        high = min(low + band, dx.shape[1])
        mine = scratch[: (high - low) * length]
        for i in range(mine.size):
            mine[i] = zero
        channel = p % shares.shape[2]
        for a in range(grad.shape[1]):
            top = a * axes[0].stride - axes[0].before
            if top >= high or top + reach < low:
                continue
            for b in range(grad.shape[2]):
                left = (b * axes[1].stride - axes[1].before) * dx.shape[3]
                start = (top - low) * length + left - axes[2].before * unit
                given = grad[p, a, b]
                for run in range(runs.shape[0]):
                    level = levels[counts[a, b] * runs[run, 2]]
                    for r in range(offsets.shape[0]):
                        found, weights = offsets[r, p, a, b], shares[level, r]
                        alone = weights.size == 1 or unit == 1
                        for o in range(runs[run, 0], runs[run, 1]):
                            for c in range(unit):
                                i = o * unit + c
                                j = found[i]
                                if j != NOWHERE:
                                    at = start + o * axes[2].stride * unit + c + shifts[j]
                                    if 0 <= at < mine.size:
                                        if real.shape[0]:
                                            weights = shares[levels[real[p, a, b, i]], r]
                                        weight = weights[channel if alone else c]
                                        mine[at] += weight * wide(given[i])
        out = dx[p, low:high].reshape(mine.size)
        for i in range(mine.size):
            out[i] = narrow(mine[i], dx)


@threaded
def slopes(part, parts, x, grad, offsets, out, windows, shifts, ranking, real):
    """What each share is worth: the gradients times the elements, (planes, levels, ranks, unit)."""
    (axes, unit), ranking = Windows(*windows), Ranking(*ranking)
    levels, counts, runs = ranking.levels, ranking.counts, ranking.runs
    for p in part_of(x.shape[0], part, parts):
        plane = x[p].reshape(x.shape[1] * x.shape[2] * x.shape[3])
        for a in range(grad.shape[1]):
            top = (a * axes[0].stride - axes[0].before) * x.shape[2]
            for b in range(grad.shape[2]):
                left = (top + b * axes[1].stride - axes[1].before) * x.shape[3]
                start, given = left - axes[2].before * unit, grad[p, a, b]
                for run in range(runs.shape[0]):
                    level = levels[counts[a, b] * runs[run, 2]]
                    for r in range(offsets.shape[0]):
                        found, total = offsets[r, p, a, b], out[p, level, r]
                        for o in range(runs[run, 0], runs[run, 1]):
                            for c in range(unit):
                                i = o * unit + c
                                j = found[i]
                                if j != NOWHERE:
                                    at = start + o * axes[2].stride * unit + c + shifts[j]
                                    if real.shape[0]:
                                        total = out[p, levels[real[p, a, b, i]], r]
                                    total[c] += wide(given[i]) * wide(plane[at])
