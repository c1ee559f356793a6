"""The largest and the smallest element of each window, and where they lie."""

from typing import Any, Literal

import torch
from torch import Tensor

from huashi._checks import as_bool
from huashi._kernel.operator import kernel_serves
from huashi._windows import Axis, Padding, Size
from huashi.pooling import operators, reference, torch_pools
from huashi.pooling.arguments import check_mask, checked
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.offsets import Places, offsets_of
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "max_pool1d", "max_pool2d", "max_pool3d",
    "min_pool1d", "min_pool2d", "min_pool3d",
    "mask_pool1d", "mask_pool2d", "mask_pool3d",
    "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "MinPool1d", "MinPool2d", "MinPool3d",
]
# fmt: on


def max_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool | Literal["compact"] = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor | Places]:
    """The largest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives -inf (the least integer of an integer dtype) and index -1.

    Args:
        {shared}
        x: {shape}, floating-point or integer.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what
            :func:`max_unpool2d` is fastest with.

    Returns:
        The maxima, {pooled}, in the dtype of ``x``; nothing is accumulated. With
        ``return_indices=True`` also their indices in the flattened dimensions, int64, and with
        ``"compact"`` :class:`Places`. {windows}

    Raises:
        {errors}

    >>> x = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    >>> max_pool1d(x, 3, stride=2, padding="same")
    tensor([[5., 4.]])
    >>> max_pool1d(x, 2, return_indices=True)
    (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    return_indices = _placing(return_indices)
    axes, real = checked(dims, x, *windows, mask, lengths, integers=True)
    return _extremum(x, axes, real, return_indices, sign=1)


def min_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool | Literal["compact"] = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor | Places]:
    """The smallest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives inf (the greatest integer of an integer dtype) and index -1.

    Args:
        {shared}
        x: {shape}, floating-point or integer.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.

    Returns:
        The minima, {pooled}, in the dtype of ``x``; nothing is accumulated. With
        ``return_indices=True`` also their indices in the flattened dimensions, int64, and with
        ``"compact"`` :class:`Places`. {windows}

    Raises:
        {errors}

    >>> min_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[1., 2.]])
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    return_indices = _placing(return_indices)
    axes, real = checked(dims, x, *windows, mask, lengths, integers=True)
    return _extremum(x, axes, real, return_indices, sign=-1)


def mask_pool(
    dims: int,
    mask: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The mask of what a pool gives: True where the window has a real element.

    Args:
        {shared}
        mask: of the input, bool, {shape}; 1 for batch or channel stands for all.
        kernel_size: of the pool, as are the arguments that follow.

    Returns:
        {pooled}, bool; nothing is accumulated. {windows}

    Raises:
        {errors}

    >>> mask_pool1d(torch.tensor([[True, False, False, False]]), 2)
    tensor([[ True, False]])
    """
    check_mask(mask)
    windows = kernel_size, stride, padding, dilation, ceil_mode
    y = max_pool(dims, mask.to(torch.uint8), *windows)
    return y.to(torch.bool)  # pyright: ignore[reportAttributeAccessIssue]


def _placing(return_indices: Any) -> bool | Literal["compact"]:
    """What is asked for, once it is found to be a bool or "compact"."""
    if isinstance(return_indices, str):
        if return_indices != "compact":
            raise ValueError(f'return_indices must be a bool or "compact", got {return_indices!r}')
        return "compact"
    return as_bool("return_indices", return_indices)


def _extremum(
    x: Tensor,
    axes: tuple[Axis, ...],
    real: Tensor | None,
    return_indices: bool | Literal["compact"],
    *,
    sign: int,
) -> Tensor | tuple[Tensor, Tensor | Places]:
    placed = return_indices or (torch.is_grad_enabled() and x.requires_grad)
    kernel = "pool_extremum_offsets" if placed else "pool_extremum"
    tensors = (x,) if real is None else (x, real)
    masked = real is not None and bool(return_indices)
    if kernel_serves(kernel, *tensors, unless=masked and "indices with a mask"):
        if real is not None:  # the identity of the maximum is as good as absent
            x = torch.where(real, x, reference.identity(x.dtype, sign))
        if not placed:
            return operators.extremum(x, axes, sign)
        y, offsets = operators.extremum_offsets(x, axes, sign, real)
        places = Places(offsets, axes)
        if return_indices == "compact":
            return y, places
        return (y, places.indices()) if return_indices else y
    y, indices = reference.extremum(x, axes, real, sign=sign)
    if return_indices == "compact":
        return y, Places(offsets_of(indices, axes), axes)
    return (y, indices) if return_indices else y


class MaxPool(WindowPool):
    """:func:`~huashi.pooling.max_pool{dims}d` as a module."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        return_indices: bool | Literal["compact"] = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.return_indices: bool | Literal["compact"] = _placing(return_indices)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor | Places]:
        options = {"mask": mask, "lengths": lengths}
        return self.function(x, *self.windows, self.return_indices, **options)


class MinPool(WindowPool):
    """:func:`~huashi.pooling.min_pool{dims}d` as a module."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        return_indices: bool | Literal["compact"] = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.return_indices: bool | Literal["compact"] = _placing(return_indices)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor | Places]:
        options = {"mask": mask, "lengths": lengths}
        return min_pool(self.dims, x, *self.windows, self.return_indices, **options)


max_pool1d, max_pool2d, max_pool3d = each_dimension(
    max_pool,
    lambda f, x: f(x, 3, 2, 1),
    lambda f, x: f(x, 2),
    lambda f, x: f(x, 5, 1, 2),
    lambda f, x: f(x, 3, 1, 2, 2),
    lambda f, x: f(x, 17, 2, 8),  # of more than 255 elements: offsets of two bytes
    lambda f, x: f(x, 2, return_indices="compact")[0],
    lambda f, x: f(x, 17, 2, 8, return_indices=True)[0],
    Called(lambda f, x: f(x, 2), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 2, return_indices="compact")[0], spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 3, 2, 1), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 5, 1, 2), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 300, 100), spatial={1: (512,)}),
    Called(lambda f, x: f(x, 33_000, 1), spatial={1: (40_000,)}),  # offsets of four bytes
    integers=True,
    by_torch=torch_pools.max_pool,
)


min_pool1d, min_pool2d, min_pool3d = each_dimension(
    min_pool,
    lambda f, x: f(x, 2),
    Called(lambda f, x: f(x, 3, 2, 1), spatial=LONG_ROWS),
    integers=True,
)


mask_pool1d, mask_pool2d, mask_pool3d = each_dimension(
    mask_pool,  # the result is bool: the example applies it, so that there is a gradient
    lambda f, x: torch.where(f(x > 0, 2), max_pool(x.ndim - 2, x, 2), 0),  # pyright: ignore[reportCallIssue, reportArgumentType]
)


MaxPool1d, MaxPool2d, MaxPool3d = each_dimension_module(
    MaxPool, (max_pool1d, max_pool2d, max_pool3d)
)


MinPool1d, MinPool2d, MinPool3d = each_dimension_module(
    MinPool, (min_pool1d, min_pool2d, min_pool3d)
)
