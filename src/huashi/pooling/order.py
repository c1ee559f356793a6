"""Pools by the order of the elements of a window: its largest, weighted; quantile and median."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from huashi._checks import check_floating, check_in
from huashi._kernel.operator import kernel_serves
from huashi._windows import Axis, Padding, Size
from huashi.pooling import operators, reference
from huashi.pooling.arguments import as_count, checked
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "sort_pool1d", "sort_pool2d", "sort_pool3d",
    "quantile_pool1d", "quantile_pool2d", "quantile_pool3d",
    "median_pool1d", "median_pool2d", "median_pool3d",
    "SortPool1d", "SortPool2d", "SortPool3d",
    "QuantilePool1d", "QuantilePool2d", "QuantilePool3d",
    "MedianPool1d", "MedianPool2d", "MedianPool3d",
]
# fmt: on

MOST_SORTED = 64  # elements of a window that the kernels sort


def sort_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    scores: Tensor,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The k largest elements of each window, in order, weighted by ``softmax(scores)``.

    k = 1 is the maximum; equal scores for all elements give the mean. A window of fewer real
    elements uses as many of the scores; one without any gives 0.

    Args:
        {shared}
        scores: (k,), or (channel, k) for scores of their own; differentiable.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> sort_pool1d(torch.tensor([[1.0, 5.0, 3.0]]), 3, scores=torch.zeros(2))
    tensor([[4.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    most = math.prod([axis.kernel for axis in axes])
    check_floating("scores", scores)
    if scores.ndim not in (1, 2) or not 1 <= scores.shape[-1] <= most:
        raise ValueError(
            f"scores must have shape (k,) or (channel, k) with k from 1 to the {most} elements of "
            f"a window, got {tuple(scores.shape)}"
        )
    if scores.ndim == 2 and scores.shape[0] != x.shape[-dims - 1]:
        raise ValueError(
            f"scores must be for the {x.shape[-dims - 1]} channels of x, got {scores.shape[0]}"
        )
    if kernel_serves("pool_order", x, scores, real, unless=_uncovered(x, axes)):
        return operators.order(x, axes, "sorted_mean", scores, real)
    return reference.sorted_mean(x, axes, scores, real)


def quantile_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    q: float,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The q-quantile of each window, on a straight line between two neighbours in its order.

    The one or two elements that make it up get the gradient. Between a number and an infinity it is
    that infinity, between the two infinities NaN. NaN in a window makes its result NaN. A window
    without a real element gives 0.

    Args:
        {shared}
        q: from 0, the minimum, to 1, the maximum.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> quantile_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3, q=0.75)
    tensor([[6.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_in("q", q, 0, 1)
    if kernel_serves("pool_order", x, real, unless=_uncovered(x, axes)):
        share = torch.tensor(float(q), dtype=torch.double, device=x.device)
        return operators.order(x, axes, "quantile", share, real)
    return reference.quantile(x, axes, float(q), real)


def median_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The median of each window; the mean of the middle two where their number is even.

    NaN in a window makes its result NaN. A window without a real element gives 0.

    Args:
        {shared}

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> median_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3)
    tensor([[3.]])
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    return quantile_pool(dims, x, *windows, q=0.5, mask=mask, lengths=lengths)


def _uncovered(x: Tensor, axes: tuple[Axis, ...]) -> str | Literal[False]:
    """What applies of that which the kernel is declared not to cover, if anything."""
    if math.prod([axis.kernel for axis in axes]) > MOST_SORTED:
        return "large windows"
    alone = axes[-1].windows == 1 and torch.is_grad_enabled() and x.requires_grad
    return alone and "gradient of one window in a row"


class SortPool(WindowPool):
    """:func:`~huashi.pooling.sort_pool{dims}d` as a module with learned scores.

    At first they are drawn from N(0, 0.1^2).

    Args:
        {shared}
        k: how many of the largest elements count.
        channels: of the input, for scores of their own; None for the same ones.
        generator: where the first scores come from.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        k: int,
        channels: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        k = as_count("k", k)
        shape = (k,) if channels is None else (channels, k)
        self.scores = nn.Parameter(0.1 * torch.randn(shape, generator=generator))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"mask": mask, "lengths": lengths}
        return sort_pool(self.dims, x, *self.windows, scores=self.scores, **options)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, scores={tuple(self.scores.shape)}"


class QuantilePool(WindowPool):
    """:func:`~huashi.pooling.quantile_pool{dims}d` as a module."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        q: float,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_in("q", q, 0, 1)
        self.q = q

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"mask": mask, "lengths": lengths}
        return quantile_pool(self.dims, x, *self.windows, q=self.q, **options)

    def extra_repr(self) -> str:
        return f"q={self.q}, {super().extra_repr()}"


class MedianPool(WindowPool):
    """:func:`~huashi.pooling.median_pool{dims}d` as a module."""

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return median_pool(self.dims, x, *self.windows, mask=mask, lengths=lengths)


sort_pool1d, sort_pool2d, sort_pool3d = each_dimension(
    sort_pool,
    Called(lambda f, x, v: f(x, 2, scores=v), more=lambda dims: ((3, 2**dims),)),
    Called(lambda f, x, v: f(x, 3, 2, scores=v), more=lambda dims: ((2,),), spatial=LONG_ROWS),
    once_first="scores",
)


quantile_pool1d, quantile_pool2d, quantile_pool3d = each_dimension(
    quantile_pool,
    lambda f, x: f(x, 2, q=0.3),
    Called(lambda f, x: f(x, 3, 2, q=0.3), spatial=LONG_ROWS),
    once_first="q",
)


median_pool1d, median_pool2d, median_pool3d = each_dimension(
    median_pool,
    lambda f, x: f(x, 2),
    Called(lambda f, x: f(x, 3, 1, 1), spatial=LONG_ROWS),
)


SortPool1d, SortPool2d, SortPool3d = each_dimension_module(
    SortPool, (sort_pool1d, sort_pool2d, sort_pool3d)
)


QuantilePool1d, QuantilePool2d, QuantilePool3d = each_dimension_module(
    QuantilePool, (quantile_pool1d, quantile_pool2d, quantile_pool3d)
)


MedianPool1d, MedianPool2d, MedianPool3d = each_dimension_module(
    MedianPool, (median_pool1d, median_pool2d, median_pool3d)
)
