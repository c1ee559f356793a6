r"""Depthwise separable convolutions: each channel by itself, then all channels at each position.

.. math:: y_{o} = \sum_{c,\,j} v_{o,\,cm + j} \, (w_{cm + j} * x_c), \qquad 0 \le j < m

for a multiplier m: :math:`m` filters w of :math:`k^n` taps for each of c channels, and a matrix v.
That is :math:`k^n c m + c m d` weights for d results in place of :math:`k^n c d`: a share of
:math:`m (1/d + 1/k^n)`. With g groups the matrix is in g blocks (super-separable).

Howard et al.: MobileNets (2017), https://arxiv.org/abs/1704.04861, claim 1.1 % less accuracy on
ImageNet for an eighth to a ninth of the multiply-adds. Kaiser, Gomez, Chollet: Depthwise Separable
Convolutions for Neural Machine Translation (2017), https://arxiv.org/abs/1706.03059, claim better
translations from super-separable steps of fewer weights. Neither was reproduced here.
"""

import torch

from huashi._checks import check_count
from huashi.convolution.module import Between, ComposedConv, in_sequence
from huashi.convolution.padding import Padding, PaddingMode, Size

__all__ = ["DepthwiseSeparableConv1d", "DepthwiseSeparableConv2d", "DepthwiseSeparableConv3d"]


class _DepthwiseSeparableConv(ComposedConv):
    """A filter for each channel, then a pointwise convolution; stands where torch's own stood.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. A causal
    layer over time is padded with ``[((kernel_size - 1) * dilation, 0)]``. Sequences that lie as
    (batch, time, channels) have :class:`~huashi.convolution.SubSeparableConv1d`.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps of a filter.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: of the pointwise convolution. Groups do not mix: with more than one the layer is
            super-separable, and the next one has another number of groups.
        bias: whether the pointwise convolution has one; the filters have none.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        multiplier: filters for each channel.
        between: makes, of a number of channels, what follows the filters: a norm, an activation.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels; of a
            call, if the shape of the input does not fit.

    >>> layer = DepthwiseSeparableConv2d(32, 64, 3, padding=1)
    >>> layer(torch.ones(1, 32, 5, 4)).shape
    torch.Size([1, 64, 5, 4])
    >>> sum(weight.numel() for weight in layer.parameters()) == 32 * 9 + 32 * 64 + 64
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
        multiplier: int = 1,
        between: Between | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode
        )
        check_count("multiplier", multiplier)
        self.multiplier = multiplier
        middle, axes = in_channels * multiplier, range(self.dims)
        made = {"device": device, "dtype": dtype}
        self.stages = in_sequence(
            between,
            depthwise=self.stage(
                in_channels, middle, *axes, groups=in_channels, bias=False, **made
            ),
            pointwise=self.stage(middle, out_channels, groups=groups, bias=bias, **made),
        )

    def shown(self) -> dict[str, int | None]:
        return {"multiplier": self.multiplier if self.multiplier > 1 else None}


class DepthwiseSeparableConv1d(_DepthwiseSeparableConv):  # noqa: D101  (that of the base)
    dims = 1


class DepthwiseSeparableConv2d(_DepthwiseSeparableConv):  # noqa: D101  (that of the base)
    dims = 2


class DepthwiseSeparableConv3d(_DepthwiseSeparableConv):  # noqa: D101  (that of the base)
    dims = 3
