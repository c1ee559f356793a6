"""A maximum everywhere, of which random rows and columns are kept (Zhai et al., 2017)."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from huashi._checks import as_bool
from huashi._kernel.operator import without_kernel
from huashi._windows import Size, each_axis
from huashi.pooling import average, extrema, reference
from huashi.pooling.arguments import check_input, real_elements
from huashi.pooling.dimensions import each_dimension, each_dimension_module

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "s3_pool1d", "s3_pool2d", "s3_pool3d",
    "S3Pool1d", "S3Pool2d", "S3Pool3d",
]
# fmt: on


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
        {shared}
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        training: draw; False gives the average.
        generator: where the random numbers come from, on the device of ``x``.

    Returns:
        {pooled}, each ``length // stride``, in the dtype of ``x``, averages accumulated in float32
        or wider; 0 where there is no real element.

    Raises:
        ValueError: an argument is out of its range, or ``grid_size`` is no multiple of ``stride``.
        {errors}

    >>> s3_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2, training=False)  # of 5, 5, 4, 4
    tensor([[5., 4.]])
    """
    check_input(dims, x)
    full = x.shape[-dims:]
    strides, grids = _strides_and_grids(dims, kernel_size, stride, grid_size)
    if any(length < s for length, s in zip(full, strides, strict=True)):
        raise ValueError(f"stride must be at most the size of x {tuple(full)}, got {strides}")
    real = real_elements(dims, x, mask, lengths)
    y: Any = extrema.max_pool(dims, x, kernel_size, 1, "same", mask=mask, lengths=lengths)
    if real is not None:
        real = extrema.mask_pool(dims, real.expand_as(x), kernel_size, 1, "same")
    if not as_bool("training", training):
        return average.avg_pool(dims, y, strides, count_include_pad=False, mask=real)
    if real is not None:
        y = torch.where(real, y, 0)
    return _random_rows_and_columns(y, grids, strides, generator)


@without_kernel("rows and columns of a tensor are taken by torch")
def _random_rows_and_columns(
    y: Tensor,
    grids: tuple[int, ...],
    strides: tuple[int, ...],
    generator: torch.Generator | None,
) -> Tensor:
    """Random rows and columns of each cell of ``y``, the same for all channels of a sample."""
    dims = len(grids)
    lead = y.shape[: -dims - 1]
    for dim in range(dims):
        draws = reference.uniform((*lead, y.shape[dim - dims]), y, generator)
        kept = _kept(draws, grids[dim], strides[dim])
        shape = [1] * (dims + 1)
        shape[dim + 1] = kept.shape[-1]
        y = torch.take_along_dim(y, kept.view(*lead, *shape), dim - dims)
    return y


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


class S3Pool(nn.Module):
    """:func:`~huashi.pooling.s3_pool{dims}d` as a module: it draws in training mode."""

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
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
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


s3_pool1d, s3_pool2d, s3_pool3d = each_dimension(
    s3_pool, lambda f, x: f(x, 2), lambda f, x: f(x, 2, training=False)
)


S3Pool1d, S3Pool2d, S3Pool3d = each_dimension_module(S3Pool, (s3_pool1d, s3_pool2d, s3_pool3d))
