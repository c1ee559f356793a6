"""Pools over regions whose edges are a pseudo-random sequence (Graham, 2014)."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from huashi._checks import as_bool, check_choice
from huashi._kernel.operator import without_kernel
from huashi._windows import Size, each_axis
from huashi.pooling import reference
from huashi.pooling.arguments import check_input, real_elements
from huashi.pooling.dimensions import each_dimension, each_dimension_module

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "fractional_max_pool1d", "fractional_max_pool2d", "fractional_max_pool3d",
    "FractionalMaxPool1d", "FractionalMaxPool2d", "FractionalMaxPool3d",
]
# fmt: on

Regions = Size | Literal["disjoint", "overlapping"]
"""Elements of a region, or Graham's regions, which touch or share their edges."""


_ANY_LENGTH = 2**40


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
    dimension of each channel of each sample has a u of its own, as in torch. A region without a
    real element gives -inf and index -1.

    Source: Graham: Fractional Max-Pooling, 2014. His overlapping regions cover the input; his
    disjoint ones leave its last element out, and ours do not.

    Args:
        {shared}
        x: {shape}, floating-point or integer.
        kernel_size: elements of a region, one number or one for each dimension, which begins at
            an edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        training: draw u; False sets it to 1/2.
        generator: where the random numbers come from, on the device of ``x``.

    Returns:
        The maxima, {bins}, in the dtype of ``x``; nothing is accumulated. With ``return_indices``
        also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range, both or none of ``output_size`` and
            ``output_ratio`` are given, or there is no room for so many regions.
        {errors}

    >>> x = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    >>> fractional_max_pool1d(x, "disjoint", 3, training=False)  # 1 2 | 3 4 | 5
    tensor([[2., 4., 5.]])
    """
    check_input(dims, x, integers=True)
    real = real_elements(dims, x, mask, lengths)
    full, lead = x.shape[-dims:], x.shape[:-dims]
    kernels = _region_kernels(dims, kernel_size)
    outputs = _fractional_sizes(full, kernels, output_size, output_ratio)
    return_indices = as_bool("return_indices", return_indices)
    if as_bool("training", training):
        u = reference.uniform((*lead, dims), x, generator)
    else:
        u = torch.full((*lead, dims), 0.5, device=x.device)
    y, index = _fractional_maxima(x, kernels, outputs, u, real)
    return (y, index) if return_indices else y


@without_kernel("each channel of each sample has regions of its own, which torch gathers")
def _fractional_maxima(
    x: Tensor,
    kernels: tuple[int | str, ...],
    outputs: tuple[int, ...],
    u: Tensor,
    real: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The maximum of each region, and its index in the flattened dimensions.

    Args:
        x: (..., channel, L...).
        kernels: of the regions along each dimension.
        outputs: how many regions there are along each dimension.
        u: where the first edges lie, (..., channel, dimensions).
        real: which elements are there, broadcastable to ``x``.
    """
    dims = len(outputs)
    full, lead = x.shape[-dims:], x.shape[:-dims]
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
    return torch.where(index < 0, found, x.flatten()[at]), index


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


class FractionalMaxPool(nn.Module):
    """:func:`~huashi.pooling.fractional_max_pool{dims}d` as a module: it draws in training mode."""

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
        self.return_indices = as_bool("return_indices", return_indices)
        self.generator = generator

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
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


fractional_max_pool1d, fractional_max_pool2d, fractional_max_pool3d = each_dimension(
    fractional_max_pool, lambda f, x: f(x, 2, 3), lambda f, x: f(x, "disjoint", 3), integers=True
)


FractionalMaxPool1d, FractionalMaxPool2d, FractionalMaxPool3d = each_dimension_module(
    FractionalMaxPool, (fractional_max_pool1d, fractional_max_pool2d, fractional_max_pool3d)
)
