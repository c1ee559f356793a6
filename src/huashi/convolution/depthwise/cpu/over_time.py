"""Filters over time on the CPU, all channels of a frame side by side in vector lanes.

For n frames of c channels and k taps there are 2 n c k operations, less those of taps that fall
outside of a sentence, on 4 (2 n c + k c) bytes: a frame of the result stays in the first cache
while its taps are summed, and zeros around a sentence are neither written nor read.
"""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.memory import empty
from huashi._kernel.numba import part_of, threaded


def convolve(x: Tensor, weight: Tensor, dilation: int, left: int, time: int) -> Tensor:
    """Frames (batch, time, channels) by filters (taps, channels), ``left`` zeros before them."""
    y = empty((x.shape[0], time, x.shape[2]), x.dtype).zero_()
    frames, filters = array_of(x.contiguous()), array_of(weight.contiguous())
    _convolve(array_of(y), frames, filters, dilation, left)
    return y


def gradients(
    grad: Tensor, x: Tensor, weight: Tensor, dilation: int, left: int
) -> tuple[Tensor, Tensor]:
    """Those of :func:`convolve` in x, (batch, time, channels), and weight, (taps, channels).

    That of x is a convolution again, of ``grad`` by the filters in reverse.
    """
    taps = len(weight)
    of_x = convolve(grad, weight.flip(0), dilation, (taps - 1) * dilation - left, x.shape[1])
    sums = x.new_zeros(torch.get_num_threads(), taps, x.shape[2])  # each thread has its own
    grads, frames = array_of(grad.contiguous()), array_of(x.contiguous())
    _sum_over_frames(grads, frames, array_of(sums), dilation, left)
    return of_x, sums.sum(0)


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
def _sum_over_frames(
    part: Any, parts: Any, grad: Any, x: Any, sums: Any, dilation: Any, left: Any
) -> None:
    """The gradient of the filters, as far as the rows of this part make it."""
    mine = sums[part]
    for row in part_of(len(x), part, parts):
        for frame in range(grad.shape[1]):
            for tap in range(len(mine)):
                seen = frame + tap * dilation - left
                if 0 <= seen < x.shape[1]:
                    for channel in range(x.shape[2]):
                        mine[tap, channel] += grad[row, frame, channel] * x[row, seen, channel]
