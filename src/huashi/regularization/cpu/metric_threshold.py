"""The proximal step of the norm of groups in a metric, in Numba: rows in parallel.

A row is read from memory once and written once; the other reads of the iteration come from the
cache. It takes two or three sweeps where the step is short, otherwise about six. In plain PyTorch
each sweep is five passes over all rows, and the slowest row says how many sweeps there are.
"""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.memory import empty_like
from huashi._kernel.numba import compiled, part_of, threaded
from huashi._kernel.select import larger, smaller


@compiled
def _norm_that_results(v, h, t, size, low):
    """The root r of ``sum((h v / (h r + t)) ** 2) = 1``, by Newton's iteration from ``size``.

    The iteration is on ``1 / sqrt(sum)``, which is concave in r: no step ends beyond the root. The
    first may end far before it, so r is never less than ``low``, a bound from below.
    """
    one, zero = v.dtype.type(1), v.dtype.type(0)
    enough = v.dtype.type(0.25) * v.dtype.type(np.sqrt(np.finfo(v.dtype).eps))
    r = size
    for _ in range(100):
        value, slope = zero, zero
        for i in range(v.size):
            inverse = one / (h[i] * r + t)
            part = h[i] * v[i] * inverse
            part = part * part
            value += part
            slope += part * h[i] * inverse
        further = value * (np.sqrt(value) - one) / slope
        r = larger(r + further, low)
        if not abs(further) > enough * r:  # its square is what the next step would be
            break
    return r


@threaded
def _metric_rows(part, parts, v, t, h, x, l1):
    zero, single = v.dtype.type(0), v.dtype.type(l1)
    for row in part_of(v.shape[0], part, parts):
        if single > zero:
            for i in range(v.shape[1]):
                cut = single / h[row, i]
                x[row, i] = v[row, i] - larger(smaller(v[row, i], cut), -cut)
        else:
            for i in range(v.shape[1]):
                x[row, i] = v[row, i]
        size, pull, top = zero, zero, zero
        for i in range(v.shape[1]):
            force = h[row, i] * x[row, i]
            size += x[row, i] * x[row, i]
            pull += force * force
            top = larger(top, h[row, i])
        pull = np.sqrt(pull)
        if pull <= t[row]:
            for i in range(v.shape[1]):
                x[row, i] = zero
        elif t[row] > zero:
            low = (pull - t[row]) / top
            r = _norm_that_results(x[row], h[row], t[row], np.sqrt(size), low)
            shift = t[row] / r
            for i in range(v.shape[1]):
                x[row, i] = h[row, i] * x[row, i] / (h[row, i] + shift)


def metric_block_soft_threshold(v: Tensor, t: Tensor, h: Tensor, l1: float) -> Tensor:
    """(groups, elements), (groups, 1), (groups, elements) -> (groups, elements)."""
    x = empty_like(v, memory_format=torch.contiguous_format)
    given = (array_of(y.contiguous()) for y in (v, t[:, 0], h))
    _metric_rows(*given, array_of(x), l1)
    return x
