"""An element of each window drawn by its share of the weights, in Numba."""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.bfloat16 import narrow
from huashi._kernel.mathematics import exponential
from huashi._kernel.numba import compiled, part_of, threaded
from huashi._windows import Axis
from huashi.pooling.cpu.planning import as_planes, as_source, new_tensor, windows_of
from huashi.pooling.cpu.window_means import gather_row
from huashi.pooling.cpu.windows import Windows
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.offsets import nowhere, offset_dtype


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> tuple[Tensor, Tensor]:
    """An element of each window, drawn by ``point`` in [0, 1), and where in it that lies."""
    dims = len(axes)
    source, last, unit = as_source(x, dims)
    lengths = [axis.windows for axis in axes]
    y = new_tensor(source, lengths, last, source.dtype)
    offsets = new_tensor(source, lengths, last, offset_dtype(axes))
    memory = memory_format_of(source, dims)
    point = point.detach().to(torch.float32).contiguous(memory_format=memory)
    arrays = (as_planes(t, dims, last) for t in (source, y, offsets, point))
    softmax = weights == "softmax"
    number = np.float64 if source.dtype == torch.float64 else np.float32
    absent = number(-np.inf if softmax else 0)
    _draw(*arrays, windows_of(axes, unit), softmax, absent, nowhere(offsets.dtype))
    return y.to(x.dtype), offsets


@threaded
def _draw(part, parts, x, y, offsets, point, windows, softmax, absent, nowhere):
    """Draw an element of each window with its share of the weights."""
    windows = Windows(*windows)
    axes, lanes = windows.axes, y.shape[3]
    k = axes[0].kernel * axes[1].kernel * axes[2].kernel
    rows = y.shape[1] * y.shape[2]
    tasks = y.shape[0] * rows
    buffer, share = np.full((k, lanes), absent), np.full((k, lanes), absent)
    line, at = np.full(lanes, absent), np.full(lanes, nowhere)
    for task in part_of(tasks, part, parts):
        p, a, b = task // rows, task % rows // y.shape[2], task % y.shape[2]
        gather_row(x[p], buffer, a, b, windows, absent)
        _shares(buffer, share, line, softmax)
        _search(share, point[p, a, b], line, at, nowhere)
        found, out = offsets[p, a, b], y[p, a, b]
        for i in range(lanes):
            found[i] = at[i]
            out[i] = narrow(buffer[at[i], i] if at[i] != nowhere else line[i] * 0, out)


@compiled
def _shares(buffer, share, peak, softmax):
    """The weight of each element, (K, lanes); with softmax scaled so that the largest is 1."""
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

    There is none where the total, which ``line`` keeps, is 0, NaN or infinite.
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
