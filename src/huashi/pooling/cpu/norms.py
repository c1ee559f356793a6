"""The norm of each window for p = 1 and p = 2, by folding, and its gradient."""

import torch
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.cpu.averages import average_backward, gathered
from huashi.pooling.cpu.extrema import extremum
from huashi.pooling.cpu.fold import NO_DIVISORS, divisors_of, folded
from huashi.pooling.cpu.fold_elements import ABS, DIVIDE, ROOT, SQUARE, SUM
from huashi.pooling.cpu.means import formula, formula_backward
from huashi.pooling.cpu.planning import can_gather
from huashi.pooling.dimensions import memory_format_of


def norm(x: Tensor, axes: tuple[Axis, ...], p: int, mean: bool) -> Tensor:
    """The lp pool for p = 1 and p = 2; sums of squares out of range are computed again, scaled."""
    change = {1: ABS, 2: SQUARE}[p]
    finish = (ROOT if p == 2 else 0) | (DIVIDE if mean else 0)
    divisors = divisors_of(axes, False, None) if mean else NO_DIVISORS
    y = folded(x, axes, SUM, change=change, finish=finish, divisors=divisors)
    if p == 2 and x.dtype != torch.float16 and y.numel():
        least, most = (float(limit) for limit in y.aminmax())
        if not (least >= 1e-15 and most <= 1e15):  # zero, NaN or infinity may still be right
            odd = (y < 1e-15) | (y > 1e15)
            if (extremum(x.abs(), axes, 1)[odd] != 0).any():
                return torch.where(odd, formula(x, axes, "lp_mean" if mean else "lp", 2.0, 0.0), y)
    return y


def norm_backward(
    grad: Tensor, x: Tensor, y: Tensor, axes: tuple[Axis, ...], p: int, mean: bool
) -> Tensor:
    """``sign(x) |x|^(p-1) y^(1-p)`` times the gradient, over the windows that hold each element."""
    memory, divisor = memory_format_of(x, len(axes)), None if mean else 1
    if p == 1:
        dx = average_backward(grad, axes, False, divisor) * x.sign()
        return dx.contiguous(memory_format=memory)
    if ((y > 0) & (y < 1e-25)).any():  # dividing by these might overflow
        return formula_backward(grad, x, axes, "lp_mean" if mean else "lp", 2.0, 0.0)
    share = torch.where(y == 0, 0, grad.to(torch.promote_types(grad.dtype, torch.float32)) / y)
    if divisor == 1 and can_gather(axes, 1) and share.dtype == x.dtype:
        return gathered(share, x, axes)
    dx = (average_backward(share, axes, False, divisor) * x).to(grad.dtype)
    return dx.contiguous(memory_format=memory)
