"""Pooling over windows as modules, with the arguments of ``torch.nn`` where it has them."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi.pooling import functional
from huashi.pooling.dimensions import each_dimension_module
from huashi.pooling.geometry import Padding, Size, axes_of
from huashi.pooling.offsets import Places

_ANY_LENGTH = 2**40


class WindowPool(nn.Module):
    """What the pools over windows share: the shape of a window, checked at once, and shown."""

    dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        axes_of([_ANY_LENGTH] * self.dims, kernel_size, stride, padding, dilation)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding: Padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    @property
    def windows(self) -> tuple[Size, Size, Padding, Size, bool]:
        """Kernel size, stride, padding, dilation and ceil mode, in the order of the functions."""
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode

    def extra_repr(self) -> str:
        names = "kernel_size", "stride", "padding", "dilation", "ceil_mode"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class MaxPool(WindowPool):
    """:func:`~huashi.pooling.max_pool2d` as a module."""

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
        self.return_indices: bool | Literal["compact"] = return_indices

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor | Places]:
        options = {"mask": mask, "lengths": lengths}
        return functional.max_pool(self.dims, x, *self.windows, self.return_indices, **options)


class MinPool(WindowPool):
    """:func:`~huashi.pooling.min_pool2d` as a module."""

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
        self.return_indices: bool | Literal["compact"] = return_indices

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor | Places]:
        options = {"mask": mask, "lengths": lengths}
        return functional.min_pool(self.dims, x, *self.windows, self.return_indices, **options)


class AvgPool(WindowPool):
    """:func:`~huashi.pooling.avg_pool2d` as a module."""

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
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        kernel_size, stride, padding, dilation, ceil_mode = self.windows
        return functional.avg_pool(
            self.dims,
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


class LPPool(WindowPool):
    """:func:`~huashi.pooling.lp_pool2d` as a module."""

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
        *,
        padding: Padding = 0,
        dilation: Size = 1,
        reduction: str = "sum",
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_positive("norm_type", norm_type)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.norm_type = norm_type
        self.reduction = reduction

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        kernel_size, stride, padding, dilation, ceil_mode = self.windows
        return functional.lp_pool(
            self.dims,
            x,
            self.norm_type,
            kernel_size,
            stride,
            ceil_mode,
            padding=padding,
            dilation=dilation,
            reduction=self.reduction,
            mask=mask,
            lengths=lengths,
        )

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, {super().extra_repr()}, reduction={self.reduction}"


class GeMPool(WindowPool):
    """:func:`~huashi.pooling.gem_pool2d` with a learned exponent."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        p: float = 3.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_positive("p", p)
        check_positive("eps", eps)
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"eps": self.eps, "mask": mask, "lengths": lengths}
        return functional.gem_pool(self.dims, x, self.p, *self.windows, **options)


class StochasticPool(WindowPool):
    """:func:`~huashi.pooling.stochastic_pool2d` as a module: it draws in training mode."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        weights: str = "relu",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_choice("weights", weights, ("relu", "softmax"))
        self.weights = weights
        self.generator = generator

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return functional.stochastic_pool(
            self.dims,
            x,
            *self.windows,
            weights=self.weights,
            training=self.training,
            generator=self.generator,
            mask=mask,
            lengths=lengths,
        )


class SoftPool(WindowPool):
    """:func:`~huashi.pooling.soft_pool2d` as a module."""

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return functional.soft_pool(self.dims, x, *self.windows, mask=mask, lengths=lengths)


class LogSumExpPool(WindowPool):
    """:func:`~huashi.pooling.log_sum_exp_pool2d` with a learned sharpness."""

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
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"mask": mask, "lengths": lengths}
        return functional.log_sum_exp_pool(self.dims, x, self.r, *self.windows, **options)


class SortPool(WindowPool):
    """:func:`~huashi.pooling.sort_pool2d` with learned scores, at first drawn from N(0, 0.1^2)."""

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
        check_positive("k", k)
        shape = (k,) if channels is None else (channels, k)
        self.scores = nn.Parameter(0.1 * torch.randn(shape, generator=generator))

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"mask": mask, "lengths": lengths}
        return functional.sort_pool(self.dims, x, self.scores, *self.windows, **options)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, scores={tuple(self.scores.shape)}"


class QuantilePool(WindowPool):
    """:func:`~huashi.pooling.quantile_pool2d` as a module."""

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
        if not 0 <= q <= 1:
            raise ValueError(f"q must be in [0, 1], got {q}")
        self.q = q

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"mask": mask, "lengths": lengths}
        return functional.quantile_pool(self.dims, x, self.q, *self.windows, **options)

    def extra_repr(self) -> str:
        return f"q={self.q}, {super().extra_repr()}"


class MedianPool(WindowPool):
    """:func:`~huashi.pooling.median_pool2d` as a module."""

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return functional.median_pool(self.dims, x, *self.windows, mask=mask, lengths=lengths)


MaxPool1d, MaxPool2d, MaxPool3d = each_dimension_module(MaxPool)
MinPool1d, MinPool2d, MinPool3d = each_dimension_module(MinPool)
AvgPool1d, AvgPool2d, AvgPool3d = each_dimension_module(AvgPool)
LPPool1d, LPPool2d, LPPool3d = each_dimension_module(LPPool)
GeMPool1d, GeMPool2d, GeMPool3d = each_dimension_module(GeMPool)
StochasticPool1d, StochasticPool2d, StochasticPool3d = each_dimension_module(StochasticPool)
SoftPool1d, SoftPool2d, SoftPool3d = each_dimension_module(SoftPool)
LogSumExpPool1d, LogSumExpPool2d, LogSumExpPool3d = each_dimension_module(LogSumExpPool)
SortPool1d, SortPool2d, SortPool3d = each_dimension_module(SortPool)
QuantilePool1d, QuantilePool2d, QuantilePool3d = each_dimension_module(QuantilePool)
MedianPool1d, MedianPool2d, MedianPool3d = each_dimension_module(MedianPool)
