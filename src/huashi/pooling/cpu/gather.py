"""The gradient of a pool gathered by the elements of the input, in Numba.

Each row of the input adds up what the windows over it give to it: of an extremum, only
those that picked there, which a comparison of one byte tells. For each element of a window that is
a loop in vector lanes, in a fixed order. Where windows are large, or a row has few of them,
`scatter.py` is faster.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import compiled, inlined, part_of, threaded
from huashi.pooling.cpu.windows import Windows


@compiled
def _window_at(begin, stride, windows):
    """Which window along an axis begins at ``start``, padding included; -1 for none."""
    if begin < 0 or begin >= windows * stride:
        return -1
    window = begin // stride if stride > 1 else begin
    return window if window * stride == begin else -1


@threaded
def gather(part, parts, grad, offsets, dx, windows, zero):
    """Add up for each element of the input the gradients of the windows that picked it."""
    axes, unit = Windows(*windows)
    phases, spans = _phases(axes[2], grad.shape[3] // unit, unit, zero)
    for task in part_of(dx.shape[0] * dx.shape[1] * dx.shape[2], part, parts):
        row = task // dx.shape[2]
        p, ra, rb = row // dx.shape[1], row % dx.shape[1], task % dx.shape[2]
        phases[:] = zero
        for ja in range(axes[0].kernel):
            begin = ra + axes[0].before - ja * axes[0].dilation
            a = _window_at(begin, axes[0].stride, grad.shape[1])
            for jb in range(axes[1].kernel):
                begin = rb + axes[1].before - jb * axes[1].dilation
                b = _window_at(begin, axes[1].stride, grad.shape[2])
                if a >= 0 and b >= 0:
                    j = (ja * axes[1].kernel + jb) * axes[2].kernel
                    for jw in range(axes[2].kernel):
                        phase, start = spans[jw, 0], spans[jw, 1]
                        first, last = spans[jw, 2], spans[jw, 3]
                        target = phases[phase, start : start + last - first]
                        given, mark = grad[p, a, b, first:last], offsets[p, a, b, first:last]
                        this = mark.dtype.type(j + jw)
                        for i in range(target.size):
                            value = wide(given[i])  # always read: a branch prevents vector lanes
                            target[i] += value if mark[i] == this else zero
        _interleave(phases, dx[p, ra, rb], axes[2].stride, unit)


@threaded
def gather_all(part, parts, grad, x, dx, windows, zero, times):
    """Add up for each element of the input the gradients of all windows that hold it.

    ``times`` asks for the product with the element.
    """
    axes, unit = Windows(*windows)
    phases, spans = _phases(axes[2], grad.shape[3] // unit, unit, zero)
    for task in part_of(dx.shape[0] * dx.shape[1] * dx.shape[2], part, parts):
        row = task // dx.shape[2]
        p, ra, rb = row // dx.shape[1], row % dx.shape[1], task % dx.shape[2]
        phases[:] = zero
        for ja in range(axes[0].kernel):
            begin = ra + axes[0].before - ja * axes[0].dilation
            a = _window_at(begin, axes[0].stride, grad.shape[1])
            for jb in range(axes[1].kernel):
                begin = rb + axes[1].before - jb * axes[1].dilation
                b = _window_at(begin, axes[1].stride, grad.shape[2])
                if a >= 0 and b >= 0:
                    for jw in range(axes[2].kernel):
                        phase, start = spans[jw, 0], spans[jw, 1]
                        first, last = spans[jw, 2], spans[jw, 3]
                        target = phases[phase, start : start + last - first]
                        given = grad[p, a, b, first:last]
                        for i in range(target.size):
                            target[i] += wide(given[i])
        out = dx[p, ra, rb]
        _interleave(phases, out, axes[2].stride, unit)
        if times:
            factor = x[p, ra, rb]
            for i in range(out.size):
                out[i] = narrow(wide(out[i]) * wide(factor[i]), out)


@compiled
def _phases(axis, windows, unit, zero):
    """Room for a row of the input, one line for each phase of the stride.

    The elements that are the j-th of their windows lie side by side there. Returned for each j: the
    line, where in it the first window has that element, and which windows have it.
    """
    spans = np.empty((axis.kernel, 4), np.int64)
    for jw in range(axis.kernel):
        offset = jw * axis.dilation - axis.before
        shift, phase = offset // axis.stride, offset % axis.stride
        first = max(0, -shift)
        last = max(first, min(windows, (axis.length - 1 - offset) // axis.stride + 1))
        spans[jw] = phase, (first + shift) * unit, first * unit, last * unit
    size = (axis.length + axis.stride - 1) // axis.stride
    return np.full((axis.stride, size * unit), zero), spans


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
    elif unit == 1:
        for phase in range(stride):
            row = phases[phase]
            for o in range((out.size - phase + stride - 1) // stride):
                out[o * stride + phase] = narrow(row[o], out)
    else:
        for phase in range(stride):
            row = phases[phase]
            for o in range((out.size // unit - phase + stride - 1) // stride):
                at = (o * stride + phase) * unit
                for c in range(unit):
                    out[at + c] = narrow(row[o * unit + c], out)
