"""Pooling over windows as operators, with gradients.

The axes of a pool cross the boundary as one list of integers. Of a maximum only the offsets are
kept for the gradient, a byte for each result, not the input.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare, imported
from huashi._windows import Axis
from huashi.pooling import reference
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.offsets import indices_of, offset_dtype

_FIELDS = len(Axis._fields)
_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_ORDERED = (*_FLOATS, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def flat(axes: tuple[Axis, ...]) -> list[int]:
    """The axes as one list."""
    return [field for axis in axes for field in axis]


def _axes(numbers: Sequence[int]) -> tuple[Axis, ...]:
    starts = range(0, len(numbers), _FIELDS)
    return tuple(Axis(*numbers[start : start + _FIELDS]) for start in starts)


_known_axes = functools.lru_cache(maxsize=256)(_axes)  # of sizes that are numbers, not symbols


def _on_axes(path: str) -> Callable:
    """The kernel at ``module:function``, given its axes as such, not as the list of integers.

    No other argument of an operator of pooling is a list.
    """
    kernel = imported(path)

    def launch(x: Tensor, *rest: Any) -> Any:
        return kernel(
            x, *[_known_axes(tuple(v)) if isinstance(v, list | tuple) else v for v in rest]
        )

    return launch


def _pooled(x: Tensor, numbers: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """An empty result of pooling ``x``, in its memory format."""
    axes = _axes(numbers)
    shape = [*x.shape[: -len(axes)], *(axis.windows for axis in axes)]
    memory = memory_format_of(x, len(axes))
    return torch.empty(shape, dtype=dtype or x.dtype, device=x.device, memory_format=memory)


def _of_ranks(x: Tensor, numbers: Sequence[int], ranks: int) -> Tensor:
    """Empty offsets of so many elements for each result, in the memory format of ``x``."""
    axes = _axes(numbers)
    windows = [axis.windows for axis in axes]
    if memory_format_of(x, len(axes)) == torch.contiguous_format:
        return x.new_empty((ranks, *x.shape[: -len(axes)], *windows), dtype=torch.uint8)
    shape = ranks, x.shape[0], *windows, x.shape[1]
    return x.new_empty(shape, dtype=torch.uint8).movedim(-1, 2)


def _unpooled(grad: Tensor, like: Tensor, numbers: Sequence[int]) -> Tensor:
    """An empty gradient of the input, in the memory format of ``like``."""
    axes = _axes(numbers)
    shape = [*grad.shape[: -len(axes)], *(axis.length for axis in axes)]
    memory = memory_format_of(like, len(axes))
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=memory)


# What a gradient keeps, and how it is made of that: a pair of functions for each operator with a
# gradient. The second returns one entry for each argument of the operator, None where it has none.


def _keep_offsets(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(output[1])
    ctx.set_materialize_grads(False)  # of the offsets, which have none
    ctx.axes, ctx.rest = inputs[1], [None] * (len(inputs) - 1)


def _pick_gradient(ctx: Any, grad: Tensor | None, _: None) -> tuple:
    (offsets,) = ctx.saved_tensors
    return None if grad is None else _pick_backward(grad, offsets, ctx.axes), *ctx.rest


def _keep_picks(ctx: Any, inputs: tuple, output: Tensor) -> None:
    _, offsets, ctx.axes = inputs
    ctx.save_for_backward(offsets)


def _put_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    (offsets,) = ctx.saved_tensors
    axes = _axes(ctx.axes)
    indices = indices_of(offsets, axes)
    taken = grad.flatten(-len(axes)).gather(-1, indices.clamp(min=0).flatten(-len(axes)))
    return torch.where(indices < 0, 0, taken.view(indices.shape)), None, None


def _keep_options(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.options = inputs[1:]


def _average_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    return _average_backward(grad, *ctx.options), None, None, None


def _average_transposed(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    return _average(grad, *ctx.options), None, None, None


def _keep_norm(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, *ctx.options = inputs
    ctx.save_for_backward(x, output)


def _norm_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    (x, y), (axes, p, mean) = ctx.saved_tensors, ctx.options
    if torch.is_grad_enabled():  # create_graph=True: the plain definition leads to the next order

        def norm(x: Tensor) -> Tensor:
            return reference.lp(x, _axes(axes), float(p), mean=mean)

        return *backward_of(norm, (x,), grad), None, None, None
    return _norm_backward(grad, x, y, axes, p, mean), None, None, None


def _keep_formula(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, axes, kind, param, eps = inputs
    ctx.save_for_backward(x, param)
    ctx.options = axes, kind, eps


def _formula_gradient(ctx: Any, grad: Tensor) -> tuple:
    (x, param), (axes, kind, eps) = ctx.saved_tensors, ctx.options
    if torch.is_grad_enabled():

        def formula(x: Tensor, param: Tensor) -> Tensor:
            return reference.formula(x, _axes(axes), kind, param, eps)

        dx, dparam = backward_of(formula, (x, param), grad)
        return dx, None, None, dparam, None
    dx = dparam = None
    if ctx.needs_input_grad[0]:
        dx = _formula_backward(grad, x, axes, kind, param, eps)
    if ctx.needs_input_grad[3]:
        slope = _formula_slope(x, axes, kind, param, eps)
        dparam = (grad * slope).sum(dtype=param.dtype)
    return dx, None, None, dparam, None


def _keep_order(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    x, ctx.axes, ctx.kind, param = inputs
    ctx.save_for_backward(x, output[1], param)
    ctx.set_materialize_grads(False)  # of the offsets, which have none


def _order_gradient(ctx: Any, grad: Tensor | None, _: None) -> tuple:
    (x, offsets, param), kind = ctx.saved_tensors, ctx.kind
    dx = dparam = None
    if grad is None:
        return None, None, None, None
    if torch.is_grad_enabled():

        def order(x: Tensor, param: Tensor) -> Tensor:
            return reference.order(x, _axes(ctx.axes), kind, param)

        dx, dparam = backward_of(order, (x, param), grad)
        return dx, None, None, dparam
    if ctx.needs_input_grad[0]:
        dx = _order_backward(grad, offsets, ctx.axes, kind, param)
    if ctx.needs_input_grad[3]:
        dparam = _order_slope(grad, x, offsets, ctx.axes, kind, param)
    return dx, None, None, dparam


def _keep_indices(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.length = inputs[0].shape[-1]


def _taken_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return _put_back(grad, *ctx.saved_tensors, ctx.length), None


_extremum = declare(
    "pool_extremum(Tensor x, SymInt[] axes, int sign) -> Tensor",
    example="huashi.pooling.max_pool2d",
    fake=lambda x, axes, sign: _pooled(x, axes),
    cpu_dtypes=_ORDERED,
    cpu=_on_axes("huashi.pooling.cpu.extrema:extremum"),
    cuda=_on_axes("huashi.pooling.gpu.extrema:extremum"),
)
_extremum_offsets = declare(
    "pool_extremum_offsets(Tensor x, SymInt[] axes, int sign) -> (Tensor, Tensor)",
    example="huashi.pooling.max_pool2d",
    uncovered={
        "indices with a mask": "what is absent counts as -inf, and would have an index",
    },
    fake=lambda x, axes, sign: (_pooled(x, axes), _pooled(x, axes, offset_dtype(_axes(axes)))),
    cpu_dtypes=_ORDERED,
    cpu=_on_axes("huashi.pooling.cpu.extrema:extremum_offsets"),
    cuda=_on_axes("huashi.pooling.gpu.extrema:extremum_offsets"),
    keep=_keep_offsets,
    backward=_pick_gradient,
)
_pick_backward = declare(
    "pool_pick_backward(Tensor grad, Tensor offsets, SymInt[] axes) -> Tensor",
    example="huashi.pooling.max_pool2d",
    uncovered={
        "overlapping windows": "of several values for one place a rule has to choose",
        "indices": "the kernel reads offsets in windows, which only Places have",
    },
    fake=lambda grad, offsets, axes: _unpooled(grad, offsets, axes),
    cpu=_on_axes("huashi.pooling.cpu.extrema:pick_backward"),
    cuda=_on_axes("huashi.pooling.gpu.extrema:pick_backward"),
    keep=_keep_picks,
    backward=_put_gradient,
)
_draw = declare(
    "pool_draw(Tensor x, SymInt[] axes, str weights, Tensor point) -> (Tensor, Tensor)",
    example="huashi.pooling.stochastic_pool2d",
    uncovered={
        "mask": "the kernel takes every element of x as real",
    },
    fake=lambda x, axes, weights, point: (
        _pooled(x, axes),
        _pooled(x, axes, offset_dtype(_axes(axes))),
    ),
    cpu=_on_axes("huashi.pooling.cpu.draw:draw"),
    cuda=_on_axes("huashi.pooling.gpu.draw:draw"),
    keep=_keep_offsets,
    backward=_pick_gradient,
)
_average = declare(
    "pool_average(Tensor x, SymInt[] axes, bool count_include_pad, int? divisor) -> Tensor",
    example="huashi.pooling.avg_pool2d",
    fake=lambda x, axes, count_include_pad, divisor: _pooled(x, axes),
    cpu=_on_axes("huashi.pooling.cpu.averages:average"),
    cuda=_on_axes("huashi.pooling.gpu.averages:average"),
    keep=_keep_options,
    backward=_average_gradient,
)
_average_backward = declare(
    "pool_average_backward(Tensor grad, SymInt[] axes, bool count_include_pad, int? divisor)"
    " -> Tensor",
    example="huashi.pooling.avg_pool2d",
    fake=lambda grad, axes, count_include_pad, divisor: _unpooled(grad, grad, axes),
    cpu=_on_axes("huashi.pooling.cpu.averages:average_backward"),
    cuda=_on_axes("huashi.pooling.gpu.averages:average_backward"),
    keep=_keep_options,
    backward=_average_transposed,
)
_norm = declare(
    "pool_norm(Tensor x, SymInt[] axes, int p, bool mean) -> Tensor",
    example="huashi.pooling.lp_pool2d",
    uncovered={
        "mask": "the kernel takes every element of x as real",
    },
    fake=lambda x, axes, p, mean: _pooled(x, axes),
    cpu=_on_axes("huashi.pooling.cpu.norms:norm"),
    keep=_keep_norm,
    backward=_norm_gradient,
)
_norm_backward = declare(
    "pool_norm_backward(Tensor grad, Tensor x, Tensor y, SymInt[] axes, int p, bool mean)"
    " -> Tensor",
    example="huashi.pooling.lp_pool2d",
    fake=lambda grad, x, y, axes, p, mean: _unpooled(grad, x, axes),
    cpu=_on_axes("huashi.pooling.cpu.norms:norm_backward"),
)
_formula = declare(
    "pool_formula(Tensor x, SymInt[] axes, str kind, Tensor param, float eps) -> Tensor",
    example="huashi.pooling.gem_pool2d",
    uncovered={
        "mask": "the kernel takes every element of x as real",
        "infinite exponent": "the limit is the largest magnitude, which is no power",
    },
    fake=lambda x, axes, kind, param, eps: _pooled(x, axes),
    cpu=_on_axes("huashi.pooling.cpu.means:formula"),
    cuda=_on_axes("huashi.pooling.gpu.means:formula"),
    keep=_keep_formula,
    backward=_formula_gradient,
)
_formula_slope = declare(
    "pool_formula_slope(Tensor x, SymInt[] axes, str kind, Tensor param, float eps) -> Tensor",
    example="huashi.pooling.gem_pool2d",
    fake=lambda x, axes, kind, param, eps: _pooled(
        x, axes, torch.promote_types(x.dtype, torch.float32)
    ),
    cpu=_on_axes("huashi.pooling.cpu.means:formula_slope"),
    cuda=_on_axes("huashi.pooling.gpu.means:formula_slope"),
)
_formula_backward = declare(
    "pool_formula_backward(Tensor grad, Tensor x, SymInt[] axes, str kind, Tensor param, float eps)"
    " -> Tensor",
    example="huashi.pooling.gem_pool2d",
    fake=lambda grad, x, axes, kind, param, eps: _unpooled(grad, x, axes),
    cpu=_on_axes("huashi.pooling.cpu.means:formula_backward"),
    cuda=_on_axes("huashi.pooling.gpu.means:formula_backward"),
)
_order = declare(
    "pool_order(Tensor x, SymInt[] axes, str kind, Tensor param) -> Tensor",
    example="huashi.pooling.sort_pool2d",
    uncovered={
        "mask": "the kernel takes every element of x as real",
        "large windows": "the kernel sorts windows of up to 64 elements",
        "gradient of one window in a row": "there is nothing that lanes could sort side by side",
    },
    fake=lambda x, axes, kind, param: _pooled(x, axes),
    cpu=_on_axes("huashi.pooling.cpu.order:order"),
)
_order_offsets = declare(
    "pool_order_offsets(Tensor x, SymInt[] axes, str kind, Tensor param) -> (Tensor, Tensor)",
    example="huashi.pooling.sort_pool2d",
    fake=lambda x, axes, kind, param: (
        _pooled(x, axes),
        _of_ranks(x, axes, 2 if kind == "quantile" else param.shape[-1]),
    ),
    cpu=_on_axes("huashi.pooling.cpu.order:order_offsets"),
    keep=_keep_order,
    backward=_order_gradient,
)
_order_backward = declare(
    "pool_order_backward(Tensor grad, Tensor offsets, SymInt[] axes, str kind, Tensor param)"
    " -> Tensor",
    example="huashi.pooling.sort_pool2d",
    fake=lambda grad, offsets, axes, kind, param: _unpooled(grad, offsets[0], axes),
    cpu=_on_axes("huashi.pooling.cpu.order:order_backward"),
)
_order_slope = declare(
    "pool_order_slope(Tensor grad, Tensor x, Tensor offsets, SymInt[] axes, str kind, Tensor param)"
    " -> Tensor",
    example="huashi.pooling.sort_pool2d",
    fake=lambda grad, x, offsets, axes, kind, param: torch.empty_like(
        param, memory_format=torch.contiguous_format
    ),
    cpu=_on_axes("huashi.pooling.cpu.order:order_slope"),
)
k_largest = declare(
    "pool_k_largest(Tensor x, int k) -> Tensor",
    example="huashi.pooling.k_max_pool1d",
    uncovered={
        "mask": "the kernel takes every element of x as real",
    },
    fake=lambda x, k: x.new_empty((*x.shape[:-1], k), dtype=torch.int64),
    cpu_dtypes=_ORDERED,
    cpu="huashi.pooling.cpu.sequence:k_largest",
)
chunk_largest = declare(
    "pool_chunk_largest(Tensor x, Tensor starts, Tensor stops) -> Tensor",
    example="huashi.pooling.chunk_max_pool1d",
    uncovered={
        "mask": "the kernel knows where a chunk begins and ends, not what is absent within",
    },
    fake=lambda x, starts, stops: x.new_empty((*x.shape[:-1], starts.shape[-1]), dtype=torch.int64),
    cpu="huashi.pooling.cpu.sequence:chunk_largest",
)
taken = declare(
    "pool_taken(Tensor x, Tensor indices) -> Tensor",
    example="huashi.pooling.k_max_pool1d",
    fake=lambda x, indices: x.new_empty(indices.shape),
    cpu="huashi.pooling.cpu.sequence:taken",
    keep=_keep_indices,
    backward=_taken_gradient,
)
_put_back = declare(
    "pool_put_back(Tensor grad, Tensor indices, SymInt length) -> Tensor",
    example="huashi.pooling.k_max_pool1d",
    fake=lambda grad, indices, length: grad.new_empty((*grad.shape[:-1], length)),
    cpu="huashi.pooling.cpu.sequence:put_back",
    keep=_keep_indices,
    backward=lambda ctx, grad: (taken(grad, *ctx.saved_tensors), None, None),
)


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The extremum of each window, by the kernel; no gradient."""
    return _extremum(x, flat(axes), sign)


def extremum_offsets(x: Tensor, axes: tuple[Axis, ...], sign: int) -> tuple[Tensor, Tensor]:
    """The extremum of each window, with a gradient, and where in it that lies, by the kernel."""
    return _extremum_offsets(x, flat(axes), sign)


def put(x: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Each value to where its window found one, added up where several did, by the kernel."""
    return _pick_backward(x, offsets, flat(axes))


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> Tensor:
    """An element drawn from each window by ``point``, uniform numbers in [0, 1), by the kernel."""
    return _draw(x, flat(axes), weights, point)[0]


def average(
    x: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor: int | None
) -> Tensor:
    """The sum of each window over its divisor, by the kernel."""
    return _average(x, flat(axes), count_include_pad, divisor)


def norm(x: Tensor, axes: tuple[Axis, ...], p: int, mean: bool) -> Tensor:
    """The lp pool for p = 1 and p = 2, by the kernel."""
    return _norm(x, flat(axes), p, mean)


def formula(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, eps: float = 0.0
) -> Tensor:
    """A norm, mean or softmax of each window, by the kernel."""
    return _formula(x, flat(axes), kind, param, eps)


def order(x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor) -> Tensor:
    """A mean of the largest elements of each window, or a quantile, by the kernel."""
    if torch.is_grad_enabled() and (x.requires_grad or param.requires_grad):
        return _order_offsets(x, flat(axes), kind, param)[0]
    return _order(x, flat(axes), kind, param)
