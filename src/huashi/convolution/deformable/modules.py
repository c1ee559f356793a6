"""Deformable convolutions as modules, which predict their own offsets."""

import math
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_count
from huashi.convolution.deformable.functions import DEFORM_CONV
from huashi.convolution.module import ConvModule, check_divides
from huashi.convolution.padding import Padding, PaddingMode, Size
from huashi.convolution.plain import CONV

Mask = Literal["sigmoid2", "sigmoid"] | None


class _DeformableConv(ConvModule):
    """A convolution whose taps look where another convolution of the input says.

    The other one (``offset``) starts at zero, so that the layer starts as a plain convolution of
    the same weight: equal to it without a mask (v1) and with ``sigmoid2``, half of it with
    ``sigmoid``, as v2 is published (the latter from memory of public code, not verified). It is
    usual to train its parameters with .1 of the learning rate of the others (from memory too);
    nothing here does it by itself.

    Dai, Qi, Xiong, Li, Zhang, Hu, Wei: Deformable Convolutional Networks (2017),
    https://arxiv.org/abs/1703.06211; Zhu, Hu, Lin, Dai: Deformable ConvNets v2 (2018),
    https://arxiv.org/abs/1811.11168. They report better detection and segmentation on COCO and
    others; not reproduced here.

    Takes (batch, in_channels, *lengths) or one of them without a batch; gives (batch, out_channels,
    *results), in the memory format of the input.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps.
        stride: from one result to the next.
        padding: as of torch and of the pools, ``same`` for any stride too.
        dilation: from one tap to the next.
        groups: into which the channels are divided; no result sees another group than its own.
        bias: whether there is one.
        padding_mode: ``zeros``; taps see 0 outside of the input, wherever they move.
        device: of the parameters.
        dtype: of the parameters.
        offset_groups: into which the channels of the input are divided; each has its own offsets.
        mask: what is seen is multiplied by 2 * sigmoid (``sigmoid2``) or sigmoid (``sigmoid``) of
            another number for each tap (v2), or None (v1).

    Raises:
        ValueError: a number is out of its range, groups do not divide the channels, or
            ``padding_mode`` is another.
    """

    dims: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        offset_groups: int = 1,
        mask: Mask = "sigmoid2",
    ) -> None:
        geometry = kernel_size, stride, padding, dilation
        super().__init__(in_channels, out_channels, *geometry, groups, padding_mode)
        if padding_mode != "zeros":
            raise ValueError(
                f"padding_mode must be 'zeros' for a deformable convolution, got {padding_mode!r}"
            )
        check_count("offset_groups", offset_groups)
        check_divides("offset_groups", offset_groups, in_channels=in_channels)
        if mask is not None:
            check_choice("mask", mask, ("sigmoid2", "sigmoid"))
        self.offset_groups = offset_groups
        self.mask: Mask = mask
        kind = {"device": device, "dtype": dtype}
        conv = CONV[self.dims]
        plain = conv(in_channels, out_channels, self.kernel_size, groups=groups, bias=bias, **kind)
        self.weight, self.bias = plain.weight, plain.bias
        taps = offset_groups * math.prod(self.kernel_size)
        numbers = taps * (self.dims + (mask is not None))
        self.offset = conv(in_channels, numbers, *geometry, **kind)
        """Offsets and mask of each result, in this order; zero at the start."""
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch = self.batch_of(x)
        y = self._deformed(batch)
        return y if x.ndim == batch.ndim else y.squeeze(0)

    def _deformed(self, x: Tensor) -> Tensor:
        numbers = self.offset(x)
        moves = self.offset_groups * math.prod(self.kernel_size) * self.dims
        mask = None
        if self.mask is not None:
            mask = numbers[:, moves:].sigmoid()
            mask = 2 * mask if self.mask == "sigmoid2" else mask
        geometry = self.stride, self.sides, self.dilation
        convolve = DEFORM_CONV[self.dims]
        return convolve(x, self.weight, numbers[:, :moves], mask, self.bias, *geometry)

    def shown(self) -> dict[str, Any]:
        groups = self.offset_groups
        return {"mask": str(self.mask), "offset_groups": groups if groups > 1 else None}


class DeformableConv1d(_DeformableConv):  # noqa: D101  (that of the base)
    dims = 1


class DeformableConv2d(_DeformableConv):  # noqa: D101  (that of the base)
    dims = 2


class DeformableConv3d(_DeformableConv):  # noqa: D101  (that of the base)
    dims = 3
