"""Modules of channel-wise convolutions (ChannelNets), after :mod:`.channel_axis`.

Gao, Wang, Ji: ChannelNets: Compact and Efficient Convolutional Neural Networks via Channel-Wise
Convolutions (2018), https://arxiv.org/abs/1809.01330, claims 70.5 % top-1 on ImageNet with 3.7 M
parameters and 407 M multiply-adds; not reproduced here.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from huashi._checks import check_count
from huashi._windows import each_axis
from huashi.convolution.channel_axis import channelwise_conv, convolutional_classifier2d
from huashi.convolution.module import ConvModule
from huashi.convolution.padding import Padding, PaddingMode, Size, in_format_of
from huashi.convolution.plain import Conv2d

__all__ = [
    "ConvolutionalClassifier2d",
    "DepthwiseSeparableChannelwiseConv1d",
    "DepthwiseSeparableChannelwiseConv2d",
    "DepthwiseSeparableChannelwiseConv3d",
    "GroupChannelwiseConv1d",
    "GroupChannelwiseConv2d",
    "GroupChannelwiseConv3d",
]


class _ChannelwiseConv(ConvModule):
    """A plain convolution, then filters along its channels."""

    def __init__(
        self,
        *arguments: Any,
        between: int,
        stage_groups: int,
        bias: bool,
        filters: int,
        taps: int,
        channel_stride: int,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__(*arguments)
        check_count("channel_kernel_size", taps)
        made: Any = {"device": device, "dtype": dtype}
        axes = range(self.dims)
        options = {"groups": stage_groups, "bias": bias, **made}
        self.spatial = self.stage(self.in_channels, between, *axes, **options)
        self.channel_stride = channel_stride
        self.channel_weight = nn.Parameter(torch.empty(filters, taps, **made))
        self.channel_bias = nn.Parameter(torch.empty(filters, **made)) if bias else None
        self.reset_filters()

    def reset_filters(self) -> None:
        """Begin the filters along the channels anew, as ``nn.Conv1d`` does."""
        nn.init.kaiming_uniform_(self.channel_weight, a=math.sqrt(5))
        if self.channel_bias is not None:
            bound = self.channel_weight.shape[1] ** -0.5
            nn.init.uniform_(self.channel_bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        batch = self.batch_of(x)
        filters = self.channel_weight, self.channel_bias
        y = channelwise_conv(self.spatial(batch), *filters, stride=self.channel_stride)
        y = in_format_of(batch, y)  # a kernel of one tap, run by one thread, loses it
        return y if x.ndim == batch.ndim else y.squeeze(0)

    def shown(self) -> dict[str, int]:
        filters, taps = self.channel_weight.shape
        return {"channel_filters": filters, "channel_kernel_size": taps}


class _GroupChannelwiseConv(_ChannelwiseConv):
    """A convolution in groups, then filters along the channels, by which groups are mixed.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. There
    are as many filters as groups, with the number of groups as stride; what one filter makes of
    all channels is a group of the next layer.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps of the convolution.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: of the convolution, and how many filters there are, g; the paper's nets have 2.
        bias: whether the convolution has one for each channel, and each filter has one.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        channel_kernel_size: taps of a filter; 4 g by default.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels; of a
            call, if the shape of the input does not fit.

    >>> layer = GroupChannelwiseConv2d(32, 64, 1, groups=2, bias=False)
    >>> layer(torch.ones(1, 32, 5, 4)).shape
    torch.Size([1, 64, 5, 4])
    >>> sum(weight.numel() for weight in layer.parameters()) == 32 * 64 // 2 + 2 * 8
    True
    """

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
        channel_kernel_size: int | None = None,
    ) -> None:
        check_count("groups", groups)
        geometry = kernel_size, stride, padding, dilation, groups, padding_mode
        super().__init__(
            *(in_channels, out_channels, *geometry),
            between=out_channels,
            stage_groups=groups,
            bias=bias,
            filters=groups,
            taps=4 * groups if channel_kernel_size is None else channel_kernel_size,
            channel_stride=groups,
            device=device,
            dtype=dtype,
        )


class _DepthwiseSeparableChannelwiseConv(_ChannelwiseConv):
    """A filter for each channel, then one filter that slides along all channels.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. The
    paper's layer has as many channels before as after. With m times as many after, m filters slide
    along the channels, the results of the first one first; with an m-th, one filter has the
    stride m.

    Args:
        in_channels: of the input.
        out_channels: of the result; a multiple of ``in_channels``, or divides them.
        kernel_size: taps of a channel's filter.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: 1, since the filter slides over all channels.
        bias: whether each channel's filter has one, and the filter along the channels.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        channel_kernel_size: taps of the filter along the channels.

    Raises:
        ValueError: a number is out of its range, or the channels do not fit; of a call, if the
            shape of the input does not fit.

    >>> layer = DepthwiseSeparableChannelwiseConv2d(32, 32, 3, padding=1, bias=False)
    >>> layer(torch.ones(1, 32, 5, 4)).shape
    torch.Size([1, 32, 5, 4])
    >>> sum(weight.numel() for weight in layer.parameters()) == 32 * 9 + 64
    True
    """

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
        channel_kernel_size: int = 64,
    ) -> None:
        check_count("in_channels", in_channels)
        check_count("out_channels", out_channels)
        if groups != 1:
            raise ValueError(f"groups must be 1, got {groups}: the filter slides over all channels")
        if out_channels % in_channels and in_channels % out_channels:
            raise ValueError(
                f"out_channels must be a multiple of in_channels or divide them, "
                f"got {out_channels} for {in_channels}"
            )
        geometry = kernel_size, stride, padding, dilation, groups, padding_mode
        super().__init__(
            *(in_channels, out_channels, *geometry),
            between=in_channels,
            stage_groups=in_channels,
            bias=bias,
            filters=max(1, out_channels // in_channels),
            taps=channel_kernel_size,
            channel_stride=max(1, in_channels // out_channels),
            device=device,
            dtype=dtype,
        )


class ConvolutionalClassifier2d(nn.Module):
    """A depthwise convolution, then a kernel over all positions that slides along the channels.

    (batch, m, *size) -> (batch, n), by :func:`~huashi.convolution.convolutional_classifier2d`. It
    stands where a mean over the positions and a linear layer stood, for images of one size.

    Args:
        channels: of the input, m.
        classes: scores of the result, n; at most m.
        size: height and width of the input, or one number for both.
        kernel_size: taps of the depthwise convolution, with ``same`` padding.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: a number is out of its range, or there are more classes than channels; of a
            call, if the shape of the input does not fit.

    >>> layer = ConvolutionalClassifier2d(1024, 1000, 7)
    >>> layer.weight.shape, layer.weight.numel()  # a linear layer has 1,024,000
    (torch.Size([25, 7, 7]), 1225)
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        size: Size,
        *,
        kernel_size: Size = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        check_count("classes", classes)
        if classes > channels:
            raise ValueError(f"classes must be at most {channels} channels, got {classes}")
        self.channels, self.classes = channels, classes
        self.size = each_axis("size", size, 2, least=1)
        made: Any = {"device": device, "dtype": dtype}
        same: Any = {"padding": "same", "groups": channels, "bias": False}
        self.depthwise = Conv2d(channels, channels, kernel_size, **same, **made)
        self.weight = nn.Parameter(torch.empty(channels - classes + 1, *self.size, **made))
        nn.init.kaiming_uniform_(self.weight[None], a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return convolutional_classifier2d(self.depthwise(x), self.weight)

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.classes}, size={self.size}"


class GroupChannelwiseConv1d(_GroupChannelwiseConv):  # noqa: D101  (that of the base)
    dims = 1


class GroupChannelwiseConv2d(_GroupChannelwiseConv):  # noqa: D101  (that of the base)
    dims = 2


class GroupChannelwiseConv3d(_GroupChannelwiseConv):  # noqa: D101  (that of the base)
    dims = 3


class DepthwiseSeparableChannelwiseConv1d(_DepthwiseSeparableChannelwiseConv):  # noqa: D101
    dims = 1


class DepthwiseSeparableChannelwiseConv2d(_DepthwiseSeparableChannelwiseConv):  # noqa: D101
    dims = 2


class DepthwiseSeparableChannelwiseConv3d(_DepthwiseSeparableChannelwiseConv):  # noqa: D101
    dims = 3
