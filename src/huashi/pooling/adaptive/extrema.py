"""The largest and the smallest element of each of a given number of bins."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from huashi._checks import as_bool
from huashi.pooling import extrema, reference, torch_pools
from huashi.pooling.adaptive.windows import AdaptivePool, OutputSize, adaptive_pool
from huashi.pooling.bins import AnyAxis
from huashi.pooling.dimensions import each_dimension, each_dimension_module

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "adaptive_min_pool1d", "adaptive_min_pool2d", "adaptive_min_pool3d",
    "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
    "AdaptiveMinPool1d", "AdaptiveMinPool2d", "AdaptiveMinPool3d",
]
# fmt: on

_MAX: dict[int, Callable[..., Any]] = {
    1: F.adaptive_max_pool1d,
    2: F.adaptive_max_pool2d,
    3: F.adaptive_max_pool3d,
}


def adaptive_max_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives -inf (the least integer of an integer dtype) and index -1. With ``mask`` or
    ``lengths`` the bins are those of the whole length all the same.

    Args:
        {shared}
        x: {shape}, floating-point or integer.
        return_indices: also give where each maximum lies.

    Returns:
        The maxima, {bins}, in the dtype of ``x``; nothing is accumulated. With ``return_indices``
        also their indices in the flattened dimensions, int64.

    Raises:
        {errors}

    >>> import torch
    >>> adaptive_max_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2, return_indices=True)
    (tensor([[9., 9.]]), tensor([[2, 2]]))
    """
    return _adaptive_extremum(dims, x, output_size, return_indices, mask, lengths, sign=1)


def adaptive_min_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    return_indices: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The smallest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives inf (the greatest integer of an integer dtype) and index -1. With ``mask``
    or ``lengths`` the bins are those of the whole length all the same.

    Args:
        {shared}
        x: {shape}, floating-point or integer.
        return_indices: also give where each minimum lies.

    Returns:
        The minima, {bins}, in the dtype of ``x``; nothing is accumulated. With ``return_indices``
        also their indices in the flattened dimensions, int64.

    Raises:
        {errors}

    >>> import torch
    >>> adaptive_min_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[1., 3.]])
    """
    return _adaptive_extremum(dims, x, output_size, return_indices, mask, lengths, sign=-1)


def _adaptive_extremum(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    return_indices: bool,
    mask: Tensor | None,
    lengths: Tensor | None,
    *,
    sign: int,
) -> Any:
    return_indices = as_bool("return_indices", return_indices)

    def torch_pool(x: Tensor, sizes: tuple[int, ...]) -> Any:
        y, index = _MAX[dims](x if sign > 0 else -x, sizes, return_indices=True)
        y = (y if sign > 0 else -y).to(x.dtype)  # autocast has it in float32
        return (y, index) if return_indices else y

    def bins(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None) -> Any:
        y, index = reference.extremum(x, axes, mask, sign=sign)
        return (y, index) if return_indices else y

    pool = extrema.max_pool if sign > 0 else extrema.min_pool
    windows = partial(pool, dims, return_indices=return_indices)
    return adaptive_pool(
        dims, x, output_size, mask, lengths, windows, bins, torch_pool, integers=True
    )


class AdaptiveMaxPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_max_pool{dims}d` as a module."""

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = as_bool("return_indices", return_indices)

    @property
    def options(self) -> dict[str, Any]:
        return {"return_indices": self.return_indices}


class AdaptiveMinPool(AdaptiveMaxPool):
    """:func:`~huashi.pooling.adaptive_min_pool{dims}d` as a module."""


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = each_dimension(
    adaptive_max_pool,
    lambda f, x: f(x, 3),
    lambda f, x: f(x, 2),
    integers=True,
    by_torch=torch_pools.adaptive_max_pool,
)


adaptive_min_pool1d, adaptive_min_pool2d, adaptive_min_pool3d = each_dimension(
    adaptive_min_pool,
    lambda f, x: f(x, 3),
    lambda f, x: f(x, 2),
    integers=True,
)


AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = each_dimension_module(
    AdaptiveMaxPool, (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d)
)


AdaptiveMinPool1d, AdaptiveMinPool2d, AdaptiveMinPool3d = each_dimension_module(
    AdaptiveMinPool, (adaptive_min_pool1d, adaptive_min_pool2d, adaptive_min_pool3d)
)
