"""The average of each window, by all of the rules that torch has for its divisor."""

import torch
from torch import Tensor

from huashi._checks import as_bool, as_int
from huashi._kernel.operator import kernel_serves, without_kernel
from huashi._windows import Axis, Padding, Size, is_whole
from huashi.pooling import operators, reference, torch_pools
from huashi.pooling.arguments import checked
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "AvgPool1d", "AvgPool2d", "AvgPool3d",
]
# fmt: on


def avg_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The sum of each window over a divisor; 0 for a window without a real element.

    Args:
        {shared}
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> avg_pool1d(torch.ones(1, 4), 3, 2, 1, ceil_mode=True)
    tensor([[0.6667, 1.0000, 0.5000]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    count_include_pad = as_bool("count_include_pad", count_include_pad)
    if divisor_override is not None:
        divisor_override = as_int("divisor_override", divisor_override)
        if divisor_override == 0:
            raise ValueError(f"divisor_override must not be 0, got {divisor_override}")
    if real is None and divisor_override is None and is_whole(axes):
        return _average_of_all(x, dims)
    if kernel_serves("pool_average", *((x,) if real is None else (x, real))):
        if real is None:
            return operators.average(x, axes, count_include_pad, divisor_override)
        x = torch.where(real, x, 0)
        if count_include_pad or divisor_override is not None:
            return operators.average(x, axes, count_include_pad, divisor_override)
        total = operators.average(x, axes, False, 1, wide=True)
        return (total / _count(x, axes, real)).to(x.dtype)
    options = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    return reference.average(x, axes, real, **options)


@without_kernel("torch's mean of the last dimensions is as fast as can be")
def _average_of_all(x: Tensor, dims: int) -> Tensor:
    """Of all elements of the last ``dims`` dimensions, which are kept."""
    return x.mean(tuple(range(-dims, 0)), keepdim=True)


def _count(x: Tensor, axes: tuple[Axis, ...], real: Tensor) -> Tensor:
    """How many of the elements of each window are real, 1 where none is."""
    n = len(axes)
    lead = real.shape[:-n] if real.ndim >= n else ()
    counted = real.expand(*lead, *x.shape[-n:]).to(torch.promote_types(x.dtype, torch.float32))
    count = operators.average(counted.reshape(-1, *x.shape[-n:]), axes, False, 1)
    return count.reshape(*lead, *count.shape[-n:]).clamp(min=1)


class AvgPool(WindowPool):
    """:func:`~huashi.pooling.avg_pool{dims}d` as a module."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Size = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.count_include_pad = as_bool("count_include_pad", count_include_pad)
        self.divisor_override = divisor_override

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        kernel_size, stride, padding, dilation, ceil_mode = self.windows
        return self.function(
            x,
            kernel_size,
            stride,
            padding,
            ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            dilation=dilation,
            mask=mask,
            lengths=lengths,
        )

    def extra_repr(self) -> str:
        names = "count_include_pad", "divisor_override"
        return ", ".join([super().extra_repr(), *(f"{n}={getattr(self, n)}" for n in names)])


avg_pool1d, avg_pool2d, avg_pool3d = each_dimension(
    avg_pool,
    lambda f, x: f(x, 2),
    lambda f, x: f(x, 3, 2, 1, count_include_pad=False),
    Called(lambda f, x: f(x, 2), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 3, 2, 1, count_include_pad=False), spatial=LONG_ROWS),
    by_torch=torch_pools.avg_pool,
)


AvgPool1d, AvgPool2d, AvgPool3d = each_dimension_module(
    AvgPool, (avg_pool1d, avg_pool2d, avg_pool3d)
)
