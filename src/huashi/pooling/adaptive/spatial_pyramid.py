"""Spatial pyramid: adaptive pools of several sizes, side by side (He et al., 2014)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from huashi._checks import check_choice
from huashi._kernel.example import example
from huashi._windows import each_axis
from huashi.pooling.adaptive.extrema import adaptive_max_pool
from huashi.pooling.adaptive.means import adaptive_avg_pool
from huashi.pooling.docstrings import as_module_of, shares

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "spatial_pyramid_pool2d",
    "SpatialPyramidPool2d",
]
# fmt: on


@example((2, 3, 4, 6), call=lambda f, x: f(x, (1, 3)))
@example((2, 3, 4, 6), call=lambda f, x: f(x, (1, 2)))
@shares({})
def spatial_pyramid_pool2d(
    x: Tensor,
    levels: Sequence[int] = (1, 2, 4),
    kind: str = "max",
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """One vector for an image of any size: adaptive pools of several sizes, side by side.

    Source: He, Zhang, Ren, Sun: Spatial Pyramid Pooling in Deep Convolutional Networks, 2014.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point, or for
            ``"max"`` integer.
        levels: bins along a side, for each level.
        kind: ``"max"`` or ``"avg"``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent.

    Returns:
        (..., channel * the sum of the squares of ``levels``), level after level, each in the order
        channel, row, column; in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        {errors}

    >>> spatial_pyramid_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), levels=(1, 2))
    tensor([4., 1., 2., 3., 4.])
    """
    check_choice("kind", kind, ("max", "avg"))
    levels = _checked(levels)
    pool: Callable[..., Any] = adaptive_max_pool if kind == "max" else adaptive_avg_pool
    return torch.cat([pool(2, x, level, mask=mask).flatten(-3) for level in levels], -1)


def _checked(levels: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(levels, Sequence):
        raise TypeError(f"levels must be a sequence of ints, got {levels!r}")
    if not levels:
        raise ValueError(f"levels must have at least one number, got {levels}")
    return each_axis("levels", levels, len(levels), least=1)


@as_module_of(spatial_pyramid_pool2d)
class SpatialPyramidPool2d(nn.Module):
    """:func:`~huashi.pooling.spatial_pyramid_pool2d` as a module."""

    def __init__(self, levels: Sequence[int] = (1, 2, 4), kind: str = "max") -> None:
        super().__init__()
        check_choice("kind", kind, ("max", "avg"))
        self.levels = _checked(levels)
        self.kind = kind

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return spatial_pyramid_pool2d(x, self.levels, self.kind, mask=mask)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, kind={self.kind}"
