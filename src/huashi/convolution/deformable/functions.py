r"""Deformable convolution, v1 and v2: every tap of every result looks where its offset says.

.. math:: y_o = \sum_k w_k \, m_{k, o} \, x(o s - p + k d + \Delta_{k, o})

for results o, taps k, stride s, padding p and dilation d. Between its elements x is linear; outside
of it, from one element beyond the border on, it is 0. Where a position is an integer the slope is
the one to the right. v1 has no mask m.

Dai, Qi, Xiong, Li, Zhang, Hu, Wei: Deformable Convolutional Networks (2017),
https://arxiv.org/abs/1703.06211; Zhu, Hu, Lin, Dai: Deformable ConvNets v2 (2018),
https://arxiv.org/abs/1811.11168
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from huashi._checks import check_floating, check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi._windows import axes_of, each_axis
from huashi.convolution.deformable import onnx_node, operators, reference
from huashi.convolution.padding import Padding, Size, numbers_of, sides_of
from huashi.pooling.dimensions import memory_format_of

LAYOUTS = {
    1: ("batch channels length", "out_channels channels taps", "batch numbers results"),
    2: (
        "batch channels height width",
        "out_channels channels taps_y taps_x",
        "batch numbers result_height result_width",
    ),
    3: (
        "batch channels depth height width",
        "out_channels channels taps_z taps_y taps_x",
        "batch numbers result_depth result_height result_width",
    ),
}
"""Of the input, the weight and the offset, by the number of dimensions."""


def _for_batch(f, x, w, offset, *more, **options):  # noqa: ANN001, ANN002, ANN003, ANN202
    """An example call for a batch of any size: the offsets (and the mask) of one for all."""
    offset, *rest = (t.expand(len(x), *t.shape[1:]) for t in (offset, *more))
    return f(x, w, offset, *rest, **options)


@example((2, 4, 9), (6, 4, 3), (1, 3, 9), call=lambda f, *t: _for_batch(f, *t, padding=1))
def deform_conv1d(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Tensor:
    """:func:`deform_conv2d` of one dimension: an offset has one number for each tap.

    Args:
        x: (batch, in_channels, length).
        weight: (out_channels, in_channels / groups, taps).
        offset: (batch, offset_groups * taps, results), in elements of ``x``.
        mask: (batch, offset_groups * taps, results); none is 1 everywhere.
        bias: (out_channels).
        stride: from one result to the next.
        padding: absent elements around the input, as of the pools; they count as 0.
        dilation: from one tap to the next.

    Returns:
        (batch, out_channels, results), in the dtype of ``x``; summed in float32 or wider.

    Raises:
        TypeError: ``x`` is no floating-point tensor, or ``weight`` has another dtype.
        ValueError: the shapes do not fit, or the kernel does not fit into the padded input.

    >>> x, taps = torch.tensor([[[0.0, 10.0, 20.0]]]), torch.ones(1, 1, 1)
    >>> deform_conv1d(x, taps, torch.tensor([[[0.5, 0.25, 0.5]]]))  # the last: half of what is not
    tensor([[[ 5.0000, 12.5000, 10.0000]]])
    """
    return _deform_conv(1, x, weight, offset, mask, bias, stride, padding, dilation)


@example(
    *((2, 4, 6, 5), (6, 4, 3, 3), (1, 18, 6, 5)),
    call=lambda f, *t: _for_batch(f, *t, padding=1),
)
@example(
    *((2, 4, 6, 7), (6, 2, 3, 2), (1, 24, 3, 4), (1, 12, 3, 4), (6,)),
    call=lambda f, x, w, o, m, b: _for_batch(f, x, w, o, m, bias=b, stride=2, padding=1),
)
def deform_conv2d(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Tensor:
    """Convolve with taps that move: each looks where its offset says, between the elements too.

    The arguments begin as those of ``F.conv2d`` do, with the offset after the weight; torchvision's
    ``deform_conv2d`` has them as (input, offset, weight, bias, stride, padding, dilation, mask), in
    the same shapes. The groups follow from the shapes.

    Args:
        x: (batch, in_channels, height, width).
        weight: (out_channels, in_channels / groups, taps_y, taps_x).
        offset: (batch, offset_groups * taps * 2, *results), in elements of ``x``: for each tap, row
            by row, how far it moves down, then how far to the right. All channels of a group
            have the same.
        mask: what is seen is multiplied by it, (batch, offset_groups * taps, *results): v2. None is
            1 everywhere: v1.
        bias: (out_channels).
        stride: from one result to the next.
        padding: absent elements around the input, as of the pools; they count as 0.
        dilation: from one tap to the next.

    Returns:
        (batch, out_channels, *results), in the dtype and memory format of ``x``; summed in float32
        or wider, positions too.

    Raises:
        TypeError: ``x`` is no floating-point tensor, or ``weight`` has another dtype.
        ValueError: the shapes do not fit, or the kernel does not fit into the padded input.

    >>> x, tap = torch.arange(9.0).view(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
    >>> offset = torch.zeros(1, 2, 3, 3)
    >>> offset[0, :, 0, 0] = torch.tensor([0.5, 0.25])
    >>> deform_conv2d(x, tap, offset)[0, 0, 0]  # the first of them between 0, 1, 3 and 4
    tensor([1.7500, 1.0000, 2.0000])
    """
    return _deform_conv(2, x, weight, offset, mask, bias, stride, padding, dilation)


@example(
    *((2, 2, 3, 4, 5), (4, 2, 2, 2, 2), (1, 24, 2, 3, 4), (1, 8, 2, 3, 4)),
    call=_for_batch,
)
def deform_conv3d(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Tensor:
    """:func:`deform_conv2d` of three dimensions: an offset has three numbers for each tap.

    Args:
        x: (batch, in_channels, depth, height, width).
        weight: (out_channels, in_channels / groups, taps_z, taps_y, taps_x).
        offset: (batch, offset_groups * taps * 3, *results), in elements of ``x``: for each tap how
            far it moves along depth, height and width.
        mask: (batch, offset_groups * taps, *results); none is 1 everywhere.
        bias: (out_channels).
        stride: from one result to the next.
        padding: absent elements around the input, as of the pools; they count as 0.
        dilation: from one tap to the next.

    Returns:
        (batch, out_channels, *results), in the dtype and memory format of ``x``; summed in float32
        or wider, positions too.

    Raises:
        TypeError: ``x`` is no floating-point tensor, or ``weight`` has another dtype.
        ValueError: the shapes do not fit, or the kernel does not fit into the padded input.

    >>> x, tap = torch.arange(8.0).view(1, 1, 2, 2, 2), torch.ones(1, 1, 1, 1, 1)
    >>> offset = torch.full((1, 3, 2, 2, 2), 0.5)
    >>> deform_conv3d(x, tap, offset)[0, 0, 0, 0, 0]  # in the middle of all eight
    tensor(3.5000)
    """
    return _deform_conv(3, x, weight, offset, mask, bias, stride, padding, dilation)


DEFORM_CONV = {1: deform_conv1d, 2: deform_conv2d, 3: deform_conv3d}
"""Number of dimensions to the function."""


def _deform_conv(
    dims: int,
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    stride: Size,
    padding: Padding,
    dilation: Size,
) -> Tensor:
    _check_kinds(dims, x, weight, offset, mask, bias)
    if x.device.type != "meta" and torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    if weight.dtype != x.dtype:
        raise TypeError(f"weight must have the dtype of x, {x.dtype}, got {weight.dtype}")
    strides = each_axis("stride", stride, dims, least=1)
    dilations = each_axis("dilation", dilation, dims, least=1)
    kernel, lengths = weight.shape[2:], x.shape[2:]
    sides = numbers_of(lengths, kernel, strides, sides_of(padding, dims), dilations)
    _check_groups(x, weight, offset, mask, bias)
    axes = axes_of(lengths, tuple(kernel), strides, sides, dilations)
    _check_results(x, offset, mask, tuple(axis.windows for axis in axes))
    if torch.onnx.is_in_onnx_export() and torch.compiler.is_exporting() and dims < 3:
        return onnx_node.node(x, weight, offset, mask, bias, strides, sides, dilations)
    wide = torch.promote_types(x.dtype, torch.float32)
    offset, mask = offset.to(wide), None if mask is None else mask.to(wide)
    given = x, weight, offset, mask, bias
    serves = kernel_serves("deform_conv", *given)
    convolve = operators.deform_conv if serves else reference.convolve
    y = convolve(*given, strides, [before for before, _ in sides], dilations)
    memory = memory_format_of(x, dims)
    return y if memory == torch.contiguous_format else y.contiguous(memory_format=memory)


def _check_kinds(
    dims: int, x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None
) -> None:
    layouts = LAYOUTS[dims]
    given = {"x": x, "weight": weight, "offset": offset, "mask": mask, "bias": bias}
    for name, layout in zip(given, (*layouts, layouts[2], "out_channels"), strict=True):
        tensor = given[name]
        if tensor is not None:
            check_floating(name, tensor)
            check_ndim(name, tensor, layout)


def _check_groups(
    x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None
) -> None:
    """Of channels that fit one another."""
    channels, (out_channels, of_group) = x.shape[1], weight.shape[:2]
    if not of_group or channels % of_group or not channels:
        raise ValueError(
            f"weight must have a divisor of the {channels} channels of x as its second size, "
            f"got {tuple(weight.shape)}"
        )
    if out_channels % (channels // of_group):
        raise ValueError(
            f"weight must have a multiple of {channels // of_group}, the number of groups, "
            f"as its first size, got {tuple(weight.shape)}"
        )
    taps, dims = math.prod(weight.shape[2:]), x.ndim - 2
    groups = offset.shape[1] // (taps * dims)
    if not groups or offset.shape[1] % (taps * dims) or channels % groups:
        raise ValueError(
            f"offset must have {dims} numbers for each of {taps} taps and each of its groups, "
            f"which divide the {channels} channels of x: a multiple of {taps * dims}, "
            f"got {offset.shape[1]}"
        )
    if mask is not None and mask.shape[1] != groups * taps:
        raise ValueError(
            f"mask must have a number for each of {taps} taps and {groups} groups of the offset, "
            f"{groups * taps}, got {mask.shape[1]}"
        )
    if bias is not None and bias.shape[0] != out_channels:
        raise ValueError(f"bias must have {out_channels} numbers, got {bias.shape[0]}")


def _check_results(x: Tensor, offset: Tensor, mask: Tensor | None, results: Sequence[int]) -> None:
    if torch._C._get_tracing_state() is not None:  # sizes are tensors, and must not be compared
        return
    for name, tensor in {"offset": offset, "mask": mask}.items():
        if tensor is None:
            continue
        if tensor.shape[0] != x.shape[0]:
            raise ValueError(f"{name} must have a batch of {x.shape[0]}, got {tensor.shape[0]}")
        if any(n != m for n, m in zip(tensor.shape[2:], results, strict=True)):
            raise ValueError(
                f"{name} must have the {tuple(results)} results of this convolution as its last "
                f"sizes, got {tuple(tensor.shape[2:])}"
            )
