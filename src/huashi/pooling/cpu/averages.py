"""The average of each window, and its gradient."""

import math

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import gather
from huashi.pooling.cpu.fold import divisors_of, folded
from huashi.pooling.cpu.fold_elements import DIVIDE, SUM
from huashi.pooling.cpu.planning import (
    as_planes,
    as_source,
    can_gather,
    identity_of,
    new_tensor,
    three_of,
    transposed,
    windows_of,
)
from huashi.pooling.dimensions import memory_format_of


def average(
    x: Tensor,
    axes: tuple[Axis, ...],
    count_include_pad: bool,
    divisor_override: int | None,
    wide: bool = False,
) -> Tensor:
    """The sum of each window over its divisor; ``wide``: in float32 or wider."""
    divisors = divisors_of(axes, count_include_pad, divisor_override)
    dtype = torch.promote_types(x.dtype, torch.float32) if wide else None
    return folded(x, axes, SUM, finish=DIVIDE, divisors=divisors, dtype=dtype)


def average_backward(
    grad: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The gradients over the divisors, summed over the windows that hold each element."""
    divisors = divisors_of(axes, count_include_pad, divisor_override)
    if is_whole(axes):
        share = grad / math.prod(float(each[0]) for each in divisors)
        memory = memory_format_of(grad, len(axes))
        dx = new_tensor(
            grad, [axis.length for axis in axes], memory != torch.contiguous_format, grad.dtype
        )
        return dx.copy_(share)
    constant = all(np.ptp(each) == 0 for each in divisors)
    dtype, wide = grad.dtype, torch.promote_types(grad.dtype, torch.float32)
    if not constant:
        share = torch.ones((), dtype=wide, device=grad.device)
        for each in divisors[3 - len(axes) :] if len(axes) != 2 else divisors[::2]:
            share = share[..., None] * torch.from_numpy(each).to(share.dtype)
        grad = grad / share
    divisor = math.prod(float(each[0]) for each in divisors) if constant else 1.0
    if max(axis.stride for axis in axes) > 1 and can_gather(axes, 1):
        return gathered(grad.to(wide) / divisor, None, axes).to(dtype)
    back = tuple(transposed(axis) for axis in axes)
    spread = tuple(axis.stride for axis in three_of(axes))
    divisors = tuple(np.ones(axis.windows) for axis in three_of(back))
    divisors[0][:] = divisor
    return folded(grad, back, SUM, spread=spread, finish=DIVIDE, divisors=divisors, dtype=dtype)


def gathered(grad: Tensor, x: Tensor | None, axes: tuple[Axis, ...]) -> Tensor:
    """The sum of the gradients of all windows that hold an element, times the element if given."""
    dims = len(axes)
    source, last, unit = as_source(grad, dims)
    dx = new_tensor(source, [axis.length for axis in axes], last, source.dtype)
    factor = dx if x is None else x.contiguous(memory_format=memory_format_of(source, dims))
    arrays = (as_planes(t, dims, last) for t in (source, factor, dx))
    zero = identity_of(source.dtype, SUM)
    gather.gather_all(*arrays, windows_of(axes, unit), zero, x is not None)
    return dx.to(grad.dtype)
