"""Pools by the exponential of each element: between the mean and the maximum."""

import torch
from torch import Tensor, nn

from huashi._checks import check_positive
from huashi._kernel.operator import kernel_serves
from huashi._windows import Padding, Size
from huashi.pooling import operators, reference
from huashi.pooling.arguments import checked, scalar, shown
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "soft_pool1d", "soft_pool2d", "soft_pool3d",
    "log_sum_exp_pool1d", "log_sum_exp_pool2d", "log_sum_exp_pool3d",
    "SoftPool1d", "SoftPool2d", "SoftPool3d",
    "LogSumExpPool1d", "LogSumExpPool2d", "LogSumExpPool3d",
]
# fmt: on


def soft_pool(
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
    """``sum softmax(x)_i x_i`` of each window; 0 for a window without a real element.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        {shared}

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> soft_pool1d(torch.tensor([[0.0, 0.0, 0.0, 100.0]]), 2)
    tensor([[  0., 100.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    if kernel_serves("pool_formula", x, real):
        return operators.formula(x, axes, "soft", x.new_ones(()), mask=real)
    return reference.soft(x, axes, real)


def log_sum_exp_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    r: Tensor | float,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each window: from its mean to its maximum as r grows.

    A window without a real element gives 0.

    Source: Pinheiro and Collobert: From Image-level to Pixel-level Labeling with Convolutional
    Networks, 2015.

    Args:
        {shared}
        r: sharpness > 0, a number or a 0-d tensor; differentiable.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> log_sum_exp_pool1d(torch.tensor([[2.0, 2.0, 0.0, 90.0]]), 2, r=1.0)
    tensor([[ 2.0000, 89.3069]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    r = scalar("r", r, x)
    if kernel_serves("pool_formula", x, r, real):
        return operators.formula(x, axes, "log_sum_exp", r, mask=real)
    return reference.log_sum_exp(x, axes, r, real)


class SoftPool(WindowPool):
    """:func:`~huashi.pooling.soft_pool{dims}d` as a module."""

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return soft_pool(self.dims, x, *self.windows, mask=mask, lengths=lengths)


class LogSumExpPool(WindowPool):
    """:func:`~huashi.pooling.log_sum_exp_pool{dims}d` as a module with a learned sharpness.

    Args:
        {shared}
        r: the sharpness at first, > 0.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        r: float = 10.0,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_positive("r", r)
        self.r = nn.Parameter(torch.tensor(float(r)))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"mask": mask, "lengths": lengths}
        return log_sum_exp_pool(self.dims, x, *self.windows, r=self.r, **options)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, r={shown(self.r)}"


soft_pool1d, soft_pool2d, soft_pool3d = each_dimension(
    soft_pool,
    lambda f, x: f(x, 2),
    Called(lambda f, x: f(x, 3, 2), spatial=LONG_ROWS),
)


log_sum_exp_pool1d, log_sum_exp_pool2d, log_sum_exp_pool3d = each_dimension(
    log_sum_exp_pool,
    Called(lambda f, x, r: f(x, 2, r=r.exp()), more=lambda dims: ((),)),
    Called(lambda f, x, r: f(x, 3, 2, r=r.exp()), more=lambda dims: ((),), spatial=LONG_ROWS),
    once_first="r",
)


SoftPool1d, SoftPool2d, SoftPool3d = each_dimension_module(
    SoftPool, (soft_pool1d, soft_pool2d, soft_pool3d)
)


LogSumExpPool1d, LogSumExpPool2d, LogSumExpPool3d = each_dimension_module(
    LogSumExpPool, (log_sum_exp_pool1d, log_sum_exp_pool2d, log_sum_exp_pool3d)
)
