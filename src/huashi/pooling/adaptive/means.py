"""Averages, norms and means of each of a given number of bins."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi.pooling import average, exponentials, powers, reference, torch_pools
from huashi.pooling.adaptive.windows import AdaptivePool, OutputSize, adaptive_pool
from huashi.pooling.arguments import scalar, shown
from huashi.pooling.bins import AnyAxis
from huashi.pooling.dimensions import each_dimension, each_dimension_module

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_lp_pool1d", "adaptive_lp_pool2d", "adaptive_lp_pool3d",
    "adaptive_gem_pool1d", "adaptive_gem_pool2d", "adaptive_gem_pool3d",
    "adaptive_soft_pool1d", "adaptive_soft_pool2d", "adaptive_soft_pool3d",
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d",
    "AdaptiveLPPool1d", "AdaptiveLPPool2d", "AdaptiveLPPool3d",
    "AdaptiveGeMPool1d", "AdaptiveGeMPool2d", "AdaptiveGeMPool3d",
    "AdaptiveSoftPool1d", "AdaptiveSoftPool2d", "AdaptiveSoftPool3d",
]
# fmt: on


def adaptive_avg_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The mean of the real elements of each of ``output_size`` bins; 0 where there are none.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Args:
        {shared}

    Returns:
        {bins}, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        {errors}

    >>> adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[4.0000, 5.3333]])
    """

    def torch_pool(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # torch adds up in that of x
        return torch_pools.ADAPTIVE_AVERAGE[dims](wide, sizes).to(x.dtype)

    windows = partial(average.avg_pool, dims, count_include_pad=False)
    bins = partial(reference.average, count_include_pad=False)
    return adaptive_pool(dims, x, output_size, mask, lengths, windows, bins, torch_pool)


def adaptive_lp_pool(
    dims: int,
    x: Tensor,
    norm_type: float,
    output_size: OutputSize,
    *,
    reduction: str = "sum",
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    Magnitudes are scaled, so that no power overflows. The gradient at 0 is 0.

    Args:
        {shared}
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.

    Returns:
        {bins}, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        {errors}

    >>> adaptive_lp_pool1d(torch.tensor([[3.0, -4.0, 12.0]]), 2, 2)
    tensor([[ 5.0000, 12.6491]])
    """
    check_positive("norm_type", norm_type)
    check_choice("reduction", reduction, ("sum", "mean"))
    windows = partial(powers.lp_pool, dims, norm_type=norm_type, reduction=reduction)
    bins = partial(reference.lp, p=float(norm_type), mean=reduction == "mean")
    return adaptive_pool(dims, x, output_size, mask, lengths, windows, bins)


def adaptive_gem_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    *,
    p: Tensor | float,
    eps: float = 1e-6,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    A bin without a real element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        {shared}
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.

    Returns:
        {bins}, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        {errors}

    >>> adaptive_gem_pool1d(torch.tensor([[1.0, 7.0, 1.0]]), 2, p=2)
    tensor([[5., 5.]])
    """
    check_positive("eps", eps)
    windows = partial(powers.gem_pool, dims, p=p, eps=eps)

    def bins(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None) -> Tensor:
        return reference.power(x, axes, scalar("p", p, x), mask, eps=eps)

    return adaptive_pool(dims, x, output_size, mask, lengths, windows, bins)


def adaptive_soft_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``sum softmax(x)_i x_i`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        {shared}

    Returns:
        {bins}, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        {errors}

    >>> adaptive_soft_pool1d(torch.tensor([[0.0, 100.0, 0.0, 0.0, 0.0]]), 2)
    tensor([[100.,   0.]])
    """
    windows = partial(exponentials.soft_pool, dims)
    return adaptive_pool(dims, x, output_size, mask, lengths, windows, reference.soft)


class AdaptiveAvgPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_avg_pool{dims}d` as a module."""


class AdaptiveLPPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_lp_pool{dims}d` as a module."""

    def __init__(
        self, norm_type: float, output_size: OutputSize, *, reduction: str = "sum"
    ) -> None:
        super().__init__(output_size)
        check_positive("norm_type", norm_type)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.norm_type = norm_type
        self.reduction = reduction

    @property
    def options(self) -> dict[str, Any]:
        return {"norm_type": self.norm_type, "reduction": self.reduction}

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, {super().extra_repr()}, reduction={self.reduction}"


class AdaptiveGeMPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_gem_pool{dims}d` as a module with a learned exponent.

    Args:
        {shared}
        p: the exponent at first, > 0.
    """

    def __init__(self, output_size: OutputSize, *, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__(output_size)
        check_positive("p", p)
        check_positive("eps", eps)
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    @property
    def options(self) -> dict[str, Any]:
        return {"p": self.p, "eps": self.eps}

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={shown(self.p)}, eps={self.eps}"


class AdaptiveSoftPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_soft_pool{dims}d` as a module."""


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = each_dimension(
    adaptive_avg_pool,
    lambda f, x: f(x, 3),
    lambda f, x: f(x, 2),
    by_torch=torch_pools.adaptive_avg_pool,
)


adaptive_lp_pool1d, adaptive_lp_pool2d, adaptive_lp_pool3d = each_dimension(
    adaptive_lp_pool,
    lambda f, x: f(x, 2, 3),
    lambda f, x: f(x, 2, 2),
)


adaptive_gem_pool1d, adaptive_gem_pool2d, adaptive_gem_pool3d = each_dimension(
    adaptive_gem_pool,
    lambda f, x: f(x, 3, p=3),
    lambda f, x: f(x, 2, p=3),
    once_first="p",
)


adaptive_soft_pool1d, adaptive_soft_pool2d, adaptive_soft_pool3d = each_dimension(
    adaptive_soft_pool,
    lambda f, x: f(x, 3),
    lambda f, x: f(x, 2),
)


AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = each_dimension_module(
    AdaptiveAvgPool, (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
)


AdaptiveLPPool1d, AdaptiveLPPool2d, AdaptiveLPPool3d = each_dimension_module(
    AdaptiveLPPool, (adaptive_lp_pool1d, adaptive_lp_pool2d, adaptive_lp_pool3d)
)


AdaptiveGeMPool1d, AdaptiveGeMPool2d, AdaptiveGeMPool3d = each_dimension_module(
    AdaptiveGeMPool, (adaptive_gem_pool1d, adaptive_gem_pool2d, adaptive_gem_pool3d)
)


AdaptiveSoftPool1d, AdaptiveSoftPool2d, AdaptiveSoftPool3d = each_dimension_module(
    AdaptiveSoftPool, (adaptive_soft_pool1d, adaptive_soft_pool2d, adaptive_soft_pool3d)
)
