"""The average of each window, and its gradient."""

import math

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import gather
from huashi.pooling.cpu.fold import _counts, _folded
from huashi.pooling.cpu.fold_elements import DIVIDE, SUM
from huashi.pooling.cpu.planning import (
    _array,
    _can_gather,
    _empty,
    _identity,
    _readable,
    _table,
    _three,
    _transposed,
)
from huashi.pooling.dimensions import memory_format_of


def average(
    x: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The sum of each window over its divisor."""
    counts = _counts(axes, count_include_pad, divisor_override)
    return _folded(x, axes, SUM, finish=DIVIDE, counts=counts)


def average_backward(
    grad: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> Tensor:
    """The gradients over the divisors, summed over the windows that hold each element."""
    counts = _counts(axes, count_include_pad, divisor_override)
    if is_whole(axes):
        share = grad / math.prod(float(count[0]) for count in counts)
        memory = memory_format_of(grad, len(axes))
        dx = _empty(
            grad, [axis.length for axis in axes], memory != torch.contiguous_format, grad.dtype
        )
        return dx.copy_(share)
    constant = all(np.ptp(count) == 0 for count in counts)
    if not constant:
        share = torch.ones((), dtype=torch.promote_types(grad.dtype, torch.float32))
        for count in counts[3 - len(axes) :] if len(axes) != 2 else counts[::2]:
            share = share[..., None] * torch.from_numpy(count).to(share.dtype)
        grad = (grad / share).to(grad.dtype)
    divisor = math.prod(float(count[0]) for count in counts) if constant else 1.0
    if max(axis.stride for axis in axes) > 1 and _can_gather(axes, 1):
        return _gathered(grad / divisor, None, axes)
    back = tuple(_transposed(axis) for axis in axes)
    spread = tuple(axis.stride for axis in _three(axes))
    counts = tuple(np.ones(axis.windows) for axis in _three(back))
    counts[0][:] = divisor
    return _folded(grad, back, SUM, spread=spread, finish=DIVIDE, counts=counts)


def _gathered(grad: Tensor, x: Tensor | None, axes: tuple[Axis, ...]) -> Tensor:
    """The sum of the gradients of all windows that hold an element, times the element if given."""
    dims = len(axes)
    source, last = _readable(grad, dims)
    dx = _empty(source, [axis.length for axis in axes], last, source.dtype)
    unit = dx.shape[1] if last else 1
    factor = dx if x is None else x.contiguous(memory_format=memory_format_of(source, dims))
    arrays = (_array(t, dims, last) for t in (source, factor, dx))
    three, zero = _table(axes), _identity(source.dtype, SUM)
    gather.gather_all(*arrays, three, unit, zero, x is not None)
    return dx.to(grad.dtype)
