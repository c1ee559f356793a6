"""Deformable convolution as an operator with gradients."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare
from huashi.convolution.deformable import reference
from huashi.pooling.dimensions import memory_format_of

EXAMPLE = "huashi.convolution.deform_conv2d"


def _fake(x: Tensor, weight: Tensor, offset: Tensor, *rest: Any) -> Tensor:
    shape = x.shape[0], weight.shape[0], *offset.shape[2:]
    memory = memory_format_of(x, x.ndim - 2)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory)


def _fake_gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    stride: Any,
    before: Any,
    dilation: Any,
    of_samples: bool,
    of_weight: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    nothing = x.new_empty(0)
    of_filters = weight.new_empty(weight.shape) if of_weight else nothing
    if not of_samples:
        return nothing, of_filters, x.new_empty(0), x.new_empty(0)
    of_x = torch.empty_like(x, memory_format=memory_format_of(x, x.ndim - 2))
    of_mask = offset.new_empty(0) if mask is None else mask.new_empty(mask.shape)
    return of_x, of_filters, offset.new_empty(offset.shape), of_mask


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, weight, offset, mask, _, *ctx.geometry = inputs
    ctx.save_for_backward(x, weight, offset, mask)


def _backward(ctx: Any, grad: Tensor) -> tuple:
    x, weight, offset, mask = ctx.saved_tensors
    needs = ctx.needs_input_grad
    of_bias = grad.sum((0, *range(2, grad.ndim))) if needs[4] else None
    if torch.is_grad_enabled():
        given = (x, weight, offset) if mask is None else (x, weight, offset, mask)
        found = [*backward_of(_without_bias, given, grad, *ctx.geometry), None][:4]
    else:
        of_samples = needs[0] or needs[2] or needs[3]
        found = _gradients(grad, x, weight, offset, mask, *ctx.geometry, of_samples, needs[1])
        found = [one if needed else None for one, needed in zip(found, needs[:4], strict=True)]
    return *found, of_bias, None, None, None


def _without_bias(x: Tensor, weight: Tensor, offset: Tensor, *rest: Any) -> Tensor:
    *mask, stride, before, dilation = rest
    return reference.convolve(
        x, weight, offset, mask[0] if mask else None, None, stride, before, dilation
    )


deform_conv = declare(
    "deform_conv(Tensor x, Tensor weight, Tensor offset, Tensor? mask, Tensor? bias,"
    " SymInt[] stride, SymInt[] before, SymInt[] dilation) -> Tensor",
    example=EXAMPLE,
    fake=_fake,
    cpu="huashi.convolution.deformable.cpu.convolution:convolve",
    keep=_keep,
    backward=_backward,
)
_gradients = declare(
    "deform_conv_backward(Tensor grad, Tensor x, Tensor weight, Tensor offset, Tensor? mask,"
    " SymInt[] stride, SymInt[] before, SymInt[] dilation, bool of_samples, bool of_weight)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
    example=EXAMPLE,
    fake=_fake_gradients,
    cpu="huashi.convolution.deformable.cpu.convolution:gradients",
)
