"""What every convolution that can stand where torch's own stood has in common."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_count
from huashi._windows import each_axis
from huashi.convolution.padding import PADDING_MODES, Padding, PaddingMode, Size, sides_of
from huashi.convolution.plain import CONV

Between = Callable[[int], nn.Module]
"""Makes what stands between two stages, of a number of channels: a norm, an activation."""

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""Number of dimensions to the names of the axes, in their order."""


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
            padding_mode=self.padding_mode if along else "zeros",
            **options,
        )

    def batch_of(self, x: Tensor) -> Tensor:
        """``x`` with a dimension for the batch, once its shape is checked.

        Raises:
            ValueError: there are more or fewer dimensions or channels than there must be, or a
                kernel does not fit into the padded input.
        """
        if x.ndim not in (self.dims + 1, self.dims + 2):
            raise ValueError(self._expected(x))
        batch = x if x.ndim == self.dims + 2 else x.unsqueeze(0)
        if (
            torch._C._get_tracing_state() is not None
        ):  # sizes are tensors there, and a trace keeps no check
            return batch
        _, channels, *lengths = batch.shape
        if channels != self.in_channels:
            raise ValueError(self._expected(x))
        geometry = zip(lengths, self.kernel_size, self.dilation, self.sides, strict=True)
        for length, kernel, spread, sides in geometry:
            before, after = (0, 0) if isinstance(sides, str) else sides
            span = 1 if isinstance(sides, str) else spread * (kernel - 1) + 1
            if length < 1 or length + before + after < span:
                raise ValueError(
                    f"kernel_size must fit into the padded input, got a window of {span} elements "
                    f"(kernel {kernel}, dilation {spread}) for {length} + {before} + {after}"
                )
        return batch

    def _expected(self, x: Tensor) -> str:
        shape = ", ".join((str(self.in_channels), *AXES[self.dims]))
        return f"x must have shape (batch, {shape}) or ({shape}), got {tuple(x.shape)}"

    def shown(self) -> dict[str, Any]:
        """What the ``repr`` has beside torch's arguments, by name; None is left out."""
        return {}

    def extra_repr(self) -> str:
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"}
        for name, plain in usual.items():
            value = getattr(self, name)
            if value not in (plain, (plain,) * self.dims):
                shown.append(f"{name}={value}")
        shown += [f"{name}={value}" for name, value in self.shown().items() if value is not None]
        return ", ".join(shown)


class ComposedConv(ConvModule):
    """Convolutions one after another, ``stages``.

    Only the last one has a bias. Without anything between the stages the layer is therefore one
    linear map of the padded input: zeros around it stay zeros around what the first stage makes
    of it.
    """

    stages: nn.Sequential

    def forward(self, x: Tensor) -> Tensor:
        batch = self.batch_of(x)
        y = self.stages(batch)
        return y if x.ndim == batch.ndim else y.squeeze(0)


def in_sequence(between: Between | None, **stages: nn.Module) -> nn.Sequential:
    """The stages by name; after each convolution but the last stage, ``between`` of its channels.

    Args:
        between: None for nothing.
        stages: in their order.
    """
    sequence, last = nn.Sequential(), next(reversed(stages))
    for name, stage in stages.items():
        sequence.add_module(name, stage)
        channels = getattr(stage, "out_channels", None)
        if between is not None and channels is not None and name != last:
            sequence.add_module(f"after_{name}", between(channels))
    return sequence


def check_divides(name: str, parts: int, **channels: int) -> None:
    """Raise unless ``parts`` divides each of the numbers, which are given by their names."""
    for what, number in channels.items():
        if number % parts:
            raise ValueError(f"{name} must divide {what}, got {parts} for {number}")
