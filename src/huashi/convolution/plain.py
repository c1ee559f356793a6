"""torch's own convolutions, which take the padding of the pools too.

Every other convolution of this chapter is made of these, so that whatever knows torch's modules
(exporters, quantisers, pruners, counters of operations) knows those as well.

Worked example, multiply-adds of one layer on 56 x 56 positions, 64 to 128 channels, 3 x 3:

* as it is: 56 * 56 * 64 * 128 * 3 * 3 = 231.2 million;
* with stride 2: a quarter, 57.8 million; dilated: the same 231.2 million over a wider view;
* in 4 groups: a quarter, 57.8 million; pointwise (1 x 1): a ninth, 25.7 million;
* transposed with stride 2: each of the inputs is spread over 3 x 3 results, 231.2 million again,
  on 112 x 112 positions.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._windows import each_axis
from huashi.convolution.padding import (
    Padding,
    PaddingMode,
    Sides,
    Size,
    in_format_of,
    pad,
    sides_of,
)


class _AnyPadding(nn.modules.conv._ConvNd):
    """What the three classes share. Where torch itself knows the padding, nothing is added."""

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
    ) -> None:
        sides = sides_of(padding, self.dims)
        by_torch = _as_torch_has_it(sides, kernel_size, stride, dilation)
        plain: Any = super().__init__
        zero = 0 if by_torch is None else by_torch
        geometry = in_channels, out_channels, kernel_size, stride, zero, dilation, groups
        plain(*geometry, bias, padding_mode, device, dtype)
        self.sides = sides if by_torch is None else None
        """What is around the input before torch's own convolution begins; None where it knows."""
        self._around = None if by_torch is not None and padding_mode == "zeros" else sides

    def forward(self, input: Tensor) -> Tensor:
        if self.dims == 2 and self._learns_faster_with_channels_last(input):
            return super().forward(input.contiguous(memory_format=torch.channels_last)).contiguous()
        y = super().forward(input)
        if self.dims < 3:
            return y
        return in_format_of(input, y)  # a kernel of one tap, run by one thread, loses it

    def _learns_faster_with_channels_last(self, x: Tensor) -> bool:
        """Whether torch's gradient of such a layer is so much faster that it is worth two copies.

        For one filter of 5 x 5 and more for each channel on a CPU it is, as mixed kernels show in
        ``benchmarks.convolutions``; for 3 x 3, or a kernel as large as the image, it is not.
        """
        if not 1 < self.groups == self.in_channels == self.out_channels:
            return False
        if min(self.kernel_size) < 5 or x.ndim != 4 or x.stride(1) == 1:
            return False
        if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return False
        if not torch.is_grad_enabled() or not (x.requires_grad or self.weight.requires_grad):
            return False
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return False
        if torch._C._get_tracing_state() is not None:
            return False
        return all(a > k for a, k in zip(x.shape[2:], self.kernel_size, strict=True))

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self._around is not None:
            mode: Any = self.padding_mode
            input = pad(input, self.kernel_size, self.stride, self._around, self.dilation, mode)
            convolve: Any = CONVOLVE[self.dims]
            return convolve(input, weight, bias, self.stride, 0, self.dilation, self.groups)
        return super()._conv_forward(input, weight, bias)  # pyright: ignore[reportAttributeAccessIssue]

    def extra_repr(self) -> str:
        shown = super().extra_repr()
        return shown if self.sides is None else f"{shown}, padding={self.sides}"


class Conv1d(_AnyPadding, nn.Conv1d):
    """torch.nn.Conv1d, (batch, in_channels, length) -> (batch, out_channels, results).

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or [(before, after)].
        dilation: from one tap to the next.
        groups: into which the channels are divided; no result sees another group than its own.
        bias: whether there is one.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels.

    >>> Conv1d(2, 4, 3, stride=2, padding="same")(torch.ones(1, 2, 5)).shape
    torch.Size([1, 4, 3])
    """

    dims = 1


class Conv2d(_AnyPadding, nn.Conv2d):
    """torch.nn.Conv2d, (batch, in_channels, height, width) -> (batch, out_channels, ...).

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: into which the channels are divided; no result sees another group than its own.
        bias: whether there is one.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels.

    >>> Conv2d(2, 4, 3, stride=2, padding="same")(torch.ones(1, 2, 5, 8)).shape
    torch.Size([1, 4, 3, 4])
    """

    dims = 2


class Conv3d(_AnyPadding, nn.Conv3d):
    """torch.nn.Conv3d, (batch, in_channels, depth, height, width) -> (batch, out_channels, ...).

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: taps.
        stride: from one result to the next.
        padding: as torch has it, and also for any stride ``same`` or ``same_lower``, which give
            ceil(length / stride) results, or (before, after) for each axis.
        dilation: from one tap to the next.
        groups: into which the channels are divided; no result sees another group than its own.
        bias: whether there is one.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: a number is out of its range, or ``groups`` does not divide the channels.

    >>> Conv3d(2, 4, 3, stride=2, padding="same")(torch.ones(1, 2, 5, 8, 2)).shape
    torch.Size([1, 4, 3, 4, 1])
    """

    dims = 3


CONV: dict[int, Any] = {1: Conv1d, 2: Conv2d, 3: Conv3d}
"""Number of dimensions to the class."""
CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
"""Number of dimensions to torch's function."""


def _as_torch_has_it(
    sides: Sequence[Sides], kernel_size: Size, stride: Size, dilation: Size
) -> tuple[int, ...] | str | None:
    """The padding that gives the same to torch's own class, or None if no such one exists.

    Where ``same`` is not the same on both sides torch pads as well, with a warning.
    """
    kernels = each_axis("kernel_size", kernel_size, len(sides), least=1)
    strides = each_axis("stride", stride, len(sides), least=1)
    dilations = each_axis("dilation", dilation, len(sides), least=1)
    even = all(d * (k - 1) % 2 == 0 for k, d in zip(kernels, dilations, strict=True))
    if all(side == "same" for side in sides) and set(strides) == {1} and even:
        return "same"
    numbers = [side for side in sides if not isinstance(side, str) and side[0] == side[1]]
    return tuple(before for before, _ in numbers) if len(numbers) == len(sides) else None
