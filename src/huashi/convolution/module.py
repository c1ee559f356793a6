"""What every convolution that can stand where torch's own stood has in common."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import nn

from huashi._checks import check_choice, check_count
from huashi._windows import each_axis
from huashi.convolution.padding import PADDING_MODES, Padding, PaddingMode, Size, sides_of
from huashi.convolution.plain import CONV

Between = Callable[[int], nn.Module]
"""Makes what stands between two stages, of a number of channels: a norm, an activation."""


class ConvModule(nn.Module):
    """The arguments of torch's convolutions in their order, checked, kept and shown.

    ``kernel_size``, ``stride`` and ``dilation`` are tuples with a number for each axis, ``padding``
    is what was given, ``sides`` is it for each axis.
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
        padding_mode: PaddingMode = "zeros",
    ) -> None:
        super().__init__()
        check_count("in_channels", in_channels)
        check_count("out_channels", out_channels)
        check_count("groups", groups)
        check_choice("padding_mode", padding_mode, PADDING_MODES)
        check_divides("groups", groups, in_channels=in_channels, out_channels=out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each_axis("kernel_size", kernel_size, self.dims, least=1)
        self.stride = each_axis("stride", stride, self.dims, least=1)
        self.dilation = each_axis("dilation", dilation, self.dims, least=1)
        self.sides = sides_of(padding, self.dims)
        self.padding: Padding = padding
        self.groups = groups
        self.padding_mode: PaddingMode = padding_mode

    def stage(self, in_channels: int, out_channels: int, *along: int, **options: Any) -> nn.Module:
        """A plain convolution of this geometry along some of the axes, one tap along the others.

        Args:
            in_channels: of the stage.
            out_channels: of the stage.
            along: axes, the first of which is 0; none for a pointwise convolution.
            options: ``groups``, ``bias``, ``device``, ``dtype``.
        """

        def there(values: tuple, otherwise: Any) -> tuple:
            return tuple(v if i in along else otherwise for i, v in enumerate(values))

        return CONV[self.dims](
            in_channels,
            out_channels,
            there(self.kernel_size, 1),
            there(self.stride, 1),
            there(self.sides, (0, 0)),
            there(self.dilation, 1),
            padding_mode=self.padding_mode,
            **options,
        )

    def extra_repr(self) -> str:
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"}
        for name, plain in usual.items():
            value = getattr(self, name)
            if value not in (plain, (plain,) * self.dims):
                shown.append(f"{name}={value}")
        return ", ".join(shown)


def check_divides(name: str, parts: int, **channels: int) -> None:
    """Raise unless ``parts`` divides each of the numbers, which are given by their names."""
    for what, number in channels.items():
        if number % parts:
            raise ValueError(f"{name} must divide {what}, got {parts} for {number}")
