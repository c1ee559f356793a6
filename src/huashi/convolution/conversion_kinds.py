"""What a plain convolution can be converted to: names, classes, and their defaults there."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from huashi._checks import check_choice


@dataclass(frozen=True)
class Kind:
    """A family of convolutions, with a class for each number of dimensions that it can have."""

    place: str
    """The module that has the classes, in ``huashi.convolution``."""
    name: str
    """Of the classes, ``{}`` for the number of dimensions."""
    dims: tuple[int, ...] = (1, 2, 3)
    maker: str = ""
    """A class method to make it by; the class itself by default."""
    groups: int = 1
    """Where none are given and the plain convolution has one."""
    of_one_tap: bool = False
    """Whether it is any different from a plain convolution where the kernel has one tap."""
    several_sizes: bool = False
    """Whether it has kernels of several sizes."""

    def make(self, dims: int) -> Callable[..., nn.Module]:
        """What makes the layer, imported by the first call."""
        module = importlib.import_module(f"huashi.convolution.{self.place}")
        made = getattr(module, self.name.format(dims))
        return getattr(made, self.maker) if self.maker else made

    def class_name(self, dims: int) -> str:
        return self.name.format(dims)


_DYNAMIC = "dynamic_kernels", "DynamicKernelConv{}d"
KINDS = {
    "depthwise_separable": Kind("depthwise_separable", "DepthwiseSeparableConv{}d"),
    "spatially_separable": Kind("spatially_separable", "SpatiallySeparableConv{}d", dims=(2, 3)),
    "flattened": Kind("flattened", "FlattenedConv{}d"),
    "shuffled": Kind("shuffled", "ShuffledConv{}d", groups=2),
    "pointwise_grouped": Kind("shuffled", "PointwiseGroupedConv{}d", groups=2),
    "mixed": Kind("mixed", "MixedConv{}d", several_sizes=True),
    "deformable": Kind("deformable", "DeformableConv{}d", of_one_tap=True),
    "condconv": Kind(*_DYNAMIC, maker="condconv", of_one_tap=True),
    "dynamic": Kind(*_DYNAMIC, maker="dynamic", of_one_tap=True),
    "dynet": Kind(*_DYNAMIC, maker="dynet", of_one_tap=True),
    "group_channelwise": Kind("channelwise", "GroupChannelwiseConv{}d", groups=2),
    "depthwise_separable_channelwise": Kind("channelwise", "DepthwiseSeparableChannelwiseConv{}d"),
}


@dataclass(frozen=True)
class Given:
    """A class or function of the user's own, which takes what torch's convolutions take."""

    maker: Callable[..., nn.Module]
    groups: int = 1
    of_one_tap: bool = True
    several_sizes: bool = False

    @property
    def dims(self) -> tuple[int, ...]:
        own = getattr(self.maker, "dims", None)
        bases = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
        if own is None and isinstance(self.maker, type):
            own = next((n for base, n in bases.items() if issubclass(self.maker, base)), None)
        return (1, 2, 3) if own is None else (own,)

    def make(self, dims: int) -> Callable[..., nn.Module]:
        return self.maker

    def class_name(self, dims: int) -> str:
        return getattr(self.maker, "__name__", type(self.maker).__name__)


def kind_named(to: str | Callable[..., nn.Module]) -> Kind | Given:
    """What ``to`` asks for.

    Raises:
        ValueError: there is no kind of that name.
        TypeError: it is neither a name nor what makes modules.
    """
    if isinstance(to, str):
        check_choice("to", to, KINDS)
        return KINDS[to]
    if not callable(to) or isinstance(to, nn.Module):
        raise TypeError(f"to must be a name or a class, got {type(to).__name__}")
    return Given(to)
