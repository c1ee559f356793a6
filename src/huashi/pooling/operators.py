"""Pooling over windows as operators, with gradients.

The axes of a pool cross the boundary as one list of integers. Of a maximum only the offsets are
kept for the gradient, a byte for each result, not the input.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from huashi._operator import backward_of, declare
from huashi.pooling import reference
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.geometry import Axis
from huashi.pooling.places import indices_of, offset_dtype

_FIELDS = len(Axis._fields)
_PACKED = (torch.float32, torch.bfloat16, torch.float16)  # what an offset can be packed beside
_PACKED = (*_PACKED, torch.uint8, torch.int8, torch.int16, torch.int32)


def flat(axes: tuple[Axis, ...]) -> list[int]:
    """The axes as one list."""
    return [field for axis in axes for field in axis]


def _axes(numbers: Sequence[int]) -> tuple[Axis, ...]:
    starts = range(0, len(numbers), _FIELDS)
    return tuple(Axis(*numbers[start : start + _FIELDS]) for start in starts)


def _cpu(name: str) -> Callable:
    def kernel(x: Tensor, *rest: Any) -> Any:
        from huashi.pooling import cpu  # imported by the first call, not with huashi

        return getattr(cpu, name)(x, *_with_axes(rest))

    return kernel


def _gpu(name: str) -> Callable:
    def kernel(x: Tensor, *rest: Any) -> Any:
        from huashi.pooling import gpu

        return getattr(gpu, name)(x, *_with_axes(rest))

    return kernel


def _with_axes(arguments: tuple) -> list:
    return [_axes(value) if isinstance(value, list | tuple) else value for value in arguments]


def _pooled(x: Tensor, numbers: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """An empty result of pooling ``x``, in its memory format."""
    axes = _axes(numbers)
    shape = [*x.shape[: -len(axes)], *(axis.windows for axis in axes)]
    memory = memory_format_of(x, len(axes))
    return torch.empty(shape, dtype=dtype or x.dtype, device=x.device, memory_format=memory)


def _unpooled(grad: Tensor, like: Tensor, numbers: Sequence[int]) -> Tensor:
    """An empty gradient of the input, in the memory format of ``like``."""
    axes = _axes(numbers)
    shape = [*grad.shape[: -len(axes)], *(axis.length for axis in axes)]
    memory = memory_format_of(like, len(axes))
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=memory)


_extremum = declare(
    "pool_extremum(Tensor x, SymInt[] axes, int sign) -> Tensor",
    fake=lambda x, axes, sign: _pooled(x, axes),
    cpu_dtypes=(*_PACKED, torch.int64, torch.float64),
    cpu=_cpu("extremum"),
    cuda=_gpu("extremum"),
)
_extremum_offsets = declare(
    "pool_extremum_offsets(Tensor x, SymInt[] axes, int sign) -> (Tensor, Tensor)",
    fake=lambda x, axes, sign: (_pooled(x, axes), _pooled(x, axes, offset_dtype(_axes(axes)))),
    cpu_dtypes=_PACKED,
    cpu=_cpu("extremum_offsets"),
    cuda=_gpu("extremum_offsets"),
)
_pick_backward = declare(
    "pool_pick_backward(Tensor grad, Tensor offsets, SymInt[] axes) -> Tensor",
    fake=lambda grad, offsets, axes: _unpooled(grad, offsets, axes),
    cpu=_cpu("pick_backward"),
    cuda=_gpu("pick_backward"),
)
_draw = declare(
    "pool_draw(Tensor x, SymInt[] axes, str weights, Tensor point) -> (Tensor, Tensor)",
    fake=lambda x, axes, weights, point: (
        _pooled(x, axes),
        _pooled(x, axes, offset_dtype(_axes(axes))),
    ),
    cpu=_cpu("draw"),
    cuda=_gpu("draw"),
)
_average = declare(
    "pool_average(Tensor x, SymInt[] axes, bool count_include_pad, int? divisor) -> Tensor",
    fake=lambda x, axes, count_include_pad, divisor: _pooled(x, axes),
    cpu=_cpu("average"),
    cuda=_gpu("average"),
)
_average_backward = declare(
    "pool_average_backward(Tensor grad, SymInt[] axes, bool count_include_pad, int? divisor)"
    " -> Tensor",
    fake=lambda grad, axes, count_include_pad, divisor: _unpooled(grad, grad, axes),
    cpu=_cpu("average_backward"),
    cuda=_gpu("average_backward"),
)
_norm = declare(
    "pool_norm(Tensor x, SymInt[] axes, int p, bool mean) -> Tensor",
    fake=lambda x, axes, p, mean: _pooled(x, axes),
    cpu=_cpu("norm"),
)
_norm_backward = declare(
    "pool_norm_backward(Tensor grad, Tensor x, Tensor y, SymInt[] axes, int p, bool mean)"
    " -> Tensor",
    fake=lambda grad, x, y, axes, p, mean: _unpooled(grad, x, axes),
    cpu=_cpu("norm_backward"),
)
_formula = declare(
    "pool_formula(Tensor x, SymInt[] axes, str kind, Tensor param, float eps) -> Tensor",
    fake=lambda x, axes, kind, param, eps: _pooled(x, axes),
    cpu=_cpu("formula"),
    cuda=_gpu("formula"),
)
_formula_slope = declare(
    "pool_formula_slope(Tensor x, SymInt[] axes, str kind, Tensor param, float eps) -> Tensor",
    fake=lambda x, axes, kind, param, eps: _pooled(
        x, axes, torch.promote_types(x.dtype, torch.float32)
    ),
    cpu=_cpu("formula_slope"),
    cuda=_gpu("formula_slope"),
)
_formula_backward = declare(
    "pool_formula_backward(Tensor grad, Tensor x, SymInt[] axes, str kind, Tensor param, float eps)"
    " -> Tensor",
    fake=lambda grad, x, axes, kind, param, eps: _unpooled(grad, x, axes),
    cpu=_cpu("formula_backward"),
    cuda=_gpu("formula_backward"),
)


k_largest = declare(
    "pool_k_largest(Tensor x, int k) -> Tensor",
    fake=lambda x, k: x.new_empty((*x.shape[:-1], k), dtype=torch.int64),
    cpu_dtypes=(*_PACKED, torch.int64, torch.float64),
    cpu=_cpu("k_largest"),
)
chunk_largest = declare(
    "pool_chunk_largest(Tensor x, Tensor starts, Tensor stops) -> Tensor",
    fake=lambda x, starts, stops: x.new_empty((*x.shape[:-1], starts.shape[-1]), dtype=torch.int64),
    cpu=_cpu("chunk_largest"),
)


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The extremum of each window, by the kernel; no gradient."""
    return _extremum(x, flat(axes), sign)


def extremum_offsets(x: Tensor, axes: tuple[Axis, ...], sign: int) -> tuple[Tensor, Tensor]:
    """The extremum of each window, with a gradient, and where in it that lies, by the kernel."""
    return _Extremum.apply(x, flat(axes), sign)


class _Extremum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: list[int], sign: int) -> tuple[Tensor, Tensor]:
        y, offsets = _extremum_offsets(x, axes, sign)
        ctx.save_for_backward(offsets)
        ctx.mark_non_differentiable(offsets)
        ctx.axes = axes
        return y, offsets

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (offsets,) = ctx.saved_tensors
        return _to_picked(grad, offsets, ctx.axes), None, None


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: list[int], weights: str, point: Tensor) -> Tensor:
        y, offsets = _draw(x, axes, weights, point)
        ctx.save_for_backward(offsets)
        ctx.axes = axes
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (offsets,) = ctx.saved_tensors
        return _to_picked(grad, offsets, ctx.axes), None, None, None


class _Put(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, offsets: Tensor, axes: list[int]) -> Tensor:
        ctx.save_for_backward(offsets)
        ctx.axes = axes
        return _pick_backward(x, offsets, axes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (offsets,) = ctx.saved_tensors
        n, indices = len(_axes(ctx.axes)), indices_of(offsets, _axes(ctx.axes))
        taken = grad.flatten(-n).gather(-1, indices.clamp(min=0).flatten(-n))
        return torch.where(indices < 0, 0, taken.view(indices.shape)), None, None


def put(x: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Each value to where its window found one, added up where several did, by the kernel."""
    return _Put.apply(x, offsets, flat(axes))


def _to_picked(grad: Tensor, offsets: Tensor, axes: list[int]) -> Tensor:
    if torch.is_grad_enabled():  # create_graph=True: grad leads back here for the next order
        return reference.unpick(grad, indices_of(offsets, _axes(axes)), _axes(axes))
    return _pick_backward(grad, offsets, axes)


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> Tensor:
    """An element drawn from each window by ``point``, uniform numbers in [0, 1), by the kernel."""
    return _Draw.apply(x, flat(axes), weights, point)


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, axes: list[int], count_include_pad: bool, divisor: int | None
    ) -> Tensor:
        ctx.options = axes, count_include_pad, divisor
        return _average(x, axes, count_include_pad, divisor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if torch.is_grad_enabled():
            return _AverageBackward.apply(grad, *ctx.options), None, None, None
        return _average_backward(grad, *ctx.options), None, None, None


class _AverageBackward(torch.autograd.Function):
    """Linear, and the transpose of :class:`_Average`: each is the other's gradient."""

    @staticmethod
    def forward(
        ctx: Any, grad: Tensor, axes: list[int], count_include_pad: bool, divisor: int | None
    ) -> Tensor:
        ctx.options = axes, count_include_pad, divisor
        return _average_backward(grad, axes, count_include_pad, divisor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Average.apply(grad, *ctx.options), None, None, None


def average(
    x: Tensor, axes: tuple[Axis, ...], count_include_pad: bool, divisor: int | None
) -> Tensor:
    """The sum of each window over its divisor, by the kernel."""
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _average(x, flat(axes), count_include_pad, divisor)
    return _Average.apply(x, flat(axes), count_include_pad, divisor)


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: list[int], p: int, mean: bool) -> Tensor:
        y = _norm(x, axes, p, mean)
        ctx.save_for_backward(x, y)
        ctx.options = axes, p, mean
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x, y), (axes, p, mean) = ctx.saved_tensors, ctx.options
        if torch.is_grad_enabled():

            def norm(x: Tensor) -> Tensor:
                return reference.lp(x, _axes(axes), float(p), mean=mean)

            return *backward_of(norm, (x,), grad), None, None, None
        return _norm_backward(grad, x, y, axes, p, mean), None, None, None


def norm(x: Tensor, axes: tuple[Axis, ...], p: int, mean: bool) -> Tensor:
    """The lp pool for p = 1 and p = 2, by the kernel."""
    return _Norm.apply(x, flat(axes), p, mean)


class _Formula(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, param: Tensor, axes: list[int], kind: str, eps: float
    ) -> Tensor:
        ctx.save_for_backward(x, param)
        ctx.options = axes, kind, eps
        return _formula(x, axes, kind, param, eps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x, param), (axes, kind, eps) = ctx.saved_tensors, ctx.options
        if torch.is_grad_enabled():

            def formula(x: Tensor, param: Tensor) -> Tensor:
                return reference.formula(x, _axes(axes), kind, param, eps)

            return *backward_of(formula, (x, param), grad), None, None, None
        dx = dparam = None
        if ctx.needs_input_grad[0]:
            dx = _formula_backward(grad, x, axes, kind, param, eps)
        if ctx.needs_input_grad[1]:
            slope = _formula_slope(x, axes, kind, param, eps)
            dparam = (grad * slope).sum(dtype=param.dtype)
        return dx, dparam, None, None, None


def formula(
    x: Tensor, axes: tuple[Axis, ...], kind: str, param: Tensor, eps: float = 0.0
) -> Tensor:
    """A norm, mean or softmax of each window, by the kernel."""
    return _Formula.apply(x, param, flat(axes), kind, eps)
