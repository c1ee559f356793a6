r"""Spatially separable convolutions: along one axis of the image, then along the next.

.. math:: y = w^{(2)} * (w^{(1)} * x)

with :math:`w^{(1)}` of k x 1 taps, c to m channels, and :math:`w^{(2)}` of 1 x k taps, m to d: in
place of :math:`k^2 c d` weights :math:`k m (c + d)`, and in three dimensions :math:`k m (c + m +
d)` in place of :math:`k^3 c d`. Over time alone there is nothing to separate.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision
(2015), https://arxiv.org/abs/1512.00567, claim good results on grids of 12 to 20 positions, with
k = 7, and poor ones in early layers. Not reproduced here.
"""

import torch

from huashi._checks import check_count
from huashi.convolution.module import AXES, Between, ComposedConv, check_divides, in_sequence
from huashi.convolution.padding import Padding, PaddingMode, Size

__all__ = ["SpatiallySeparableConv2d", "SpatiallySeparableConv3d"]


class _SpatiallySeparableConv(ComposedConv):
    """A convolution along each axis in turn, the first one first; stands where torch's own stood.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch. Each
    stage has the stride, the padding and the dilation of its axis.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps along each axis.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: into which the channels of every stage are divided; groups do not mix.
        bias: whether the last stage has one; those before it have none.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        middle_channels: between the stages, a multiple of ``groups``; ``out_channels`` by default,
            as in Inception.
        between: makes, of a number of channels, what follows each stage but the last: a norm, an
            activation.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels; of a
            call, if the shape of the input does not fit.

    >>> layer = SpatiallySeparableConv2d(8, 16, 7, padding=3, bias=False)
    >>> layer(torch.ones(1, 8, 5, 4)).shape
    torch.Size([1, 16, 5, 4])
    >>> sum(weight.numel() for weight in layer.parameters()) == 7 * 16 * (8 + 16)
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
        channels = [in_channels, *[middle] * (self.dims - 1), out_channels]
        stages = {}
        for axis, name in enumerate(AXES[self.dims]):
            stages[f"along_{name}"] = self.stage(
                *channels[axis : axis + 2],
                axis,
                groups=groups,
                bias=bias and axis == self.dims - 1,
                device=device,
                dtype=dtype,
            )
        self.stages = in_sequence(between, **stages)

    def shown(self) -> dict[str, int | None]:
        usual = self.middle_channels == self.out_channels
        return {"middle_channels": None if usual else self.middle_channels}


class SpatiallySeparableConv2d(_SpatiallySeparableConv):  # noqa: D101  (that of the base)
    dims = 2


class SpatiallySeparableConv3d(_SpatiallySeparableConv):  # noqa: D101  (that of the base)
    dims = 3
