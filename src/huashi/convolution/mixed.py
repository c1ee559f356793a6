r"""Convolutions whose channels have kernels of several sizes.

.. math:: y_o = w_o * x, \qquad w_o \in \mathbb R^{c \times k_{s(o)}^n}

with :math:`s(o)` the share that channel o belongs to. Every kernel is centred in the largest one,
so that the layer is a convolution with the largest kernel of which some taps are zero, without
their cost. Depthwise, with as many groups as channels, it is MixConv.

Tan, Le: MixConv: Mixed Depthwise Convolutional Kernels (2019), https://arxiv.org/abs/1907.09595,
claim that in MobileNets it is more accurate at a lower cost than one large kernel, and a network
of 78.9 % on ImageNet. Not reproduced here.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice
from huashi._windows import each_axis
from huashi.convolution.module import ConvModule
from huashi.convolution.padding import Padding, PaddingMode, Sides, Size, pad
from huashi.convolution.plain import CONV

__all__ = ["MixedConv1d", "MixedConv2d", "MixedConv3d"]

Split = Literal["equal", "exponential"]
SPLITS = ("equal", "exponential")
LARGEST_AS_ONE = 11  # taps: as far as one convolution was measured to be faster


class _MixedConv(ConvModule):
    """A convolution with kernels of several sizes; stands where torch's own stood.

    (batch, in_channels, *lengths) -> (batch, out_channels, *results), and without a batch: as many
    results as one convolution has with the largest kernel and the same padding. The first channels
    have the first kernel size.

    Args:
        in_channels: of the input.
        out_channels: of the result.
        kernel_size: the sizes, each a number or one for each axis; along an axis all are odd or all
            are even.
        stride: from one result to the next.
        padding: for the largest kernel, as torch has it, and also for any stride ``same`` or
            ``same_lower``, which give ceil(length / stride) results, or (before, after) for each
            axis.
        dilation: from one tap to the next.
        groups: into which the channels are divided. With one, each size makes its share of the
            results of all input channels; else each size has its share of the groups, of which
            there are at least as many as sizes. ``in_channels`` is MixConv's depthwise form, the
            number of sizes with an ``equal`` split gives each its share of the input channels.
        bias: whether there is one.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        split: ``equal`` shares, of which the first has the remainder, or ``exponential``: a half, a
            quarter and so on, the last as large as what is left.

    Raises:
        ValueError: a number is out of its range, ``groups`` does not divide the channels, the sizes
            are odd and even, or one has no channel; of a call, if the shape of the input does not
            fit.

    >>> layer = MixedConv2d(8, 8, (3, 5, 7), padding=3, groups=8, bias=False)
    >>> layer(torch.ones(1, 8, 5, 4)).shape
    torch.Size([1, 8, 5, 4])
    >>> [tuple(part.weight.shape) for part in layer.parts]
    [(4, 1, 3, 3), (2, 1, 5, 5), (2, 1, 7, 7)]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[Size] = (3, 5, 7),
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        split: Split = "equal",
    ) -> None:
        several = kernel_size if isinstance(kernel_size, Sequence) else (kernel_size,)
        sizes = tuple(each_axis("kernel_size", size, self.dims, least=1) for size in several)
        check_choice("split", split, SPLITS)
        _check_parity(sizes)
        largest = tuple(max(along) for along in zip(*sizes, strict=True))
        super().__init__(
            in_channels, out_channels, largest, stride, padding, dilation, groups, padding_mode
        )
        self.kernel_sizes, self.split = sizes, split
        units = out_channels if groups == 1 else groups
        counts = shares(units, len(sizes), split)
        if min(counts) < 1:
            what = "out_channels" if groups == 1 else "groups"
            raise ValueError(
                f"{what} must give each of {len(sizes)} kernel sizes a share, "
                f"got {units} in shares of {counts}"
            )
        self.inputs = [count * in_channels // groups for count in counts]
        """Channels of the input that each part sees, where there is more than one group."""
        self.parts = nn.ModuleList()
        for size, count in zip(sizes, counts, strict=True):
            part = CONV[self.dims](
                in_channels if groups == 1 else count * in_channels // groups,
                count * out_channels // units,
                size,
                self.stride,
                self._sides_of(size) or 0,
                self.dilation,
                1 if groups == 1 else count,
                bias,
                padding_mode,
                device,
                dtype,
            )
            self.parts.append(part)

    def forward(self, x: Tensor) -> Tensor:
        batch = self.batch_of(x)
        y = self._as_one(batch) if self._faster_as_one(batch) else self._part_by_part(batch)
        return y if x.ndim == batch.ndim else y.squeeze(0)

    def _faster_as_one(self, x: Tensor) -> bool:
        """Whether one convolution, some of whose taps are zero, is faster than its parts.

        In images, depthwise and without a gradient it is on a CPU (``benchmarks.convolutions``), in
        both memory formats; with a gradient, larger kernels or all channels it mostly is not.
        """
        if self.dims != 2 or not self.in_channels == self.out_channels == self.groups:
            return False
        if max(self.kernel_size) > LARGEST_AS_ONE or x.device.type != "cpu":
            return False
        learn = x.requires_grad or any(part.weight.requires_grad for part in self.parts)
        if learn and torch.is_grad_enabled():
            return False
        return all(  # nobody has changed the parts, or looks at what they do
            type(part) is CONV[2] and not part._forward_hooks and not part._forward_pre_hooks
            for part in self.parts
        )

    def _as_one(self, x: Tensor) -> Tensor:
        weights, parts = [], list[Any](self.parts)
        for part, size in zip(parts, self.kernel_sizes, strict=True):
            around = [
                (largest - kernel) // 2
                for largest, kernel in zip(self.kernel_size, size, strict=True)
            ]
            weights.append(F.pad(part.weight, [n for n in reversed(around) for _ in range(2)]))
        bias = None if parts[0].bias is None else torch.cat([part.bias for part in parts])
        weight, within, mode = torch.cat(weights), (0, 0), self.padding_mode
        if mode == "zeros" and all(
            type(side) is tuple and len({*side}) == 1 for side in self.sides
        ):
            within: Any = tuple(side[0] for side in self.sides)  # torch's own can do that
        else:
            x = pad(x, self.kernel_size, self.stride, self.sides, self.dilation, mode)
        return F.conv2d(x, weight, bias, self.stride, within, self.dilation, self.groups)

    def _part_by_part(self, x: Tensor) -> Tensor:
        shared = [x] * len(self.parts)
        pieces = shared if self.groups == 1 else x.split(self.inputs, 1)
        made = [self._made(*one) for one in zip(self.parts, pieces, self.kernel_sizes, strict=True)]
        return torch.cat(made, 1)

    def _made(self, part: nn.Module, x: Tensor, size: tuple[int, ...]) -> Tensor:
        if self._sides_of(size) is None:
            mode: Any = self.padding_mode
            x = pad(x, self.kernel_size, self.stride, self.sides, self.dilation, mode)
            less = self._margins(size)
            x = x[(..., *(slice(n, -n) if n else slice(None) for n in less))]
        return part(x)

    def _margins(self, size: tuple[int, ...]) -> list[int]:
        """How much further the largest kernel reaches than this one, to either side."""
        geometry = zip(self.kernel_size, size, self.dilation, strict=True)
        return [spread * (largest - kernel) // 2 for largest, kernel, spread in geometry]

    def _sides_of(self, size: tuple[int, ...]) -> tuple[Sides, ...] | None:
        """The padding with which a kernel of this size is centred in the largest one.

        None if it would begin within the input: so it does where the padding is less than the
        margin, and where ``same`` has none for kernels shorter than the stride.
        """
        found: list[Sides] = []
        geometry = zip(
            self._margins(size), self.sides, size, self.stride, self.dilation, strict=True
        )
        for margin, sides, kernel, step, spread in geometry:
            if isinstance(sides, str):
                if margin and spread * (kernel - 1) + 1 < step:
                    return None
                found.append(sides)
            elif min(sides) < margin:
                return None
            else:
                found.append((sides[0] - margin, sides[1] - margin))
        return tuple(found)

    def shown(self) -> dict[str, str | None]:
        sizes = ", ".join("x".join(map(str, size)) for size in self.kernel_sizes)
        return {"kernel_sizes": f"({sizes})", "split": self.split}


class MixedConv1d(_MixedConv):  # noqa: D101  (that of the base)
    dims = 1


class MixedConv2d(_MixedConv):  # noqa: D101  (that of the base)
    dims = 2


class MixedConv3d(_MixedConv):  # noqa: D101  (that of the base)
    dims = 3


def shares(number: int, parts: int, split: Split) -> list[int]:
    """How a number of channels or groups is split.

    >>> shares(32, 4, "equal"), shares(32, 4, "exponential"), shares(8, 3, "equal")
    ([8, 8, 8, 8], [16, 8, 4, 4], [4, 2, 2])
    """
    if split == "equal":
        least = number // parts
        return [number - least * (parts - 1), *[least] * (parts - 1)]
    halves = [number >> i for i in range(1, parts)]
    return [*halves, number - sum(halves)]


def _check_parity(sizes: Sequence[tuple[int, ...]]) -> None:
    if not sizes:
        raise ValueError(f"kernel_size must have one size or more, got {sizes}")
    for along in zip(*sizes, strict=True):
        if len({kernel % 2 for kernel in along}) > 1:
            raise ValueError(
                "kernel_size must be odd in all sizes along an axis, or even in all, so that they "
                f"have one centre, got {along}"
            )
