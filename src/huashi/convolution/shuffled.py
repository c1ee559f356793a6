r"""Pointwise grouped and shuffled grouped convolutions, the branch of ShuffleNet's unit.

.. math:: y = V * (u * \operatorname{shuffle}(W * x))

with W and V pointwise in g groups, c to m and m to d channels, and u one filter of :math:`k^n` taps
for each of the m channels: :math:`m (c / g + k^n + d / g)` weights. Channel :math:`i` of group
:math:`j` comes to place :math:`i g + j`, so that every group of V has channels of each group of W.
Without the shuffle g layers stand side by side that never meet.

Zhang, Zhou, Lin, Sun: ShuffleNet (2017), https://arxiv.org/abs/1707.01083, claim 7.8 % less error
on ImageNet than MobileNet at 40 million multiply-adds. Not reproduced here.
"""

from typing import ClassVar

import torch
from torch import nn

from huashi._checks import check_count
from huashi.convolution.module import Between, ComposedConv, check_divides, in_sequence
from huashi.convolution.padding import Padding, PaddingMode, Size

# fmt: off
__all__ = [
    "PointwiseGroupedConv1d", "PointwiseGroupedConv2d", "PointwiseGroupedConv3d",
    "ShuffledConv1d", "ShuffledConv2d", "ShuffledConv3d",
]
# fmt: on


class _PointwiseGroupedConv(ComposedConv):
    """Pointwise in groups, a filter for each channel, pointwise in groups again.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. Groups
    do not mix: follow it with a layer of another number of groups, or take the shuffled one.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps of a filter.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: of both pointwise convolutions.
        bias: whether the last stage has one; those before it have none.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        middle_channels: that the filters see, a multiple of ``groups``; ``out_channels`` by
            default. ShuffleNet has a quarter of them.
        between: makes, of a number of channels, what follows each convolution but the last: a
            norm, an activation.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels; of a
            call, if the shape of the input does not fit.

    >>> layer = PointwiseGroupedConv2d(8, 16, 3, padding=1, groups=2, bias=False)
    >>> layer(torch.ones(1, 8, 5, 4)).shape
    torch.Size([1, 16, 5, 4])
    >>> sum(weight.numel() for weight in layer.parameters()) == 16 * (8 // 2 + 9 + 16 // 2)
    True
    """

    shuffles: ClassVar[bool] = False

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
        middle_channels: int | None = None,
        between: Between | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode
        )
        middle = out_channels if middle_channels is None else middle_channels
        check_count("middle_channels", middle)
        check_divides("groups", groups, middle_channels=middle)
        self.middle_channels = middle
        made, axes = {"device": device, "dtype": dtype}, range(self.dims)
        stages = {
            "pointwise": self.stage(in_channels, middle, groups=groups, bias=False, **made),
            "shuffle": nn.ChannelShuffle(groups),
            "depthwise": self.stage(middle, middle, *axes, groups=middle, bias=False, **made),
            "pointwise_again": self.stage(middle, out_channels, groups=groups, bias=bias, **made),
        }
        if not self.shuffles:
            del stages["shuffle"]
        self.stages = in_sequence(between, **stages)

    def shown(self) -> dict[str, int | None]:
        usual = self.middle_channels == self.out_channels
        return {"middle_channels": None if usual else self.middle_channels}


class _ShuffledConv(_PointwiseGroupedConv):
    """Pointwise in groups, a shuffle of channels, a filter for each, pointwise in groups again.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. The
    second pointwise convolution, which is ShuffleNet's too, is what mixes the groups: every result
    depends on every channel of the input if ``middle_channels >= groups ** 2``.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps of a filter.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: of both pointwise convolutions.
        bias: whether the last stage has one; those before it have none.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        middle_channels: that the filters see, a multiple of ``groups``; ``out_channels`` by
            default. ShuffleNet has a quarter of them.
        between: makes, of a number of channels, what follows each convolution but the last: a
            norm, an activation.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels; of a
            call, if the shape of the input does not fit.

    >>> layer = ShuffledConv1d(4, 4, 1, groups=2, bias=False)
    >>> with torch.no_grad():
    ...     for weight in layer.parameters():
    ...         _ = weight.fill_(1)
    >>> x = torch.tensor([[1.0], [2.0], [10.0], [20.0]])    # groups 1 + 2 and 10 + 20
    >>> layer(x).flatten().tolist()
    [33.0, 33.0, 33.0, 33.0]
    """

    shuffles = True


class PointwiseGroupedConv1d(_PointwiseGroupedConv):  # noqa: D101  (that of the base)
    dims = 1


class PointwiseGroupedConv2d(_PointwiseGroupedConv):  # noqa: D101  (that of the base)
    dims = 2


class PointwiseGroupedConv3d(_PointwiseGroupedConv):  # noqa: D101  (that of the base)
    dims = 3


class ShuffledConv1d(_ShuffledConv):  # noqa: D101  (that of the base)
    dims = 1


class ShuffledConv2d(_ShuffledConv):  # noqa: D101  (that of the base)
    dims = 2


class ShuffledConv3d(_ShuffledConv):  # noqa: D101  (that of the base)
    dims = 3
