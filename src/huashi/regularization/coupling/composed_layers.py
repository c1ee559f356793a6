"""Huashi's layers that are made of plain convolutions: what they compute, and how wide they are.

Their ``forward`` checks its input first, which nothing can trace; here are the steps that follow.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi.convolution.module import ConvModule

Parts = Callable[[Any, Sequence[int]], Any]


def parts_of(x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Pieces of the channels, of sizes that a layer keeps and that change with its parts."""
    return x.split(list(sizes), 1)


def steps_of(layer: Any, parts: Parts) -> Callable[[Any], Any] | None:
    """What a layer computes of an input that fits; None where it is not known.

    Args:
        layer: a :class:`~huashi.convolution.module.ConvModule`.
        parts: is :func:`parts_of`, or stands for it.
    """
    if isinstance(getattr(layer, "stages", None), nn.Sequential):
        return layer.stages
    if isinstance(getattr(layer, "convolution", None), nn.Conv1d) and layer.groups == 1:
        return lambda x: _gated(layer, x)
    if isinstance(getattr(layer, "parts", None), nn.ModuleList) and _is_centred(layer):
        return lambda x: _mixed(layer, x, parts)
    return None


def _is_centred(layer: Any) -> bool:
    """Whether the padding of each part says all of what it sees."""
    return all(layer._sides_of(size) is not None for size in layer.kernel_sizes)


def _mixed(layer: Any, x: Any, parts: Parts) -> Any:
    if layer.groups == 1:
        return torch.cat([part(x) for part in layer.parts], 1)
    pieces = parts(x, layer.inputs)
    return torch.cat([part(pieces[i]) for i, part in enumerate(layer.parts)], 1)


def _gated(layer: Any, x: Any) -> Any:
    y = F.glu(layer.convolution(x), dim=1)
    return (y + x) * sqrt(0.5) if layer.residual else y


def resize_composed(model: nn.Module) -> None:
    """Set the numbers by which such layers describe themselves, once their parts are cut."""
    for layer in model.modules():
        if isinstance(layer, ConvModule) and steps_of(layer, parts_of) is not None:
            _resize(layer, [one for one in layer.modules() if isinstance(one, _PLAIN)])


def _resize(layer: Any, plain: Sequence[Any]) -> None:
    first, last = plain[0], plain[-1]
    layer.in_channels, layer.out_channels = first.in_channels, last.out_channels
    if hasattr(layer, "middle_channels"):
        layer.middle_channels = first.out_channels
    elif hasattr(layer, "convolution"):
        layer.out_channels = last.out_channels // 2
    elif hasattr(layer, "parts"):
        layer.out_channels = sum(one.out_channels for one in plain)
        if layer.groups > 1:
            layer.inputs = [one.in_channels for one in plain]
            layer.in_channels, layer.groups = sum(layer.inputs), sum(one.groups for one in plain)


_PLAIN = nn.Conv1d, nn.Conv2d, nn.Conv3d
