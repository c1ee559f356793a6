"""Torch's own pools, where they mean the same and take less time: small inputs above all.

Both times are predicted by a sum of a few products, which ``python -m benchmarks.torch_or_kernel``
measures and fits: a call of a kernel costs as much as hundreds of thousands of elements that torch
pools, and planes of few elements cost more than their share; torch pays for each element of each
window. What the two compute is the same, to the rounding of an average.
"""

import functools
import math
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from huashi._kernel.operator import current_mode
from huashi._windows import Axis, axes_of

DTYPES = torch.float32, torch.bfloat16, torch.float64
MOST_ADDED = 9  # bfloat16 gradients of an element: torch rounds each sum, which so few can bear
MARGIN = 1.1  # the kernel has to be that much faster by prediction, which is that uncertain


class Cost(NamedTuple):
    """Microseconds of a call, and of a thousand of each of these."""

    call: float
    results: float
    """Of torch and of the kernel."""
    elements: float
    """Of torch: the elements of all windows. Of the kernel: the results times the window's side."""
    planes: float = 0
    """Of the kernel, as are those that follow: images, or images times channels."""
    rows: float = 0
    """Of results."""
    inputs: float = 0
    plane: float = 0
    """Elements of a plane: one thread computes it."""


class Costs(NamedTuple):
    """Of the same call."""

    torch: Cost
    kernel: Cost


COSTS: Mapping[tuple[str, bool, bool], Costs] = {  # kind, channels last, with a gradient
    ("max", False, False): Costs(Cost(23, 17, 0.9), Cost(321, 0, 0.13, 432, 34, 0.47, 12)),
    ("max", False, True): Costs(Cost(171, 21, 0.99), Cost(1040, 0.32, 1.1, 202, 87, 1.4, 41)),
    ("max", True, False): Costs(Cost(27, 1.1, 0.15), Cost(320, 0.26, 0.14, 1470, 1140, 0.24, 0.51)),
    ("max", True, True): Costs(Cost(145, 6.2, 0.098), Cost(964, 0, 0.88, 2260, 3880, 0.73, 1.8)),
    ("average", False, False): Costs(Cost(20, 8.3, 0.35), Cost(427, 0, 0.25, 526, 43, 0.36, 16)),
    ("average", False, True): Costs(Cost(164, 17, 0.75), Cost(1240, 0, 0.43, 1170, 75, 1.2, 32)),
    ("average", True, False): Costs(
        Cost(21, 0.52, 0.11), Cost(423, 0.037, 0.27, 504, 1210, 0.36, 0.75)
    ),
    ("average", True, True): Costs(Cost(145, 2.7, 0.28), Cost(1180, 0, 0.32, 1390, 4770, 1.2, 2.0)),
    ("max 1d", False, False): Costs(Cost(24, 0.14, 0.25), Cost(306, 0.08, 0.13, 252, 0, 0.47, 4.3)),
    ("max 1d", False, True): Costs(Cost(214, 18, 1.6), Cost(853, 0, 0.49, 0, 1160, 1.3, 19)),
    ("average 1d", False, False): Costs(
        Cost(45, 7.8, 0.3), Cost(389, 0.31, 0.12, 454, 0, 0.29, 5.5)
    ),
    ("average 1d", False, True): Costs(Cost(269, 18, 0.3), Cost(1150, 0, 0.04, 0, 1110, 1.6, 12)),
}
MAX: Mapping[int, Callable[..., Tensor]] = {
    1: torch.max_pool1d,
    2: torch.max_pool2d,
    3: torch.max_pool3d,
}
MAX_AND_INDICES: Mapping[int, Callable[..., Any]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
AVERAGE: Mapping[int, Callable[..., Tensor]] = {
    1: torch.avg_pool1d,
    2: functional.avg_pool2d,
    3: functional.avg_pool3d,
}

ADAPTIVE_AVERAGE: Mapping[int, Callable[..., Tensor]] = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}


def max_pool(dims: int) -> Callable[..., Any]:
    """Maxima in so many dimensions by torch's operator, or None where Huashi has to compute them.

    It takes what :func:`huashi.pooling.max_pool2d` takes, and leaves errors to it.
    """
    operator = MAX[dims]
    with_indices = functools.partial(MAX_AND_INDICES[dims], return_indices=True)

    def max_pool(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: Any = False,
        *,
        mask: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Any:
        if type(return_indices) is not bool or mask is not None or lengths is not None:
            return None
        if type(ceil_mode) is not bool:
            return None
        settings = kernel_size, stride, padding, dilation, ceil_mode
        windows = _windows_for_torch("max", dims, x, settings, placed=return_indices)
        if windows is None:
            return None
        run = with_indices if return_indices else operator
        return run(_rows(dims, x), *windows, 1, ceil_mode)

    return max_pool


def avg_pool(dims: int) -> Callable[..., Tensor | None]:
    """Averages in so many dimensions by torch's operator, or None where Huashi has to compute them.

    It takes what :func:`huashi.pooling.avg_pool2d` takes, and leaves errors to it.
    """
    operator = AVERAGE[dims]

    def avg_pool(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Any = 1,
        mask: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor | None:
        if ceil_mode is not False or type(count_include_pad) is not bool:
            return None
        if divisor_override is not None or mask is not None or lengths is not None:
            return None
        settings = kernel_size, stride, padding, dilation, False
        windows = _windows_for_torch("average", dims, x, settings)
        if windows is None:
            return None
        return operator(_rows(dims, x), *windows, False, count_include_pad)

    return avg_pool


def adaptive_max_pool(dims: int) -> Callable[..., Tensor | None]:
    """The same for maxima of a number of bins that divides each length."""
    return _in_equal_bins(dims, max_pool(dims))


def adaptive_avg_pool(dims: int) -> Callable[..., Tensor | None]:
    """The same for averages of a number of bins that divides each length."""
    pool = avg_pool(dims)
    lengths = tuple(range(-dims, 0))

    def whole_or_parts(x: Tensor, kernel_size: tuple[int, ...]) -> Tensor | None:
        if kernel_size == x.shape[-dims:]:
            # torch's own says in its strides that channels are last; it is a mean, and more calls
            return (
                x.mean(lengths, keepdim=True) if x.is_contiguous() else ADAPTIVE_AVERAGE[dims](x, 1)
            )
        return pool(x, kernel_size)

    return _in_equal_bins(dims, whole_or_parts)


def _in_equal_bins(dims: int, pool: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
    def adaptive_pool(
        x: Tensor,
        output_size: Any,
        return_indices: bool = False,
        *,
        mask: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor | None:
        if return_indices is not False or mask is not None or lengths is not None:
            return None
        if not may_be_for_torch(x):
            return None
        if type(output_size) is tuple and not all(type(n) in (int, NoneType) for n in output_size):
            return None
        try:
            kernel_size = _length_of_bins(dims, x.shape, x.dtype, output_size)
        except TypeError:  # a list is no key
            return None
        return None if kernel_size is None else pool(x, kernel_size)

    return adaptive_pool


@functools.lru_cache(maxsize=4096, typed=True)
def _length_of_bins(
    dims: int, shape: tuple[int, ...], dtype: torch.dtype, output_size: Any
) -> tuple[int, ...] | None:
    """Of so many bins along each dimension, or None where they differ in length."""
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * dims
    full = shape[-dims:]
    if len(sizes) != dims or not dims < len(shape) <= dims + 2 or not dtype.is_floating_point:
        return None
    sizes = [length if size is None else size for size, length in zip(sizes, full, strict=True)]
    if 0 in shape or any(type(size) is not int or size < 1 for size in sizes):
        return None
    if any(length % size for length, size in zip(full, sizes, strict=True)):
        return None
    return tuple(length // size for length, size in zip(full, sizes, strict=True))


def may_be_for_torch(x: Any) -> bool:
    """Whether ``x`` is an ordinary tensor of the CPU, and nothing traces or transforms the call."""
    return (
        not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and (type(x) is Tensor or type(x) is nn.Parameter)
        and x.is_cpu
        and x.layout is torch.strided
        and not x.is_nested
        and current_mode() == "auto"
        and not torch._C._are_functorch_transforms_active()
    )


def _windows_for_torch(
    kind: str, dims: int, x: Tensor, settings: tuple[Any, ...], *, placed: bool = False
) -> tuple[Any, Any, Any] | None:
    """Kernel size, stride and padding for torch, or None where it is not to compute.

    Where indices are asked for, ``placed``, it is taken to cost as much more as a gradient does.
    """
    if not may_be_for_torch(x):
        return None
    if dims == 3 and x.dtype == torch.bfloat16:  # torch lacks some; autocast has them in float32
        return None
    if tuple in map(type, settings) and not _are_of_ints(settings):
        return None
    last = dims > 1 and not x.is_contiguous()
    learns = placed or (x.requires_grad and torch.is_grad_enabled())
    try:
        windows = _plan(kind, dims, x.shape, x.dtype, last, learns, *settings)
    except (TypeError, ValueError):  # a list is no key; what is wrong, the pool itself says
        return None
    if last and windows is not None:
        images = dims == 2 and x.ndim == 4
        if not (images and x.is_contiguous(memory_format=torch.channels_last)):
            return None
    return windows


def _rows(dims: int, x: Tensor) -> Tensor:
    """Sequences with their steps side by side, as both ways compute; they are often transposed."""
    return x.contiguous() if dims == 1 else x


def _are_of_ints(settings: tuple[Any, ...]) -> bool:
    """Whether tuples are of ints alone: 2.0 would be found where 2 is known, and is an error."""
    return all(type(n) is int for value in settings if type(value) is tuple for n in value)


@functools.lru_cache(maxsize=4096, typed=True)
def _plan(
    kind: str,
    dims: int,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    last: bool,
    learns: bool,
    *settings: Any,
) -> tuple[Any, Any, Any] | None:
    """Kernel size, stride and padding for torch, or None where it is not to compute.

    Found once for each shape and setting.
    """
    if not dims < len(shape) <= dims + 2 or 0 in shape or dtype not in DTYPES:
        return None
    axes = axes_of(shape[-dims:], *settings)
    for axis in axes:
        if axis.before != axis.after or 2 * axis.before > axis.kernel or axis.dilation != 1:
            return None
        if axis.kernel > axis.length + 2 * axis.before:  # in ceil mode
            return None
    added = math.prod([-(-axis.kernel // axis.stride) for axis in axes])
    if learns and dtype == torch.bfloat16 and added > MOST_ADDED:
        return None
    costs = COSTS.get((kind if dims > 1 else f"{kind} 1d", last, learns))
    if costs is None:
        return None
    by_torch, by_kernel = predicted(costs, axes, shape, last=last)
    if by_torch > MARGIN * by_kernel:
        return None
    sides = zip(*((axis.kernel, axis.stride, axis.before) for axis in axes), strict=True)
    same = (side[0] if len(set(side)) == 1 else side for side in sides)  # an int is read faster
    return tuple(same)  # pyright: ignore[reportReturnType]


def predicted(
    costs: Costs, axes: tuple[Axis, ...], shape: tuple[int, ...], *, last: bool
) -> tuple[float, float]:
    """Microseconds that torch and the kernel are expected to take; ``last``: channels come last."""
    planes = math.prod(shape[: -len(axes) - (1 if last else 0)])
    rows = planes * math.prod([axis.windows for axis in axes[:-1]])
    results = math.prod([*shape[: -len(axes)], *(axis.windows for axis in axes)])
    size = math.prod([axis.kernel for axis in axes])
    side = size ** (1 / len(axes))
    its, ours = costs
    by_torch = its.call + (its.results * results + its.elements * results * size) / 1e3
    inputs = math.prod(shape)
    moved = ours.planes * planes + ours.rows * rows
    moved += ours.inputs * inputs + ours.plane * inputs / planes
    by_kernel = ours.call + (moved + ours.results * results + ours.elements * results * side) / 1e3
    return by_torch, by_kernel
