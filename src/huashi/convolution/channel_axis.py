r"""Channel-wise convolutions: a small kernel slides along the channels, at each position alike.

.. math:: y_{i} = \sum_{j=0}^{l-1} w_j \, x_{i s - p + j}

with channels as the axis: l weights do what a pointwise convolution does with a matrix of all
channels. Where a kernel covers all positions too, it is a classifier.

Gao, Wang, Ji: ChannelNets: Compact and Efficient Convolutional Neural Networks via Channel-Wise
Convolutions (2018), https://arxiv.org/abs/1809.01330, claims 70.5 % top-1 on ImageNet with 3.7 M
parameters and 407 M multiply-adds; not reproduced here. Lengths, strides and padding, which the
text leaves open, are those of the authors' program.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from huashi._checks import check_choice, check_count, check_floating, check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import without_kernel
from huashi._windows import axes_of
from huashi.convolution.padding import Padding
from huashi.convolution.plain import CONVOLVE

__all__ = ["channelwise_conv", "convolutional_classifier2d"]

Along = Literal["same", "same_lower", "valid"]
_PRODUCTS = "torch's own products of matrices take most of the time"


@example((2, 8, 4, 5), (2, 3), call=lambda f, x, w: f(x, w, stride=2))
@without_kernel(_PRODUCTS)
def channelwise_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: Along = "same",
) -> Tensor:
    """Slide filters along the channels, the same at every position.

    Args:
        x: (batch, channels, *lengths).
        weight: (filters, taps).
        bias: (filters,), one number for all that a filter gives.
        stride: channels from one result to the next.
        padding: ``same`` gives ceil(channels / stride) results, an odd channel of zeros after;
            ``same_lower`` has it before, ``valid`` adds none.

    Returns:
        (batch, filters * results, *lengths), all results of the first filter first, in the dtype
        of ``x``.

    Raises:
        TypeError: a tensor is not of floating point.
        ValueError: the shapes do not fit, or ``stride`` or ``padding`` is out of its range.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])[None, :, None]
    >>> channelwise_conv(x, torch.tensor([[1.0, 2.0, 3.0]])).flatten()
    tensor([ 8., 14., 20., 26., 14.])
    """
    check_floating("x", x)
    check_floating("weight", weight)
    check_ndim("weight", weight, "filters taps")
    if x.ndim < 2:
        raise ValueError(f"x must have shape (batch, channels, *lengths), got {tuple(x.shape)}")
    check_choice("padding", padding, ("same", "same_lower", "valid"))
    check_count("stride", stride)
    _check_bias(bias, len(weight))
    band = band_of(weight, x.shape[1], stride, padding)
    offsets = None if bias is None else bias.repeat_interleave(len(band) // len(weight))
    return _pointwise(x, band, offsets)


def band_of(weight: Tensor, channels: int, stride: int = 1, padding: Along = "same") -> Tensor:
    """The matrix (filters * results, channels) of which row i has a filter from i * stride on.

    >>> import torch
    >>> band_of(torch.tensor([[1, 2, 3]]), 4)
    tensor([[2, 3, 0, 0],
            [1, 2, 3, 0],
            [0, 1, 2, 3],
            [0, 0, 1, 2]])
    """
    taps = weight.shape[1]
    around: Padding = 0 if padding == "valid" else padding
    [axis] = axes_of([channels], taps, stride, around)
    rows, width = axis.windows, max(axis.before + channels, (axis.windows - 1) * stride + taps)
    # rows longer by the stride, read as rows of the width, move right by the stride one by one
    long = F.pad(weight, (0, width + stride - taps))[:, None].expand(-1, rows, -1)
    band = long.flatten(1)[:, : rows * width].unflatten(1, (rows, width))
    return band[..., axis.before : axis.before + channels].flatten(0, 1)


def _pointwise(x: Tensor, matrix: Tensor, offsets: Tensor | None) -> Tensor:
    """``matrix`` times the channels of each position; what stands last in memory stays last."""
    dims = x.ndim - 2
    if dims == 0:
        return F.linear(x, matrix, offsets)
    if dims > 3:
        return _pointwise(x.flatten(2), matrix, offsets).unflatten(2, x.shape[2:])
    return CONVOLVE[dims](x, matrix.reshape(*matrix.shape, *(1,) * dims), offsets)


@example((2, 5, 3, 2), (4, 3, 2))
@without_kernel(_PRODUCTS)
def convolutional_classifier2d(x: Tensor, weight: Tensor) -> Tensor:
    """Scores of classes: a kernel over all positions slides along the channels.

    Args:
        x: (batch, channels, height, width).
        weight: (taps, height, width), for channels - taps + 1 classes.

    Returns:
        (batch, classes), in the dtype of ``x``.

    Raises:
        TypeError: a tensor is not of floating point.
        ValueError: the shapes do not fit.

    >>> import torch
    >>> x = torch.arange(12.0).reshape(1, 3, 2, 2)
    >>> convolutional_classifier2d(x, torch.ones(2, 2, 2))
    tensor([[28., 60.]])
    """
    check_floating("x", x)
    check_floating("weight", weight)
    check_ndim("x", x, "batch channels height width")
    check_ndim("weight", weight, "taps height width")
    if x.shape[2:] != weight.shape[1:]:
        raise ValueError(
            f"x must have the height and width of weight, {tuple(weight.shape[1:])}, "
            f"got {tuple(x.shape[2:])}"
        )
    if len(weight) > x.shape[1]:
        raise ValueError(f"weight must have at most {x.shape[1]} taps, got {len(weight)}")
    return F.conv1d(x.flatten(2).transpose(1, 2), weight.flatten(1).t()[None])[:, 0]


def _check_bias(bias: Tensor | None, filters: int) -> None:
    if bias is not None and bias.shape != (filters,):
        raise ValueError(f"bias must have shape ({filters},), got {tuple(bias.shape)}")
