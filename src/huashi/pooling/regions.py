r"""Pools whose regions follow from the size of the output, or from chance.

- Adaptive: of :math:`O` outputs along :math:`L` elements, output :math:`i` has the elements from
  :math:`\lfloor i L / O \rfloor` to before :math:`\lceil (i + 1) L / O \rceil`. Where O divides L
  these are windows like any others, and the pools over windows serve.
- Spatial pyramid: adaptive pools of several sizes, side by side (He et al., 2014).
- Fractional: regions whose edges are a pseudo-random sequence (Graham, 2014).
- S3: a maximum everywhere, of which random rows and columns are kept (Zhai et al., 2017).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice, check_positive
from huashi.pooling import functional, reference
from huashi.pooling.dimensions import each_dimension, each_dimension_module
from huashi.pooling.geometry import AnyAxis, Size, bins_of, each_axis

OutputSize = int | Sequence[int | None] | None
"""One number for all dimensions or one for each; None keeps the size of the input."""
Regions = Size | Literal["disjoint", "overlapping"]
"""Elements of a region, or Graham's regions, which touch or share their edges."""

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


def fractional_max_pool(
    dims: int,
    x: Tensor,
    kernel_size: Regions,
    output_size: Size | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    *,
    training: bool = True,
    generator: torch.Generator | None = None,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The largest element of pseudo-random regions, as many as asked for.

    Along a dimension of L elements with O outputs the edges are :math:`a_i - a_0` with
    :math:`a_i = \lceil \alpha (i + u) \rceil` and u uniform in (0, 1): steps are
    :math:`\lfloor \alpha \rfloor` or :math:`\lceil \alpha \rceil`, of mean :math:`\alpha`. Each
    dimension of each channel of each sample has a u of its own, as in torch.

    Source: Graham: Fractional Max-Pooling, 2014. His overlapping regions cover the input; his
    disjoint ones leave its last element out, and ours do not.

    Args:
        x: (channel, L...) or (batch, channel, L...), floating-point or integer.
        kernel_size: elements of a region, one number or one for each dimension, which begins at
            an edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies, int64.
        training: draw u; False sets it to 1/2.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers.

    Returns:
        The maxima, (..., channel, output_size...), and with ``return_indices`` their indices in the
        flattened dimensions. As in :func:`max_pool2d`, a region without a real element gives -inf.

    Raises:
        ValueError: an argument is out of its range, both or none of ``output_size`` and
            ``output_ratio`` are given, or there is no room for so many regions.
        TypeError: an argument is of the wrong kind.

    >>> x = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    >>> fractional_max_pool1d(x, "disjoint", 3, training=False)  # 1 2 | 3 4 | 5
    tensor([[2., 4., 5.]])
    """
    functional.check_input(dims, x, integers=True)
    real = functional.real_elements(dims, x, mask, lengths)
    full, lead = x.shape[-dims:], x.shape[:-dims]
    kernels = _region_kernels(dims, kernel_size)
    outputs = _fractional_sizes(full, kernels, output_size, output_ratio)
    u = torch.full((*lead, dims), 0.5, device=x.device)
    if training:
        u = torch.rand(u.shape, generator=generator, device=x.device)
    with torch.no_grad():  # only the elements that won are read once more, for the gradient
        places, inside = torch.zeros((), dtype=torch.long, device=x.device), u.new_ones(()).bool()
        for dim, (length, kernel) in enumerate(zip(full, kernels, strict=True)):
            index, there = _fractional_regions(length, outputs[dim], kernel, u[..., dim, None])
            shape = [1] * (2 * dims)
            shape[dim], shape[dims + dim] = index.shape[-2:]
            places = places * length + index.view(*lead, *shape)
            inside = inside & there.view(*lead, *shape)
        places, inside = (t.flatten(-dims) for t in torch.broadcast_tensors(places, inside))
        flat = places.flatten(len(lead))
        if real is not None:
            seen = real.expand_as(x).flatten(-dims).gather(-1, flat)
            inside = inside & seen.view(places.shape)
        values = x.flatten(-dims).gather(-1, flat).view(places.shape)
        found, index = reference.extremum_of(reference.Windows(values, inside, places))
        sample = torch.arange(lead.numel(), device=x.device).view(*lead, *[1] * dims)
        at = sample * full.numel() + index.clamp(min=0)
    y = torch.where(index < 0, found, x.flatten()[at])
    return (y, index) if return_indices else y


def s3_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    grid_size: Size | None = None,
    *,
    training: bool = True,
    generator: torch.Generator | None = None,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The maximum around every element, of which random rows and columns are kept.

    First a maximum with stride 1, padded as ``"same"``. Then each dimension is cut into cells of
    g = ``grid_size`` elements, and of each cell g / stride are kept, at random and in their order;
    a last cell of only r elements keeps r // stride. The channels of a sample keep the same ones.
    When not training, each ``stride`` elements are averaged instead.

    Source: Zhai, Wu, Zhang, Li, Cai, Tu: S3Pool: Pooling with Stochastic Spatial Sampling, 2017.

    Args:
        x: (channel, L...) or (batch, channel, L...), floating-point.
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        training: draw; False gives the average.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers.

    Returns:
        (..., channel, L // stride...); 0 where there is no real element.

    Raises:
        ValueError: an argument is out of its range, or ``grid_size`` is no multiple of ``stride``.
        TypeError: an argument is of the wrong kind.

    >>> s3_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2, training=False)  # of 5, 5, 4, 4
    tensor([[5., 4.]])
    """
    functional.check_input(dims, x)
    full, lead = x.shape[-dims:], x.shape[: -dims - 1]
    strides, grids = _strides_and_grids(dims, kernel_size, stride, grid_size)
    if any(length < s for length, s in zip(full, strides, strict=True)):
        raise ValueError(f"stride must be at most the size of x {tuple(full)}, got {strides}")
    real = functional.real_elements(dims, x, mask, lengths)
    y: Any = functional.max_pool(dims, x, kernel_size, 1, "same", mask=mask, lengths=lengths)
    if real is not None:
        real = functional.mask_pool(dims, real.expand_as(x), kernel_size, 1, "same")
    if not training:
        return functional.avg_pool(dims, y, strides, count_include_pad=False, mask=real)
    if real is not None:
        y = torch.where(real, y, 0)
    for dim in range(dims):
        draws = torch.rand((*lead, full[dim]), generator=generator, device=x.device)
        kept = _kept(draws, grids[dim], strides[dim])
        shape = [1] * (dims + 1)
        shape[dim + 1] = kept.shape[-1]
        y = torch.take_along_dim(y, kept.view(*lead, *shape), dim - dims)
    return y


def _region_kernels(dims: int, kernel_size: Regions) -> tuple[int | str, ...]:
    if isinstance(kernel_size, str):
        check_choice("kernel_size", kernel_size, ("disjoint", "overlapping"))
        return (kernel_size,) * dims
    return each_axis("kernel_size", kernel_size, dims, least=1)


def _fractional_sizes(
    full: Sequence[int],
    kernels: Sequence[int | str],
    output_size: Size | None,
    output_ratio: float | Sequence[float] | None,
) -> tuple[int, ...]:
    """How many regions there are along each dimension, once there is room for them."""
    n = len(full)
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            "output_size or output_ratio must be given, and not both, got "
            f"{output_size} and {output_ratio}"
        )
    if output_ratio is not None:
        ratios = tuple(output_ratio) if isinstance(output_ratio, Sequence) else (output_ratio,) * n
        if len(ratios) != n or not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(
                f"output_ratio must be in (0, 1), one or {n} of them, got {output_ratio}"
            )
        output_size = [int(length * r) for length, r in zip(full, ratios, strict=True)]
    outputs = each_axis("output_size", output_size or 0, n, least=1)
    for length, kernel, output in zip(full, kernels, outputs, strict=True):
        size = kernel if isinstance(kernel, int) else 1
        if output + size - 1 > length:
            raise ValueError(
                f"output_size must leave room for regions of {size} in {length} elements, "
                f"got {output}"
            )
    return outputs


def _fractional_regions(
    length: int, output: int, kernel: int | str, u: Tensor
) -> tuple[Tensor, Tensor]:
    """Index of each element of each region, (..., output, most elements), and whether it is in it.

    In integers the edges are exact: of a span n in m steps, ceil(n / m (i + u)) is one more than
    the floor, almost surely, and that is (n i + floor(n u)) // m.
    """
    if isinstance(kernel, int):
        span, steps = length - kernel, output - 1
    else:
        span, steps = length - (kernel == "overlapping"), output
    i = torch.arange(steps + 1, device=u.device)
    shift = (span * u).long()
    edges = (span * i + shift) // max(steps, 1) - shift // max(steps, 1)
    edges = torch.where(i == steps, span, edges)  # also if there is only one, and no step
    if isinstance(kernel, int):
        first, size, most = edges, kernel, kernel
    else:
        more = int(kernel == "overlapping")
        first, size, most = edges[..., :-1], edges.diff() + more, -(-span // steps) + more
    element = torch.arange(most, device=u.device)
    index = first[..., None] + element
    ends = size[..., None] if isinstance(size, Tensor) else size
    return index.clamp(max=length - 1), (element < ends).expand(index.shape)


def _strides_and_grids(
    dims: int, kernel_size: Size, stride: Size | None, grid_size: Size | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The strides and the sizes of the cells."""
    strides = each_axis("stride", kernel_size if stride is None else stride, dims, least=1)
    grids = strides if grid_size is None else each_axis("grid_size", grid_size, dims, least=1)
    if any(grid % s for grid, s in zip(grids, strides, strict=True)):
        raise ValueError(f"grid_size must be a multiple of stride {strides}, got {grids}")
    return strides, grids


def _kept(draws: Tensor, grid: int, stride: int) -> Tensor:
    """Which elements of a dimension are kept, in order: of each cell those of the largest draws."""
    length = draws.shape[-1]
    whole = length - length % grid
    kept = []
    for start, stop, size in ((0, whole, grid), (whole, length, length - whole)):
        if size >= stride and stop > start:
            cells = draws[..., start:stop].unflatten(-1, (-1, size))
            inside = cells.topk(size // stride).indices.sort(-1).values
            first = torch.arange(start, stop, size, device=draws.device)
            kept.append((inside + first[:, None]).flatten(-2))
    return torch.cat(kept, -1)


class FractionalMaxPool(nn.Module):
    """:func:`~huashi.pooling.fractional_max_pool2d` as a module: it draws in training mode."""

    dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Regions,
        output_size: Size | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        kernels = _region_kernels(self.dims, kernel_size)
        _fractional_sizes([_ANY_LENGTH] * self.dims, kernels, output_size, output_ratio)
        self.kernel_size: Regions = kernel_size
        self.output_size = output_size
        self.output_ratio = output_ratio
        self.return_indices = return_indices
        self.generator = generator

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        return fractional_max_pool(
            self.dims,
            x,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            training=self.training,
            generator=self.generator,
            mask=mask,
            lengths=lengths,
        )

    def extra_repr(self) -> str:
        names = "kernel_size", "output_size", "output_ratio"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class S3Pool(nn.Module):
    """:func:`~huashi.pooling.s3_pool2d` as a module: it draws in training mode."""

    dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        grid_size: Size | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        each_axis("kernel_size", kernel_size, self.dims, least=1)
        _strides_and_grids(self.dims, kernel_size, stride, grid_size)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.grid_size = self.stride if grid_size is None else grid_size
        self.generator = generator

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return s3_pool(
            self.dims,
            x,
            self.kernel_size,
            self.stride,
            self.grid_size,
            training=self.training,
            generator=self.generator,
            mask=mask,
            lengths=lengths,
        )

    def extra_repr(self) -> str:
        names = "kernel_size", "stride", "grid_size"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = each_dimension(adaptive_max_pool)
adaptive_min_pool1d, adaptive_min_pool2d, adaptive_min_pool3d = each_dimension(adaptive_min_pool)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = each_dimension(adaptive_avg_pool)
adaptive_lp_pool1d, adaptive_lp_pool2d, adaptive_lp_pool3d = each_dimension(adaptive_lp_pool)
adaptive_gem_pool1d, adaptive_gem_pool2d, adaptive_gem_pool3d = each_dimension(adaptive_gem_pool)
adaptive_soft_pool1d, adaptive_soft_pool2d, adaptive_soft_pool3d = each_dimension(
    adaptive_soft_pool
)
fractional_max_pool1d, fractional_max_pool2d, fractional_max_pool3d = each_dimension(
    fractional_max_pool
)
s3_pool1d, s3_pool2d, s3_pool3d = each_dimension(s3_pool)

AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = each_dimension_module(AdaptiveMaxPool)
AdaptiveMinPool1d, AdaptiveMinPool2d, AdaptiveMinPool3d = each_dimension_module(AdaptiveMinPool)
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = each_dimension_module(AdaptiveAvgPool)
AdaptiveLPPool1d, AdaptiveLPPool2d, AdaptiveLPPool3d = each_dimension_module(AdaptiveLPPool)
AdaptiveGeMPool1d, AdaptiveGeMPool2d, AdaptiveGeMPool3d = each_dimension_module(AdaptiveGeMPool)
AdaptiveSoftPool1d, AdaptiveSoftPool2d, AdaptiveSoftPool3d = each_dimension_module(AdaptiveSoftPool)
FractionalMaxPool1d, FractionalMaxPool2d, FractionalMaxPool3d = each_dimension_module(
    FractionalMaxPool
)
S3Pool1d, S3Pool2d, S3Pool3d = each_dimension_module(S3Pool)
