"""Filters over time on the CPU, all features of a frame side by side in vector lanes.

For n frames of c features and k taps there are 2 n c k operations, less those of taps that fall
outside of a sentence, on 4 (2 n c + k c) bytes: a frame of the result stays in the first cache
while its taps are summed, and zeros around a sentence are neither written nor read.
"""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.numba import part_of, threaded


def convolve(x: Tensor, weight: Tensor, dilation: int, left: int, time: int) -> Tensor:
    """Frames (batch, time, channels) by filters (taps, channels), ``left`` zeros before them."""
    y = x.new_zeros(x.shape[0], time, x.shape[2])
    _convolve(array_of(y), array_of(x.contiguous()), array_of(weight.contiguous()), dilation, left)
    return y


def of_weight(grad: Tensor, x: Tensor, taps: int, dilation: int, left: int) -> Tensor:
    """The gradient of the filters, (taps, channels)."""
    parts = torch.get_num_threads()
    sums = x.new_zeros(parts, taps, x.shape[2])
    arrays = (array_of(part.contiguous()) for part in (grad, x))
    _of_weight(*arrays, array_of(sums), dilation, left)
    return sums.sum(0)


@threaded
def _convolve(part: Any, parts: Any, y: Any, x: Any, weight: Any, dilation: Any, left: Any) -> None:
    for row in part_of(len(x), part, parts):
        for frame in range(y.shape[1]):
            for tap in range(len(weight)):
                seen = frame + tap * dilation - left
                if 0 <= seen < x.shape[1]:
                    for channel in range(x.shape[2]):
                        y[row, frame, channel] += weight[tap, channel] * x[row, seen, channel]


@threaded
def _of_weight(
    part: Any, parts: Any, grad: Any, x: Any, sums: Any, dilation: Any, left: Any
) -> None:
    mine = sums[part]
    for row in part_of(len(x), part, parts):
        for frame in range(grad.shape[1]):
            for tap in range(len(mine)):
                seen = frame + tap * dilation - left
                if 0 <= seen < x.shape[1]:
                    for channel in range(x.shape[2]):
                        mine[tap, channel] += grad[row, frame, channel] * x[row, seen, channel]
