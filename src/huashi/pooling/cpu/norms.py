"""The norm of each window for p = 1 and p = 2, by folding, and its gradient."""

import torch
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.cpu.averages import average, average_backward, gathered
from huashi.pooling.cpu.extrema import extremum
from huashi.pooling.cpu.fold import NO_DIVISORS, divisors_of, folded
from huashi.pooling.cpu.fold_elements import ABS, DIVIDE, ROOT, SQUARE, SUM
from huashi.pooling.cpu.means import formula, formula_backward
from huashi.pooling.cpu.planning import as_source, can_gather
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.masks import counted, marked


def norm(
    x: Tensor, axes: tuple[Axis, ...], p: int, mean: bool, mask: Tensor | None = None
) -> Tensor:
    """The lp pool for p = 1 and p = 2; sums of squares out of range are computed again, scaled."""
    if mask is not None:
        y = norm(_without_absent(x, axes, mask), axes, p, False)
        if mean and y.isinf().any():  # the sum may overflow where the mean does not
            return formula(x, axes, "lp_mean", float(p), 0.0, mask)
        return (y / _count(mask, axes, y) ** (1 / p) if mean else y).to(x.dtype)
    change = {1: ABS, 2: SQUARE}[p]
    finish = (ROOT if p == 2 else 0) | (DIVIDE if mean else 0)
    divisors = divisors_of(axes, False, None) if mean else NO_DIVISORS
    y = folded(x, axes, SUM, change=change, finish=finish, divisors=divisors)
    if p == 1 and mean and x.dtype != torch.float16 and y.isinf().any():  # of the sum, perhaps
        return torch.where(y.isinf(), formula(x, axes, "lp_mean", 1.0, 0.0), y)
    if p == 2 and x.dtype != torch.float16 and y.numel():
        least, most = (float(limit) for limit in y.aminmax())
        if not (least >= 1e-15 and most <= 1e15):  # zero, NaN or infinity may still be right
            odd = (y < 1e-15) | (y > 1e15)
            if (extremum(x.abs(), axes, 1)[odd] != 0).any():
                return torch.where(odd, formula(x, axes, "lp_mean" if mean else "lp", 2.0, 0.0), y)
    return y


def norm_backward(
    grad: Tensor,
    x: Tensor,
    y: Tensor,
    axes: tuple[Axis, ...],
    p: int,
    mean: bool,
    mask: Tensor | None = None,
) -> Tensor:
    """``sign(x) |x|^(p-1) y^(1-p)`` times the gradient, over the windows that hold each element."""
    if mask is not None:
        if p == 2 and _has_tiny(y):
            return formula_backward(grad, x, axes, "lp_mean" if mean else "lp", 2.0, 0.0, mask)
        source = _without_absent(x, axes, mask)
        grad, y = grad.to(source.dtype), y.to(source.dtype)
        grad = grad / _count(mask, axes, grad) if mean else grad
        dx = norm_backward(grad, source, y, axes, p, False)
        return dx.masked_fill_(~mask, 0).to(x.dtype)  # a NaN in the window would reach it
    memory, divisor = memory_format_of(x, len(axes)), None if mean else 1
    if p == 1:
        dx = average_backward(grad, axes, False, divisor) * x.sign()
        return dx.contiguous(memory_format=memory)
    if _has_tiny(y):
        return formula_backward(grad, x, axes, "lp_mean" if mean else "lp", 2.0, 0.0)
    share = torch.where(y == 0, 0, grad.to(torch.promote_types(grad.dtype, torch.float32)) / y)
    if divisor == 1 and can_gather(axes, 1) and share.dtype == x.dtype:
        return gathered(share, x, axes)
    dx = (average_backward(share, axes, False, divisor) * x).to(grad.dtype)
    return dx.contiguous(memory_format=memory)


def _without_absent(x: Tensor, axes: tuple[Axis, ...], mask: Tensor) -> Tensor:
    """Zero, which adds nothing, for what is absent; float32 or wider, since sums are divided."""
    wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
    return marked(as_source(wide, len(axes)).tensor, mask, 0.0)


def _count(mask: Tensor, axes: tuple[Axis, ...], like: Tensor) -> Tensor:
    """How many elements of each window are real, at least 1."""
    return counted(mask, axes, like, average).clamp_(min=1)


def _has_tiny(y: Tensor) -> bool:
    """Whether dividing by a result might overflow."""
    return bool(((y > 0) & (y < 1e-25)).any())
