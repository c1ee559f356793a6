"""The convolution as an operator with a gradient."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare
from huashi.convolution.depthwise import reference


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, weight, *ctx.options = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, grad: Tensor) -> tuple:
    x, weight = ctx.saved_tensors
    if torch.is_grad_enabled():
        gradients = backward_of(reference.convolve, (x, weight), grad, *ctx.options)
    else:
        gradients = _convolution_backward(grad, x, weight, *ctx.options[:2])
    return *gradients, None, None, None


depthwise = declare(
    "depthwise(Tensor x, Tensor weight, SymInt dilation, SymInt left, SymInt time) -> Tensor",
    example="huashi.convolution.depthwise_conv1d",
    fake=lambda x, weight, dilation, left, time: x.new_empty(x.shape[0], time, x.shape[2]),
    cpu_dtypes=(torch.float32, torch.float64),
    uncovered={"dtypes": "x and weight must have the same dtype"},
    cpu="huashi.convolution.depthwise.cpu.over_time:convolve",
    keep=_keep,
    backward=_backward,
    multiply_adds=lambda x, weight, dilation, left, time: x.shape[0] * time * weight.numel(),
)
_convolution_backward = declare(
    "depthwise_backward(Tensor grad, Tensor x, Tensor weight, SymInt dilation, SymInt left)"
    " -> (Tensor, Tensor)",
    example="huashi.convolution.depthwise_conv1d",
    fake=lambda grad, x, weight, dilation, left: (
        x.new_empty(x.shape),
        weight.new_empty(weight.shape),
    ),
    cpu="huashi.convolution.depthwise.cpu.over_time:gradients",
)
