"""Elements that are picked from windows, as operators: extrema and draws.

Of a maximum only the offsets are kept for the gradient, a byte for each result, not the input.
"""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import NUMBERS, declare
from huashi._windows import Axis
from huashi.pooling.offsets import indices_of, offset_dtype
from huashi.pooling.operators.axes import axes_of, flat, on_axes, pooled, unpooled


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
    axes = axes_of(ctx.axes)
    indices = indices_of(offsets, axes)
    taken = grad.flatten(-len(axes)).gather(-1, indices.clamp(min=0).flatten(-len(axes)))
    return torch.where(indices < 0, 0, taken.view(indices.shape)), None, None


_extremum = declare(
    "pool_extremum(Tensor x, SymInt[] axes, int sign) -> Tensor",
    example="huashi.pooling.max_pool2d",
    fake=lambda x, axes, sign: pooled(x, axes),
    cpu_dtypes=NUMBERS,
    cpu=on_axes("huashi.pooling.cpu.extrema:extremum"),
    cuda=on_axes("huashi.pooling.gpu.extrema:extremum"),
)
_extremum_offsets = declare(
    "pool_extremum_offsets(Tensor x, SymInt[] axes, int sign, Tensor? mask=None)"
    " -> (Tensor, Tensor)",
    example="huashi.pooling.max_pool2d",
    uncovered={
        "indices with a mask": "what is absent counts as -inf, and would have an index",
    },
    fake=lambda x, axes, sign, mask=None: (
        pooled(x, axes),
        pooled(x, axes, offset_dtype(axes_of(axes))),
    ),
    cpu_dtypes=NUMBERS,
    cpu=on_axes("huashi.pooling.cpu.extrema:extremum_offsets"),
    cuda=on_axes("huashi.pooling.gpu.extrema:extremum_offsets"),
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
    fake=lambda grad, offsets, axes: unpooled(grad, offsets, axes),
    cpu=on_axes("huashi.pooling.cpu.extrema:pick_backward"),
    cuda=on_axes("huashi.pooling.gpu.extrema:pick_backward"),
    keep=_keep_picks,
    backward=_put_gradient,
)
_draw = declare(
    "pool_draw(Tensor x, SymInt[] axes, str weights, Tensor point) -> (Tensor, Tensor)",
    example="huashi.pooling.stochastic_pool2d",
    fake=lambda x, axes, weights, point: (
        pooled(x, axes),
        pooled(x, axes, offset_dtype(axes_of(axes))),
    ),
    cpu=on_axes("huashi.pooling.cpu.draw:draw"),
    cuda=on_axes("huashi.pooling.gpu.draw:draw"),
    keep=_keep_offsets,
    backward=_pick_gradient,
)


def extremum(x: Tensor, axes: tuple[Axis, ...], sign: int) -> Tensor:
    """The extremum of each window, by the kernel; no gradient."""
    return _extremum(x, flat(axes), sign)


def extremum_offsets(
    x: Tensor, axes: tuple[Axis, ...], sign: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The extremum of each window, with a gradient, and where in it that lies, by the kernel.

    What ``mask`` leaves out has the identity in ``x``, and is found in no window with another.
    """
    return _extremum_offsets(x, flat(axes), sign, mask)


def put(x: Tensor, offsets: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Each value to where its window found one, added up where several did, by the kernel."""
    return _pick_backward(x, offsets, flat(axes))


def draw(x: Tensor, axes: tuple[Axis, ...], weights: str, point: Tensor) -> Tensor:
    """An element drawn from each window by ``point``, uniform numbers in [0, 1), by the kernel."""
    return _draw(x, flat(axes), weights, point)[0]
