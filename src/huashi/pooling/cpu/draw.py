"""An element of each window drawn by its share of the weights, in Numba."""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.bfloat16 import narrow
from huashi._kernel.mathematics import exponential
from huashi._kernel.numba import compiled, part_of, threaded
from huashi._windows import Axis
from huashi.pooling.cpu.planning import _array, _empty, _readable, _table
from huashi.pooling.cpu.window_means import _gather
from huashi.pooling.cpu.windows import (
    KERNEL,
)
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.offsets import nowhere, offset_dtype


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> tuple[Tensor, Tensor]:
    """An element of each window, drawn by ``point`` in [0, 1), and where in it that lies."""
    dims = len(axes)
    source, last = _readable(x, dims)
    lengths = [axis.windows for axis in axes]
    y = _empty(source, lengths, last, source.dtype)
    offsets = _empty(source, lengths, last, offset_dtype(axes))
    memory = memory_format_of(source, dims)
    point = point.detach().to(torch.float32).contiguous(memory_format=memory)
    softmax = weights == "softmax"
    number = np.float64 if source.dtype == torch.float64 else np.float32
    _draw(
        _array(source, dims, last),
        _array(y, dims, last),
        _array(offsets, dims, last),
        _array(point, dims, last),
        _table(axes),
        source.shape[1] if last else 1,
        softmax,
        number(-np.inf if softmax else 0),
        nowhere(offsets.dtype),
    )
    return y.to(x.dtype), offsets


@threaded
def _draw(part, parts, x, y, offsets, point, axes, unit, softmax, absent, nowhere):
    """Draw an element of each window with its share of the weights."""
    k = axes[0, KERNEL] * axes[1, KERNEL] * axes[2, KERNEL]
    rows = y.shape[1] * y.shape[2]
    tasks, lanes = y.shape[0] * rows, y.shape[3]
    buffer, share = np.full((k, lanes), absent), np.full((k, lanes), absent)
    line, at = np.full(lanes, absent), np.full(lanes, nowhere)
    for task in part_of(tasks, part, parts):
        p, a, b = task // rows, task % rows // y.shape[2], task % y.shape[2]
        _gather(x, buffer, p, a, b, axes, unit, absent)
        _shares(buffer, share, line, softmax)
        _search(share, point[p, a, b], line, at, nowhere)
        found, out = offsets[p, a, b], y[p, a, b]
        for i in range(lanes):
            found[i] = at[i]
            out[i] = narrow(buffer[at[i], i] if at[i] != nowhere else line[i] * 0, out)


@compiled
def _shares(buffer, share, peak, softmax):
    """The weight of each element, (K, lanes), largest 1 with softmax."""
    peak[:] = buffer[0]
    for j in range(1, buffer.shape[0]):
        for i in range(peak.size):
            peak[i] = max(peak[i], buffer[j, i])
    for j in range(buffer.shape[0]):
        for i in range(peak.size):
            x = buffer[j, i]
            if softmax:
                share[j, i] = exponential(x - peak[i]) if peak[i] != -np.inf else 0
            else:
                share[j, i] = max(x, x * 0)


@compiled
def _search(share, point, line, at, nowhere):
    """The first element whose cumulated share ends beyond the point, of those with a share.

    There is none where the total is 0, NaN or infinite; ``line`` tells which.
    """
    total = line
    total[:] = 0
    for j in range(share.shape[0]):
        for i in range(total.size):
            total[i] += share[j, i]
            share[j, i] = total[i] if share[j, i] > 0 else -1
    at[:] = nowhere
    for j in range(share.shape[0] - 1, -1, -1):
        for i in range(total.size):
            at[i] = j if share[j, i] > point[i] * total[i] else at[i]
