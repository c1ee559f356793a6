"""The two classifiers that Lin, Chen and Yan compare in Network in Network, 2013.

The mean of one map per class, or layers that see every position.
"""

import itertools
import math
from collections.abc import Sequence

from torch import nn

from huashi.pooling.global_pooling.per_channel import GlobalAvgPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "gap_head",
    "fc_head",
]
# fmt: on


def gap_head(channels: int, classes: int, dims: int = 2) -> nn.Sequential:
    """Lin's classifier: a 1x1 convolution to one map per class, and the mean of each map.

    Beside :func:`fc_head`, which it replaces: no position has weights of its own, an input may have
    any size, and there are far fewer parameters to overfit with.

    Source: Lin, Chen, Yan: Network in Network, 2013.

    Args:
        channels: of the features, (batch, channels, L...).
        classes: how many scores there are.
        dims: of the features.

    Returns:
        A module of features, (batch, channels, L...), to scores, (batch, classes), in their dtype.

    Raises:
        ValueError: ``dims`` is not 1, 2 or 3.

    >>> count = lambda head: sum(p.numel() for p in head.parameters())
    >>> count(gap_head(256, 1000))  # 256 * 1000 + 1000
    257000
    >>> count(fc_head(256, 6, 1000))  # 256 * 36 * 1000 + 1000
    9217000
    >>> count(fc_head(256, 6, 1000, hidden=(4096, 4096)))  # as in AlexNet
    58631144
    """
    if dims not in (1, 2, 3):
        raise ValueError(f"dims must be 1, 2 or 3, got {dims}")
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    return nn.Sequential(convolution(channels, classes, 1), GlobalAvgPool())


def fc_head(
    channels: int, size: int | Sequence[int], classes: int, *, hidden: Sequence[int] = ()
) -> nn.Sequential:
    """The classifier before Lin: all elements of all maps into fully connected layers.

    :func:`gap_head` shows the two side by side.

    Args:
        channels: of the features, (batch, channels, L...).
        size: of the features: the side of a square, or one number for each dimension.
        classes: how many scores there are.
        hidden: units of the layers in between, each followed by a ReLU.

    Returns:
        A module of features, (batch, channels, size...), to scores, (batch, classes), in their
        dtype.

    >>> import torch
    >>> fc_head(16, (4, 5), 10)(torch.zeros(2, 16, 4, 5)).shape
    torch.Size([2, 10])
    """
    positions = math.prod(size) if isinstance(size, Sequence) else size**2
    units = [channels * positions, *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in itertools.pairwise(units):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(units[-1], classes))
