"""The gradient of an extremum to the elements that were picked, window by window, in Numba."""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import inlined, part_of, threaded
from huashi.pooling.cpu.windows import Windows


@threaded
def scatter(part, parts, grad, offsets, dx, windows, shifts, nowhere, band, zero):
    """Each gradient to the element its window picked; a task owns ``band`` rows of ``dx``.

    ``shifts`` says how far from the first element of a window each of its offsets lies.
    """
    windows = Windows(*windows)
    axes, unit = windows.axes, windows.unit
    bands = (dx.shape[1] + band - 1) // band
    length, reach = dx.shape[2] * dx.shape[3], axes[0].dilation * (axes[0].kernel - 1)
    scratch = np.full(band * length, zero)
    for task in part_of(dx.shape[0] * bands, part, parts):
        p, low = task // bands, task % bands * band
        high = min(low + band, dx.shape[1])
        mine = scratch[: (high - low) * length]
        for i in range(mine.size):
            mine[i] = zero
        for a in range(grad.shape[1]):
            top = a * axes[0].stride - axes[0].before
            if top >= high or top + reach < low:
                continue
            for b in range(grad.shape[2]):
                left = (b * axes[1].stride - axes[1].before) * dx.shape[3]
                start = (top - low) * length + left - axes[2].before * unit
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
                at = start + o * axis.stride * unit + c + shifts[j]
                if 0 <= at < mine.size:
                    mine[at] += wide(g[o * unit + c])
