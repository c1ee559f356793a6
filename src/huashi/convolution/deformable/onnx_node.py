"""Deformable convolution in an ONNX file: one node of the standard, ``DeformConv`` of opset 19.

The standard has it in any number of dimensions, onnxruntime in two. One dimension is written as a
picture of one row; in three, and by the older exporter that traces (``dynamo=False``), the
definition is written, which is many nodes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

OPSET = 19
"""The first that has the operator."""
Sides = Sequence[tuple[int, int]]
"""(before, after) for each axis."""


def node(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    stride: Sequence[int],
    sides: Sides,
    dilation: Sequence[int],
) -> Tensor:
    """The convolution of one or two dimensions, in a graph that ``torch.onnx.export`` draws."""
    if not all(type(number) is int for side in sides for number in side):  # a file has numbers
        x = F.pad(x, [number for side in reversed(sides) for number in side])
        sides = [(0, 0)] * len(sides)
    if x.ndim == 3:
        x, weight, offset, mask = _as_row(x, weight, offset, mask)
        stride, sides, dilation = (1, *stride), [(0, 0), *sides], (1, *dilation)
        return node(x, weight, offset, mask, bias, stride, sides, dilation).squeeze(2)
    tensors = x, weight, offset.to(x.dtype), bias, None if mask is None else mask.to(x.dtype)
    attributes = _attributes(x, weight, offset, stride, sides, dilation)
    while tensors[-1] is None:
        tensors = tensors[:-1]
    shape = [x.shape[0], weight.shape[0], *offset.shape[2:]]
    return torch.onnx.ops.symbolic(
        "DeformConv", tensors, attributes, dtype=x.dtype, shape=shape, version=OPSET
    )


def _attributes(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    stride: Sequence[int],
    sides: Sides,
    dilation: Sequence[int],
) -> dict[str, Any]:
    taps = [int(number) for number in weight.shape[2:]]
    befores, afters = [int(before) for before, _ in sides], [int(after) for _, after in sides]
    return {
        "dilations": list(dilation),
        "group": int(x.shape[1]) // int(weight.shape[1]),
        "kernel_shape": taps,
        "offset_group": int(offset.shape[1]) // (2 * taps[0] * taps[1]),
        "pads": befores + afters,
        "strides": list(stride),
    }


def _as_row(
    x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """One dimension as two: a row, whose taps move along it only."""
    stays = torch.zeros_like(offset)
    moves = torch.stack([stays, offset], 2).flatten(1, 2)
    mask = None if mask is None else mask.unsqueeze(2)
    return x.unsqueeze(2), weight.unsqueeze(2), moves.unsqueeze(2), mask
