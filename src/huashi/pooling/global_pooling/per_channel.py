"""Global pools: one number for each channel, over all its positions.

``(batch, channel, L...)`` to ``(batch, channel)``, for one to three dimensions L. Each is the pool
over windows with one window, as large as the input, so that the kernels of those serve here too.
What ``mask`` or ``lengths`` leave out is absent: the result is that of the trimmed sample.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi._kernel.example import example
from huashi.pooling import average, exponentials, extrema, powers, torch_pools
from huashi.pooling.arguments import shown
from huashi.pooling.docstrings import OF_ALL, as_module_of, shares
from huashi.pooling.global_pooling.module import GlobalPool, pooled_dimensions

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "global_max_pool",
    "global_min_pool",
    "global_avg_pool",
    "global_lp_pool",
    "global_gem_pool",
    "global_log_sum_exp_pool",
    "global_soft_pool",
    "GlobalMaxPool",
    "GlobalMinPool",
    "GlobalAvgPool",
    "GlobalLPPool",
    "GlobalGeMPool",
    "GlobalLogSumExpPool",
    "GlobalSoftPool",
]
# fmt: on


@example((2, 3, 4, 6), integers=True)
@example((2, 3, 64, 64), integers=True)
@example((2, 3, 4096), integers=True)
@example((2, 3, 16, 16, 16), integers=True)
@shares(OF_ALL)
def global_max_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """The largest element of each channel; the first of equals gets the gradient.

    Args:
        {shared}
        x: (batch, channel, L...), one to three dimensions L, floating-point or integer.

    Returns:
        (batch, channel), in the dtype of ``x``, nothing is accumulated; -inf (the least integer of
        an integer dtype) where nothing is real.

    Raises:
        {errors}

    >>> global_max_pool(torch.tensor([[[1.0, 5.0, 9.0]]]), lengths=torch.tensor([2]))
    tensor([[5.]])
    """
    return _over_all(extrema.max_pool, x, mask=mask, lengths=lengths)


@example((2, 3, 4, 6), integers=True)
@shares(OF_ALL)
def global_min_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """The smallest element of each channel; the first of equals gets the gradient.

    Args:
        {shared}
        x: (batch, channel, L...), one to three dimensions L, floating-point or integer.

    Returns:
        (batch, channel), in the dtype of ``x``, nothing is accumulated; inf (the greatest integer
        of an integer dtype) where nothing is real.

    Raises:
        {errors}

    >>> global_min_pool(torch.tensor([[[[1.0, 5.0], [0.0, 9.0]]]]))
    tensor([[0.]])
    """
    return _over_all(extrema.min_pool, x, mask=mask, lengths=lengths)


@example((2, 3, 4, 6))
@example((2, 3, 64, 64))
@shares(OF_ALL)
def global_avg_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """The mean of each channel's real elements.

    Source: Lin, Chen, Yan: Network in Network, 2013.

    Args:
        {shared}

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        {errors}

    >>> global_avg_pool(torch.tensor([[[1.0, 5.0, 9.0]]]), lengths=torch.tensor([2]))
    tensor([[3.]])
    """
    plain = mask is None and lengths is None and torch_pools.may_be_for_torch(x)
    if plain and 2 < x.ndim < 6 and x.is_floating_point() and 0 not in x.shape[1:]:
        return x.mean(tuple(range(2, x.ndim)))
    options = {"count_include_pad": False, "mask": mask, "lengths": lengths}
    return _over_all(average.avg_pool, x, **options)


@example((2, 3, 4, 6), call=lambda f, x: f(x, 3))
@example((2, 3, 64, 64), call=lambda f, x: f(x, 2))
@example((2, 3, 64, 64), call=lambda f, x: f(x, 3))
@shares(OF_ALL)
def global_lp_pool(
    x: Tensor,
    norm_type: float,
    *,
    reduction: str = "sum",
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each channel, or the mean inside the root.

    Magnitudes are scaled, so that no power overflows. The gradient at 0 is 0.

    Args:
        {shared}
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        {errors}

    >>> global_lp_pool(torch.tensor([[[3.0, -4.0]]]), 2)
    tensor([[5.]])
    """
    options = {"reduction": reduction, "mask": mask, "lengths": lengths}
    return _over_all(powers.lp_pool, x, norm_type=norm_type, **options)


@example((2, 3, 4, 6))
@example((2, 3, 64, 64))
@example((2, 3, 64, 64), (), call=lambda f, x, p: f(x, p.exp()))
@shares(OF_ALL)
def global_gem_pool(
    x: Tensor,
    p: Tensor | float = 3.0,
    eps: float = 1e-6,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each channel.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        {shared}
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        {errors}

    >>> global_gem_pool(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    tensor([[2.9240]])
    """
    return _over_all(powers.gem_pool, x, p=p, eps=eps, mask=mask, lengths=lengths)


@example((2, 3, 4, 6), call=lambda f, x: f(x, 2.0))
@shares(OF_ALL)
def global_log_sum_exp_pool(
    x: Tensor,
    r: Tensor | float,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each channel, from its mean to its maximum as r grows.

    Source: Pinheiro and Collobert: From Image-level to Pixel-level Labeling with Convolutional
    Networks, 2015.

    Args:
        {shared}
        r: sharpness > 0, a number or a 0-d tensor; differentiable.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        {errors}

    >>> global_log_sum_exp_pool(torch.tensor([[[0.0, 90.0]]]), 1.0)
    tensor([[89.3069]])
    """
    return _over_all(exponentials.log_sum_exp_pool, x, r=r, mask=mask, lengths=lengths)


@example((2, 3, 4, 6))
@shares(OF_ALL)
def global_soft_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """``sum softmax(x)_i x_i`` of each channel.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        {shared}

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        {errors}

    >>> global_soft_pool(torch.tensor([[[0.0, 100.0]]]))
    tensor([[100.]])
    """
    return _over_all(exponentials.soft_pool, x, mask=mask, lengths=lengths)


def _over_all(pool: Callable[..., Any], x: Tensor, **options: Any) -> Tensor:
    """A pool over windows, with one window."""
    dims = pooled_dimensions(x)
    return pool(dims, x, kernel_size=list(x.shape[2:]), **options).flatten(1)


@as_module_of(global_max_pool)
class GlobalMaxPool(GlobalPool):
    """:func:`~huashi.pooling.global_max_pool` as a module."""

    pool = staticmethod(global_max_pool)


@as_module_of(global_min_pool)
class GlobalMinPool(GlobalPool):
    """:func:`~huashi.pooling.global_min_pool` as a module."""

    pool = staticmethod(global_min_pool)


@as_module_of(global_avg_pool)
class GlobalAvgPool(GlobalPool):
    """:func:`~huashi.pooling.global_avg_pool` as a module."""

    pool = staticmethod(global_avg_pool)


@as_module_of(global_lp_pool)
class GlobalLPPool(GlobalPool):
    """:func:`~huashi.pooling.global_lp_pool` as a module."""

    pool = staticmethod(global_lp_pool)

    def __init__(self, norm_type: float, *, reduction: str = "sum") -> None:
        super().__init__()
        check_positive("norm_type", norm_type)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.norm_type = norm_type
        self.reduction = reduction

    @property
    def options(self) -> dict[str, Any]:
        return {"norm_type": self.norm_type, "reduction": self.reduction}

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, reduction={self.reduction}"


@as_module_of(global_gem_pool)
class GlobalGeMPool(GlobalPool):
    """:func:`~huashi.pooling.global_gem_pool` as a module with a learned exponent.

    Args:
        {shared}
        p: the exponent at first, > 0.
    """

    pool = staticmethod(global_gem_pool)

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        check_positive("p", p)
        check_positive("eps", eps)
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    @property
    def options(self) -> dict[str, Any]:
        return {"p": self.p, "eps": self.eps}

    def extra_repr(self) -> str:
        return f"p={shown(self.p)}, eps={self.eps}"


@as_module_of(global_log_sum_exp_pool)
class GlobalLogSumExpPool(GlobalPool):
    """:func:`~huashi.pooling.global_log_sum_exp_pool` as a module with a learned sharpness.

    Args:
        {shared}
        r: the sharpness at first, > 0.
    """

    pool = staticmethod(global_log_sum_exp_pool)

    def __init__(self, r: float = 10.0) -> None:
        super().__init__()
        check_positive("r", r)
        self.r = nn.Parameter(torch.tensor(float(r)))

    @property
    def options(self) -> dict[str, Any]:
        return {"r": self.r}

    def extra_repr(self) -> str:
        return f"r={shown(self.r)}"


@as_module_of(global_soft_pool)
class GlobalSoftPool(GlobalPool):
    """:func:`~huashi.pooling.global_soft_pool` as a module."""

    pool = staticmethod(global_soft_pool)
