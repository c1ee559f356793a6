"""Arithmetic over the channels of four neighbours, in a kernel: side by side in memory and lanes.

The arrays are flat; a neighbour is given by where its first channel lies. In float32 sixteen
channels are one value (:mod:`huashi._kernel.lanes`), and sums stay in registers.
"""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

from typing import Any

import numpy as np
from numba.core import types as machine
from numba.extending import overload

from huashi._kernel.lanes import WIDTH, load, multiply_add, spread, store, total
from huashi._kernel.numba import inlined


def blend(
    columns: Any, at: Any, image: Any, corners: Any, shares: Any, size: Any, more: Any
) -> Any:
    """In a kernel: write the sum of four corners, each times its share, to ``columns`` at ``at``.

    With ``more`` it is added to what is there.
    """
    raise NotImplementedError("only for kernels")


def spill(
    grads: Any,
    columns: Any,
    at: Any,
    image: Any,
    spilled: Any,
    shift: Any,
    corners: Any,
    shares: Any,
    size: Any,
    more: Any,
) -> Any:
    """In a kernel: :func:`blend`, and give each corner its share of the gradients at ``at``.

    They are added to ``spilled``, ``shift`` further on than the corners lie in ``image``.

    Returns:
        The products of the gradients with the four corners.
    """
    raise NotImplementedError("only for kernels")


@overload(blend)
def _blend(columns, at, image, corners, shares, size, more):
    return _blend_lanes if columns.dtype == machine.float32 else _blend_numbers


@overload(spill)
def _spill(grads, columns, at, image, spilled, shift, corners, shares, size, more):
    return _spill_lanes if columns.dtype == machine.float32 else _spill_numbers


def _blend_lanes(columns, at, image, corners, shares, size, more):
    a, b, c, d = corners
    u, v, w, z = spread(shares[0]), spread(shares[1]), spread(shares[2]), spread(shares[3])
    whole = size // WIDTH * WIDTH
    for i in range(0, whole, WIDTH):
        seen = load(columns, at + i) if more else spread(np.float32(0))
        seen = multiply_add(u, load(image, a + i), seen)
        seen = multiply_add(v, load(image, b + i), seen)
        seen = multiply_add(w, load(image, c + i), seen)
        store(columns, at + i, multiply_add(z, load(image, d + i), seen))
    for i in range(whole, size):
        there = columns[at + i] if more else np.float32(0)
        low = shares[0] * image[a + i] + shares[1] * image[b + i]
        columns[at + i] = there + low + (shares[2] * image[c + i] + shares[3] * image[d + i])


def _blend_numbers(columns, at, image, corners, shares, size, more):
    a, b, c, d = corners
    for i in range(size):
        there = columns[at + i] if more else 0.0
        low = shares[0] * image[a + i] + shares[1] * image[b + i]
        columns[at + i] = there + low + (shares[2] * image[c + i] + shares[3] * image[d + i])


def _spill_lanes(grads, columns, at, image, spilled, shift, corners, shares, size, more):
    a, b, c, d = corners
    u, v, w, z = spread(shares[0]), spread(shares[1]), spread(shares[2]), spread(shares[3])
    p = q = r = s = spread(np.float32(0))
    whole = size // WIDTH * WIDTH
    for i in range(0, whole, WIDTH):
        grad = load(grads, at + i)
        seen = load(columns, at + i) if more else spread(np.float32(0))
        one = load(image, a + i)
        p, seen = multiply_add(grad, one, p), multiply_add(u, one, seen)
        store(spilled, shift + a + i, multiply_add(u, grad, load(spilled, shift + a + i)))
        one = load(image, b + i)
        q, seen = multiply_add(grad, one, q), multiply_add(v, one, seen)
        store(spilled, shift + b + i, multiply_add(v, grad, load(spilled, shift + b + i)))
        one = load(image, c + i)
        r, seen = multiply_add(grad, one, r), multiply_add(w, one, seen)
        store(spilled, shift + c + i, multiply_add(w, grad, load(spilled, shift + c + i)))
        one = load(image, d + i)
        s, seen = multiply_add(grad, one, s), multiply_add(z, one, seen)
        store(spilled, shift + d + i, multiply_add(z, grad, load(spilled, shift + d + i)))
        store(columns, at + i, seen)
    dots = total(p), total(q), total(r), total(s)
    rest = _spill_rest(
        grads, columns, at, image, spilled, shift, corners, shares, whole, size, more
    )
    return dots[0] + rest[0], dots[1] + rest[1], dots[2] + rest[2], dots[3] + rest[3]


def _spill_numbers(grads, columns, at, image, spilled, shift, corners, shares, size, more):
    return _spill_rest(grads, columns, at, image, spilled, shift, corners, shares, 0, size, more)


@inlined
def _spill_rest(grads, columns, at, image, spilled, shift, corners, shares, first, size, more):
    a, b, c, d = corners
    p = q = r = s = grads.dtype.type(0)
    for i in range(first, size):
        grad = grads[at + i]
        there = columns[at + i] if more else grads.dtype.type(0)
        low = shares[0] * image[a + i] + shares[1] * image[b + i]
        columns[at + i] = there + low + (shares[2] * image[c + i] + shares[3] * image[d + i])
        p += grad * image[a + i]
        q += grad * image[b + i]
        r += grad * image[c + i]
        s += grad * image[d + i]
        spilled[shift + a + i] += shares[0] * grad
        spilled[shift + b + i] += shares[1] * grad
        spilled[shift + c + i] += shares[2] * grad
        spilled[shift + d + i] += shares[3] * grad
    return p, q, r, s
