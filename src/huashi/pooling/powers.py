"""Pools by a power of each element: the norm, and the generalised mean."""

import math

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi._kernel.operator import kernel_serves
from huashi._windows import Padding, Size
from huashi.pooling import operators, reference
from huashi.pooling.arguments import checked, scalar, shown
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "gem_pool1d", "gem_pool2d", "gem_pool3d",
    "LPPool1d", "LPPool2d", "LPPool3d",
    "GeMPool1d", "GeMPool2d", "GeMPool3d",
]
# fmt: on


def lp_pool(
    dims: int,
    x: Tensor,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Size = 1,
    reduction: str = "sum",
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each window; 0 for a window without a real element.

    Unlike torch's, it takes magnitudes, so that an odd p is a norm too, and leaves a window that
    is only partly inside as it is. Magnitudes are scaled, so that no power overflows. The gradient
    at 0 is 0.

    Source: Sermanet, Chintala, LeCun: Convolutional Neural Networks Applied to House Numbers Digit
    Classification, 2012.

    Args:
        {shared}
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> lp_pool1d(torch.tensor([[3.0, -4.0, 5.0]]), 2, 2, ceil_mode=True)
    tensor([[5., 5.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_positive("norm_type", norm_type)
    check_choice("reduction", reduction, ("sum", "mean"))
    p, mean = float(norm_type), reduction == "mean"
    plain = p in (1, 2) and x.device.type == "cpu"  # powers that need neither exp nor log
    kernel = "pool_norm" if plain else "pool_formula"
    if kernel_serves(kernel, x, real, unless=math.isinf(p) and "infinite exponent"):
        if plain:
            return operators.norm(x, axes, int(p), mean, real)
        kind, p = "lp_mean" if mean else "lp", scalar("norm_type", p, x)
        return operators.formula(x, axes, kind, p, mask=real)
    return reference.lp(x, axes, p, real, mean=mean)


def gem_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    p: Tensor | float,
    eps: float = 1e-6,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each window.

    p = 1 is the mean, p = 2 the L2 pool, and the maximum is the limit. A window without a real
    element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        {shared}
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> gem_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2, p=3)
    tensor([[[2.9240]]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_positive("eps", eps)
    p = scalar("p", p, x)
    if kernel_serves("pool_formula", x, p, real):
        return operators.formula(x, axes, "power", p, eps, real)
    return reference.power(x, axes, p, real, eps=eps)


class LPPool(WindowPool):
    """:func:`~huashi.pooling.lp_pool{dims}d` as a module."""

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
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        kernel_size, stride, padding, dilation, ceil_mode = self.windows
        return lp_pool(
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
    """:func:`~huashi.pooling.gem_pool{dims}d` as a module with a learned exponent.

    Args:
        {shared}
        p: the exponent at first, > 0.
    """

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
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        options = {"eps": self.eps, "mask": mask, "lengths": lengths}
        return gem_pool(self.dims, x, *self.windows, p=self.p, **options)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={shown(self.p)}, eps={self.eps}"


lp_pool1d, lp_pool2d, lp_pool3d = each_dimension(
    lp_pool,
    lambda f, x: f(x, 2, 2),
    lambda f, x: f(x, 1, 3, 2),
    lambda f, x: f(x, 2, 3, 2),
    lambda f, x: f(x, 3, 3, 2),
    Called(lambda f, x: f(x, 1, 3, 2), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 2, 3, 2), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 3, 3, 2), spatial=LONG_ROWS),
)


gem_pool1d, gem_pool2d, gem_pool3d = each_dimension(
    gem_pool,
    Called(lambda f, x, p: f(x, 2, p=p.exp()), more=lambda dims: ((),)),
    Called(lambda f, x, p: f(x, 3, 2, 1, p=p.exp()), more=lambda dims: ((),), spatial=LONG_ROWS),
    once_first="p",
)


LPPool1d, LPPool2d, LPPool3d = each_dimension_module(LPPool, (lp_pool1d, lp_pool2d, lp_pool3d))


GeMPool1d, GeMPool2d, GeMPool3d = each_dimension_module(
    GeMPool, (gem_pool1d, gem_pool2d, gem_pool3d)
)
