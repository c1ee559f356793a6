"""Sums, norms and means of windows as operators."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare
from huashi._windows import Axis
from huashi.pooling import reference
from huashi.pooling.operators.axes import axes_of, flat, on_axes, pooled, unpooled


def _keep_options(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.options = inputs[1:]


def _keep_average(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.dtype, ctx.options = inputs[0].dtype, inputs[1:4]


def _average_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
    return _average_backward(grad, *ctx.options).to(ctx.dtype), None, None, None, None


def _average_transposed(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    return _average(grad, *ctx.options), None, None, None


def _keep_norm(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, *ctx.options, mask = inputs
    ctx.save_for_backward(x, output, mask)


def _norm_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
    (x, y, mask), (axes, p, mean) = ctx.saved_tensors, ctx.options
    if torch.is_grad_enabled():  # create_graph=True: the plain definition leads to the next order

        def norm(x: Tensor) -> Tensor:
            return reference.lp(x, axes_of(axes), float(p), mask, mean=mean)

        return *backward_of(norm, (x,), grad), None, None, None, None
    return _norm_backward(grad, x, y, axes, p, mean, mask), None, None, None, None


def _keep_formula(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, axes, kind, param, eps, mask = inputs
    ctx.save_for_backward(x, param, mask)
    ctx.options = axes, kind, eps


def _formula_gradient(ctx: Any, grad: Tensor) -> tuple:
    (x, param, mask), (axes, kind, eps) = ctx.saved_tensors, ctx.options
    if torch.is_grad_enabled():

        def formula(x: Tensor, param: Tensor) -> Tensor:
            return reference.formula(x, axes_of(axes), kind, param, eps, mask)

        dx, dparam = backward_of(formula, (x, param), grad)
        return dx, None, None, dparam, None, None
    dx = dparam = None
    if ctx.needs_input_grad[0]:
        dx = _formula_backward(grad, x, axes, kind, param, eps, mask)
    if ctx.needs_input_grad[3]:
        slope = _formula_slope(x, axes, kind, param, eps, mask)
        dparam = (grad * slope).sum(dtype=param.dtype)
    return dx, None, None, dparam, None, None


_average = declare(
    "pool_average(Tensor x, SymInt[] axes, bool count_include_pad, int? divisor, bool wide=False)"
    " -> Tensor",
    example="huashi.pooling.avg_pool2d",
    fake=lambda x, axes, count_include_pad, divisor, wide=False: pooled(
        x, axes, torch.promote_types(x.dtype, torch.float32) if wide else None
    ),
    cpu=on_axes("huashi.pooling.cpu.averages:average"),
    cuda=on_axes("huashi.pooling.gpu.averages:average"),
    keep=_keep_average,
    backward=_average_gradient,
)
_average_backward = declare(
    "pool_average_backward(Tensor grad, SymInt[] axes, bool count_include_pad, int? divisor)"
    " -> Tensor",
    example="huashi.pooling.avg_pool2d",
    fake=lambda grad, axes, count_include_pad, divisor: unpooled(grad, grad, axes),
    cpu=on_axes("huashi.pooling.cpu.averages:average_backward"),
    cuda=on_axes("huashi.pooling.gpu.averages:average_backward"),
    keep=_keep_options,
    backward=_average_transposed,
)
_norm = declare(
    "pool_norm(Tensor x, SymInt[] axes, int p, bool mean, Tensor? mask=None) -> Tensor",
    example="huashi.pooling.lp_pool2d",
    fake=lambda x, axes, p, mean, mask=None: pooled(x, axes),
    cpu=on_axes("huashi.pooling.cpu.norms:norm"),
    keep=_keep_norm,
    backward=_norm_gradient,
)
_norm_backward = declare(
    "pool_norm_backward(Tensor grad, Tensor x, Tensor y, SymInt[] axes, int p, bool mean,"
    " Tensor? mask=None) -> Tensor",
    example="huashi.pooling.lp_pool2d",
    fake=lambda grad, x, y, axes, p, mean, mask=None: unpooled(grad, x, axes),
    cpu=on_axes("huashi.pooling.cpu.norms:norm_backward"),
)
_formula = declare(
    "pool_formula(Tensor x, SymInt[] axes, str kind, Tensor param, float eps,"
    " Tensor? mask=None) -> Tensor",
    example="huashi.pooling.gem_pool2d",
    uncovered={
        "infinite exponent": "the limit is the largest magnitude, which is no power",
    },
    fake=lambda x, axes, kind, param, eps, mask=None: pooled(x, axes),
    cpu=on_axes("huashi.pooling.cpu.means:formula"),
    cuda=on_axes("huashi.pooling.gpu.means:formula"),
    keep=_keep_formula,
    backward=_formula_gradient,
)
_formula_slope = declare(
    "pool_formula_slope(Tensor x, SymInt[] axes, str kind, Tensor param, float eps,"
    " Tensor? mask=None) -> Tensor",
    example="huashi.pooling.gem_pool2d",
    fake=lambda x, axes, kind, param, eps, mask=None: pooled(
        x, axes, torch.promote_types(x.dtype, torch.float32)
    ),
    cpu=on_axes("huashi.pooling.cpu.means:formula_slope"),
    cuda=on_axes("huashi.pooling.gpu.means:formula_slope"),
)
_formula_backward = declare(
    "pool_formula_backward(Tensor grad, Tensor x, SymInt[] axes, str kind, Tensor param, float eps,"
    " Tensor? mask=None) -> Tensor",
    example="huashi.pooling.gem_pool2d",
    fake=lambda grad, x, axes, kind, param, eps, mask=None: unpooled(grad, x, axes),
    cpu=on_axes("huashi.pooling.cpu.means:formula_backward"),
    cuda=on_axes("huashi.pooling.gpu.means:formula_backward"),
)


def average(
    x: Tensor,
    axes: tuple[Axis, ...],
    count_include_pad: bool,
    divisor: int | None,
    *,
    wide: bool = False,
) -> Tensor:
    """The sum of each window over its divisor, by the kernel.

    ``wide``: in float32 or wider, as it is accumulated; a sum may be too large for the dtype of x.
    """
    return _average(x, flat(axes), count_include_pad, divisor, wide)


def norm(
    x: Tensor, axes: tuple[Axis, ...], p: int, mean: bool, mask: Tensor | None = None
) -> Tensor:
    """The lp pool for p = 1 and p = 2, by the kernel."""
    return _norm(x, flat(axes), p, mean, mask)


def formula(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    eps: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """A norm, mean or softmax of each window, by the kernel."""
    return _formula(x, flat(axes), kind, param, eps, mask)
