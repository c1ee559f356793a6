"""Order statistics of windows as operators."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare
from huashi._windows import Axis
from huashi.pooling import reference
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.operators.axes import axes_of, flat, on_axes, pooled, unpooled


def _of_ranks(x: Tensor, numbers: Sequence[int], ranks: int) -> Tensor:
    """Empty offsets of so many elements for each result, in the memory format of ``x``."""
    axes = axes_of(numbers)
    windows = [axis.windows for axis in axes]
    if memory_format_of(x, len(axes)) == torch.contiguous_format:
        return x.new_empty((ranks, *x.shape[: -len(axes)], *windows), dtype=torch.uint8)
    shape = ranks, x.shape[0], *windows, x.shape[1]
    return x.new_empty(shape, dtype=torch.uint8).movedim(-1, 2)


def _keep_order(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    x, ctx.axes, ctx.kind, param, mask = inputs
    ctx.save_for_backward(x, output[1], param, mask)
    ctx.set_materialize_grads(False)  # of the offsets, which have none


def _order_gradient(ctx: Any, grad: Tensor | None, _: None) -> tuple:
    (x, offsets, param, mask), kind = ctx.saved_tensors, ctx.kind
    dx = dparam = None
    if grad is None:
        return None, None, None, None, None
    if torch.is_grad_enabled():

        def order(x: Tensor, param: Tensor) -> Tensor:
            return reference.order(x, axes_of(ctx.axes), kind, param, mask)

        dx, dparam = backward_of(order, (x, param), grad)
        return dx, None, None, dparam, None
    if ctx.needs_input_grad[0]:
        dx = _order_backward(grad, offsets, ctx.axes, kind, param, mask)
    if ctx.needs_input_grad[3]:
        dparam = _order_slope(grad, x, offsets, ctx.axes, kind, param, mask)
    return dx, None, None, dparam, None


_order = declare(
    "pool_order(Tensor x, SymInt[] axes, str kind, Tensor param, Tensor? mask=None) -> Tensor",
    example="huashi.pooling.sort_pool2d",
    uncovered={
        "large windows": "the kernel sorts windows of up to 64 elements",
        "gradient of one window in a row": "there is nothing that lanes could sort side by side",
    },
    fake=lambda x, axes, kind, param, mask=None: pooled(x, axes),
    cpu=on_axes("huashi.pooling.cpu.order:order"),
)
_order_offsets = declare(
    "pool_order_offsets(Tensor x, SymInt[] axes, str kind, Tensor param, Tensor? mask=None)"
    " -> (Tensor, Tensor)",
    example="huashi.pooling.sort_pool2d",
    fake=lambda x, axes, kind, param, mask=None: (
        pooled(x, axes),
        _of_ranks(x, axes, 2 if kind == "quantile" else param.shape[-1]),
    ),
    cpu=on_axes("huashi.pooling.cpu.order:order_offsets"),
    keep=_keep_order,
    backward=_order_gradient,
)
_order_backward = declare(
    "pool_order_backward(Tensor grad, Tensor offsets, SymInt[] axes, str kind, Tensor param,"
    " Tensor? mask=None) -> Tensor",
    example="huashi.pooling.sort_pool2d",
    fake=lambda grad, offsets, axes, kind, param, mask=None: unpooled(grad, offsets[0], axes),
    cpu=on_axes("huashi.pooling.cpu.order:order_backward"),
)
_order_slope = declare(
    "pool_order_slope(Tensor grad, Tensor x, Tensor offsets, SymInt[] axes, str kind, Tensor param,"
    " Tensor? mask=None) -> Tensor",
    example="huashi.pooling.sort_pool2d",
    fake=lambda grad, x, offsets, axes, kind, param, mask=None: torch.empty_like(
        param, memory_format=torch.contiguous_format
    ),
    cpu=on_axes("huashi.pooling.cpu.order:order_slope"),
)


def order(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, mask: Tensor | None = None
) -> Tensor:
    """A mean of the largest elements of each window, or a quantile, by the kernel."""
    if torch.is_grad_enabled() and (x.requires_grad or param.requires_grad):
        return _order_offsets(x, flat(axes), kind, param, mask)[0]
    return _order(x, flat(axes), kind, param, mask)
