"""Which elements a window holds, and which part of the input a task needs, for kernels in Numba."""

# ruff: noqa: ANN001, ANN201  (Numba infers the types of a kernel)

from huashi._kernel.bfloat16 import narrow, wide
from huashi._kernel.numba import compiled, inlined

LENGTH, KERNEL, STRIDE, BEFORE, AFTER, DILATION, WINDOWS = range(7)  # the fields of an Axis


@inlined
def every(row, out, stride, unit):
    """Store each ``stride``-th element, of ``unit`` numbers."""
    if unit > 1:
        for o in range(out.size // unit):
            source, target = row[o * stride * unit :], out[o * unit : (o + 1) * unit]
            for i in range(unit):
                target[i] = narrow(wide(source[i]), out)
    elif stride == 1:
        for i in range(out.size):
            out[i] = narrow(wide(row[i]), out)
    elif stride == 2:  # known to the compiler, so that it runs in vector lanes
        for i in range(out.size):
            out[i] = narrow(wide(row[2 * i]), out)
    else:
        for i in range(out.size):
            out[i] = narrow(wide(row[stride * i]), out)


@compiled
def span(axis, spread, n):
    """Which elements of a row fall into a scratch of ``n``, and where the first of them does."""
    first = max(0, -(axis[BEFORE] // spread))  # before < 0 leaves out what comes earlier
    last = min((axis[LENGTH] - 1) // spread + 1, (n - axis[BEFORE] + spread - 1) // spread)
    return first, max(first, last), axis[BEFORE] + first * spread


@compiled
def source(place, length, spread):
    """Which row of the input lies at ``place`` of the padded, spread one; -1 for none."""
    if place < 0 or place >= length:
        return -1
    if spread == 1:  # most often, and a division takes as long as copying a row
        return place
    return place // spread if place % spread == 0 else -1


@inlined
def piece(task, y, axes, band):
    """Which windows a task computes, and the part of the input that they need."""
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    bands_b = (y.shape[2] + band[1] - 1) // band[1]
    p, t = task // (bands_a * bands_b), task % (bands_a * bands_b)
    first_a, first_b = t // bands_b * band[0], t % bands_b * band[1]
    count_a, count_b = min(band[0], y.shape[1] - first_a), min(band[1], y.shape[2] - first_b)
    corner_a = first_a * axes[0, STRIDE] - axes[0, BEFORE]
    corner_b = first_b * axes[1, STRIDE] - axes[1, BEFORE]
    return p, (first_a, first_b), (count_a, count_b), (corner_a, corner_b)


@compiled
def rows(axis, windows):
    """How many elements along an axis so many windows reach over."""
    return (windows - 1) * axis[STRIDE] + axis[DILATION] * (axis[KERNEL] - 1) + 1


@compiled
def pieces(y, band):
    """Into how many bands of windows the work is cut."""
    bands_a = (y.shape[1] + band[0] - 1) // band[0]
    return y.shape[0] * bands_a * ((y.shape[2] + band[1] - 1) // band[1])


@inlined
def place(axis, j, size):
    """The windows whose j-th element is real, from the first to before the last; where it is."""
    offset = j * axis[DILATION] - axis[BEFORE]
    first = max(0, -(offset // axis[STRIDE]))
    last = max(first, min(size, (axis[LENGTH] - 1 - offset) // axis[STRIDE] + 1))
    return first, last, first * axis[STRIDE] + offset
