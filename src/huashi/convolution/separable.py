r"""Separable, sub-separable and super-separable convolutions over time, and SliceNet's step of one.

A convolution of c to c channels with k taps has :math:`k c^2` weights. Taken apart into g groups:

* separable, one filter a channel, then all channels mixed: :math:`k c + c^2`;
* sub-separable, a convolution in each group, then all channels mixed: :math:`k c^2 / g + c^2`;
* super-separable, a separable convolution in each group: :math:`k c + c^2 / g`. Groups do not mix,
  so one step has another number of groups than the next.

As in tensor2tensor the number ``separability`` says which: 0 is separable, s > 0 sub-separable with
s groups (1 is the plain convolution, and nothing follows it), s < 0 super-separable with -s.

Kaiser, Gomez, Chollet: Depthwise Separable Convolutions for Neural Machine Translation (2017),
https://arxiv.org/abs/1706.03059
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice, check_positive
from huashi.convolution.depthwise import depthwise_conv1d

Padding = Literal["same", "left", "valid"]
PADDINGS = ("same", "left", "valid")
NORM_EPSILON = 1e-6  # tensor2tensor's, in layer norms


class SubSeparableConv1d(nn.Module):
    """A convolution over time, (batch, time, in) -> (batch, time, out).

    Args:
        in_channels: features of a frame, a multiple of ``abs(separability)``.
        out_channels: features of what is made of it, such a multiple too.
        kernel_size: taps.
        separability: 0 separable; s > 0 sub-separable, s < 0 super-separable, in ``abs(s)`` groups.
        dilation: frames from one tap to the next.
        padding: ``same`` sees as far to the left as to the right (an even kernel one tap more to
            the right), ``left`` the past alone, and ``valid`` makes no frame of what is not there:
            (batch, time + reach, in) -> (batch, time, out).
        bias: whether the layers have one.

    >>> for s in (1, 0, 2, -2):
    ...     layer = SubSeparableConv1d(8, 8, kernel_size=3, separability=s)
    ...     print(s, sum(weight.numel() for weight in layer.parameters()))
    1 192
    0 88
    2 160
    -2 56
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        separability: int = 0,
        dilation: int = 1,
        padding: Padding = "same",
        bias: bool = False,
    ) -> None:
        super().__init__()
        check_positive("kernel_size", kernel_size)
        check_positive("dilation", dilation)
        check_choice("padding", padding, PADDINGS)
        check_groups("in_channels", in_channels, separability)
        check_groups("out_channels", out_channels, separability)
        self.separability = separability
        self.padding: Padding = padding
        self.reach = (kernel_size - 1) * dilation
        """How many frames beside its own a frame is made of, those between the taps counted."""
        sub = separability > 0
        self.convolution = nn.Conv1d(
            in_channels,
            out_channels if sub else in_channels,
            kernel_size,
            dilation=dilation,
            groups=separability if sub else in_channels,
            bias=bias,
        )
        self.mix = None
        if separability != 1:
            groups = max(1, -separability)
            self.mix = nn.Conv1d(
                self.convolution.out_channels, out_channels, 1, 1, groups=groups, bias=bias
            )

    def forward(self, x: Tensor) -> Tensor:
        """Frames (batch, time, in) to (batch, time, out)."""
        if self.separability > 0:
            frames = pad_time(x, self.reach, self.padding)
            y = self.convolution(frames.transpose(1, 2)).transpose(1, 2)
        else:
            left, right = padding_of(self.reach, self.padding)
            weight, bias = self.convolution.weight[:, 0], self.convolution.bias
            x = x.to(weight.dtype)  # under autocast too: filters wait for memory, not for products
            [dilation] = self.convolution.dilation
            y = depthwise_conv1d(x, weight, dilation=dilation, left=left, right=right)
            y = y if bias is None else y + bias
        return y if self.mix is None else _mixed(y, self.mix)


class ConvStep(nn.Module):
    """``LayerNorm(convolution(relu(x) * mask))``, (batch, time, in) -> (batch, time, out).

    Args:
        in_channels: features of a frame.
        out_channels: features of what is made of it.
        kernel_size: taps.
        separability: as of :class:`SubSeparableConv1d`.
        dilation: frames from one tap to the next.
        padding: ``same``, or ``valid`` for :meth:`resume`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        separability: int = 0,
        dilation: int = 1,
        padding: Padding = "same",
    ) -> None:
        super().__init__()
        self.convolution = SubSeparableConv1d(
            in_channels,
            out_channels,
            kernel_size,
            separability=separability,
            dilation=dilation,
            padding=padding,
        )
        self.norm = nn.LayerNorm(out_channels, eps=NORM_EPSILON)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frames where ``mask``, (batch, time, 1), is False count as zero."""
        x = x.relu()
        return self.norm(self.convolution(x if mask is None else x * mask))

    def start(self, like: Tensor) -> Tensor:
        """The frames before the first one: zeros, (rows, reach, in)."""
        channels = self.convolution.convolution.in_channels
        return like.new_zeros(like.shape[0], self.convolution.reach, channels)

    def resume(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Go on after ``frames``, the last ``reach`` of what came before; return them anew too."""
        frames = torch.cat([frames, x], 1)
        return self(frames), frames[:, x.shape[1] :]


def pad_time(x: Tensor, reach: int, padding: Padding) -> Tensor:
    """Frames of zero around (batch, time, features), so that a kernel of this reach keeps time.

    >>> pad_time(torch.ones(1, 1, 1), 3, "same").flatten()
    tensor([0., 1., 0., 0.])
    """
    left, right = padding_of(reach, padding)
    return F.pad(x, (0, 0, left, right)) if left or right else x


def padding_of(reach: int, padding: Padding) -> tuple[int, int]:
    """How many frames of zero go before the first, and after the last."""
    left = {"same": reach // 2, "left": reach, "valid": 0}[padding]
    return left, reach - left if padding == "same" else 0


def _mixed(frames: Tensor, layer: nn.Conv1d) -> Tensor:
    """A convolution of one tap, (batch, time, in) -> (batch, time, out), where the frames lie."""
    groups = frames.unflatten(-1, (layer.groups, -1))
    weight = layer.weight[..., 0].unflatten(0, (layer.groups, -1))
    y = torch.einsum("btgi, goi -> btgo", groups, weight).flatten(-2)
    return y if layer.bias is None else y + layer.bias


def check_groups(name: str, channels: int, separability: int) -> None:
    """Raise unless so many channels can be divided into the groups of this separability."""
    check_positive(name, channels)
    if channels % max(1, abs(separability)):
        raise ValueError(
            f"{name} must be a multiple of {abs(separability)} for a separability of "
            f"{separability}, got {channels}"
        )
