r"""Pools of which the size of the output is given.

- Adaptive: of :math:`O` outputs along :math:`L` elements, output :math:`i` has the elements from
  :math:`\lfloor i L / O \rfloor` to before :math:`\lceil (i + 1) L / O \rceil`. Where O divides L
  these are windows like any others, and the pools over windows serve.
- Spatial pyramid: adaptive pools of several sizes, side by side (He et al., 2014).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice, check_positive
from huashi.pooling import functional, reference
from huashi.pooling.dimensions import each_dimension, each_dimension_module
from huashi.pooling.geometry import AnyAxis, bins_of, each_axis

OutputSize = int | Sequence[int | None] | None
"""One number for all dimensions or one for each; None keeps the size of the input."""
_ANY_LENGTH = 2**40
_MAX: dict[int, Callable[..., Any]] = {
    1: F.adaptive_max_pool1d,
    2: F.adaptive_max_pool2d,
    3: F.adaptive_max_pool3d,
}
_AVG: dict[int, Callable[..., Any]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
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

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives -inf (the least integer of an integer dtype) and index -1.

    Args:
        x: (channel, L...) or (batch, channel, L...), floating-point or integer.
        output_size: bins along each dimension, one number or one for each; None for as many as
            there are elements.
        return_indices: also give where each maximum lies.
        mask: True where an element is real, bool, broadcastable to ``x``.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers.
            The bins are those of the whole length all the same.

    Returns:
        The maxima, (..., channel, output_size...), and with ``return_indices`` their int64 indices
        in the flattened dimensions.

    Raises:
        ValueError: an argument is out of its range.
        TypeError: an argument is of the wrong kind.

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
    """The smallest element of each bin. Takes what :func:`adaptive_max_pool2d` takes.

    >>> adaptive_min_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[1., 3.]])
    """
    return _adaptive_extremum(dims, x, output_size, return_indices, mask, lengths, sign=-1)


def adaptive_avg_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The mean of the real elements of each bin; 0 where there are none.

    Takes what :func:`adaptive_max_pool2d` takes.

    >>> adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[4.0000, 5.3333]])
    """
    windows = partial(functional.avg_pool, dims, x, count_include_pad=False)
    bins = partial(reference.average, count_include_pad=False)
    return _adaptive(dims, x, output_size, mask, lengths, windows, bins, _AVG[dims])


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
    """``(sum |x|^p)^(1/p)`` of each bin, or the mean inside the root; 0 for an empty one.

    Takes what :func:`adaptive_max_pool2d` takes, and ``norm_type`` and ``reduction`` as
    :func:`lp_pool2d` does.

    >>> adaptive_lp_pool1d(torch.tensor([[3.0, -4.0, 12.0]]), 2, 2)
    tensor([[ 5.0000, 12.6491]])
    """
    check_positive("norm_type", norm_type)
    check_choice("reduction", reduction, ("sum", "mean"))
    windows = partial(functional.lp_pool, dims, x, norm_type, reduction=reduction)
    bins = partial(reference.lp, p=float(norm_type), mean=reduction == "mean")
    return _adaptive(dims, x, output_size, mask, lengths, windows, bins)


def adaptive_gem_pool(
    dims: int,
    x: Tensor,
    p: Tensor | float,
    output_size: OutputSize,
    *,
    eps: float = 1e-6,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each bin; 0 for an empty one.

    Takes what :func:`adaptive_max_pool2d` takes, and ``p`` and ``eps`` as :func:`gem_pool2d` does.

    >>> adaptive_gem_pool1d(torch.tensor([[1.0, 7.0, 1.0]]), 2, 2)
    tensor([[5., 5.]])
    """
    check_positive("eps", eps)
    windows = partial(functional.gem_pool, dims, x, p, eps=eps)

    def bins(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None) -> Tensor:
        return reference.power(x, axes, functional.scalar("p", p, x), mask, eps=eps)

    return _adaptive(dims, x, output_size, mask, lengths, windows, bins)


def adaptive_soft_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``sum softmax(x)_i x_i`` of each bin; 0 for an empty one.

    Takes what :func:`adaptive_max_pool2d` takes.

    >>> adaptive_soft_pool1d(torch.tensor([[0.0, 100.0, 0.0, 0.0, 0.0]]), 2)
    tensor([[100.,   0.]])
    """
    windows = partial(functional.soft_pool, dims, x)
    return _adaptive(dims, x, output_size, mask, lengths, windows, reference.soft)


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
        x: (channel, height, width) or (batch, channel, height, width).
        levels: bins along a side, for each level.
        kind: ``"max"`` or ``"avg"``.
        mask: True where an element is real, bool, broadcastable to ``x``.

    Returns:
        (..., channel * the sum of the squares of ``levels``), level after level, each in the order
        channel, row, column.

    >>> spatial_pyramid_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), levels=(1, 2))
    tensor([4., 1., 2., 3., 4.])
    """
    check_choice("kind", kind, ("max", "avg"))
    if not levels:
        raise ValueError(f"levels must have at least one number, got {levels}")
    pool: Callable[..., Any] = adaptive_max_pool if kind == "max" else adaptive_avg_pool
    return torch.cat([pool(2, x, level, mask=mask).flatten(-3) for level in levels], -1)


def _adaptive(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    mask: Tensor | None,
    lengths: Tensor | None,
    windows: Callable[..., Any],
    bins: Callable[..., Any],
    torchs: Callable[..., Any] | None = None,
    *,
    integers: bool = False,
) -> Any:
    """The pool over ``windows`` where they are regular, else torch's own, else that over bins."""
    functional.check_input(dims, x, integers=integers)
    full = x.shape[-dims:]
    sizes = _adaptive_sizes(output_size, full)
    if all(length % size == 0 for length, size in zip(full, sizes, strict=True)):
        kernel = [length // size for length, size in zip(full, sizes, strict=True)]
        return windows(kernel_size=kernel, mask=mask, lengths=lengths)
    real = functional.real_elements(dims, x, mask, lengths)
    # on other devices the gradient of torch's own adds up in no certain order
    certain = x.device.type == "cpu" or not (x.requires_grad and torch.is_grad_enabled())
    certain &= not torch.compiler.is_exporting()  # ONNX has no such maximum
    if torchs is not None and real is None and x.is_floating_point() and certain:
        return torchs(x, sizes)
    return bins(x, tuple(map(bins_of, full, sizes)), mask=real)


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
    def torchs(x: Tensor, sizes: tuple[int, ...]) -> Any:
        y, index = _MAX[dims](x if sign > 0 else -x, sizes, return_indices=True)
        y = y if sign > 0 else -y
        return (y, index) if return_indices else y

    def bins(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None) -> Any:
        y, index = reference.extremum(x, axes, mask, sign=sign)
        return (y, index) if return_indices else y

    if not isinstance(return_indices, bool):
        raise TypeError(f"return_indices must be a bool, got {return_indices!r}")
    pool = functional.max_pool if sign > 0 else functional.min_pool
    windows = partial(pool, dims, x, return_indices=return_indices)
    return _adaptive(dims, x, output_size, mask, lengths, windows, bins, torchs, integers=True)


def _adaptive_sizes(output_size: OutputSize, full: Sequence[int]) -> tuple[int, ...]:
    """How many bins there are along each dimension."""
    if not isinstance(output_size, Sequence):
        output_size = [output_size] * len(full)
    if len(output_size) == len(full):
        pairs = zip(output_size, full, strict=True)
        output_size = [length if size is None else size for size, length in pairs]
    return each_axis("output_size", output_size, len(full), least=1)  # pyright: ignore[reportArgumentType]


class AdaptivePool(nn.Module):
    """What the adaptive pools share: the size of the output, checked at once, and shown."""

    dims: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        _adaptive_sizes(output_size, [1] * self.dims)
        self.output_size = output_size

    @property
    def options(self) -> dict[str, Any]:
        """What the function takes beside its input and ``output_size``."""
        return {}

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Any:
        options = {**self.options, "mask": mask, "lengths": lengths}
        return self.pool(self.dims, x, output_size=self.output_size, **options)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_max_pool2d` as a module."""

    pool = staticmethod(adaptive_max_pool)

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    @property
    def options(self) -> dict[str, Any]:
        return {"return_indices": self.return_indices}


class AdaptiveMinPool(AdaptiveMaxPool):
    """:func:`~huashi.pooling.adaptive_min_pool2d` as a module."""

    pool = staticmethod(adaptive_min_pool)


class AdaptiveAvgPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_avg_pool2d` as a module."""

    pool = staticmethod(adaptive_avg_pool)


class AdaptiveLPPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_lp_pool2d` as a module."""

    pool = staticmethod(adaptive_lp_pool)

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
    """:func:`~huashi.pooling.adaptive_gem_pool2d` with a learned exponent."""

    pool = staticmethod(adaptive_gem_pool)

    def __init__(self, output_size: OutputSize, *, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__(output_size)
        check_positive("p", p)
        check_positive("eps", eps)
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    @property
    def options(self) -> dict[str, Any]:
        return {"p": self.p, "eps": self.eps}


class AdaptiveSoftPool(AdaptivePool):
    """:func:`~huashi.pooling.adaptive_soft_pool2d` as a module."""

    pool = staticmethod(adaptive_soft_pool)


class SpatialPyramidPool2d(nn.Module):
    """:func:`~huashi.pooling.spatial_pyramid_pool2d` as a module."""

    def __init__(self, levels: Sequence[int] = (1, 2, 4), kind: str = "max") -> None:
        super().__init__()
        check_choice("kind", kind, ("max", "avg"))
        self.levels = tuple(levels)
        self.kind = kind

    def forward(self, x: Tensor, *, mask: Tensor | None = None) -> Tensor:
        return spatial_pyramid_pool2d(x, self.levels, self.kind, mask=mask)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, kind={self.kind}"


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = each_dimension(adaptive_max_pool)
adaptive_min_pool1d, adaptive_min_pool2d, adaptive_min_pool3d = each_dimension(adaptive_min_pool)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = each_dimension(adaptive_avg_pool)
adaptive_lp_pool1d, adaptive_lp_pool2d, adaptive_lp_pool3d = each_dimension(adaptive_lp_pool)
adaptive_gem_pool1d, adaptive_gem_pool2d, adaptive_gem_pool3d = each_dimension(adaptive_gem_pool)
adaptive_soft_pool1d, adaptive_soft_pool2d, adaptive_soft_pool3d = each_dimension(
    adaptive_soft_pool
)
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = each_dimension_module(AdaptiveMaxPool)
AdaptiveMinPool1d, AdaptiveMinPool2d, AdaptiveMinPool3d = each_dimension_module(AdaptiveMinPool)
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = each_dimension_module(AdaptiveAvgPool)
AdaptiveLPPool1d, AdaptiveLPPool2d, AdaptiveLPPool3d = each_dimension_module(AdaptiveLPPool)
AdaptiveGeMPool1d, AdaptiveGeMPool2d, AdaptiveGeMPool3d = each_dimension_module(AdaptiveGeMPool)
AdaptiveSoftPool1d, AdaptiveSoftPool2d, AdaptiveSoftPool3d = each_dimension_module(AdaptiveSoftPool)
