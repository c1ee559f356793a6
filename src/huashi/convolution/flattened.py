r"""Flattened convolutions: across the channels, then along each axis, one axis at a time.

.. math:: y_o = w^{(n)}_o * \dots * w^{(1)}_o * \sum_c v_{oc} \, x_c

A filter of :math:`c k^n` taps is a product of n + 1 vectors: :math:`c + n k` weights for each of d
results in place of :math:`c k^n`.

Jin, Dundar, Culurciello: Flattened Convolutional Neural Networks for Feedforward Acceleration
(2014), https://arxiv.org/abs/1412.5474, claim about twice the speed at the same accuracy on CIFAR
and MNIST. Not reproduced here.
"""

import torch

from huashi.convolution.module import AXES, Between, ComposedConv, in_sequence
from huashi.convolution.padding import Padding, PaddingMode, Size

__all__ = ["FlattenedConv1d", "FlattenedConv2d", "FlattenedConv3d"]


class _FlattenedConv(ComposedConv):
    """Pointwise, then a filter along each axis in turn; stands where torch's own stood.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. Over
    time, where there is one axis, that is a depthwise separable convolution in the other order.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps along each axis.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: of the pointwise convolution; groups do not mix.
        bias: whether the last stage has one; those before it have none.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        between: makes, of a number of channels, what follows each stage but the last: a norm, an
            activation.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels; of a
            call, if the shape of the input does not fit.

    >>> layer = FlattenedConv2d(8, 16, 3, padding=1, bias=False)
    >>> layer(torch.ones(1, 8, 5, 4)).shape
    torch.Size([1, 16, 5, 4])
    >>> sum(weight.numel() for weight in layer.parameters()) == 16 * (8 + 2 * 3)
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
        between: Between | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode
        )
        made = {"device": device, "dtype": dtype}
        stages = {
            "across": self.stage(in_channels, out_channels, groups=groups, bias=False, **made)
        }
        for axis, name in enumerate(AXES[self.dims]):
            stages[f"along_{name}"] = self.stage(
                out_channels,
                out_channels,
                axis,
                groups=out_channels,
                bias=bias and axis == self.dims - 1,
                **made,
            )
        self.stages = in_sequence(between, **stages)


class FlattenedConv1d(_FlattenedConv):  # noqa: D101  (that of the base)
    dims = 1


class FlattenedConv2d(_FlattenedConv):  # noqa: D101  (that of the base)
    dims = 2


class FlattenedConv3d(_FlattenedConv):  # noqa: D101  (that of the base)
    dims = 3
