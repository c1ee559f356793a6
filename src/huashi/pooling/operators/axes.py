"""The axes of a pool as operators take them, and the shapes of results.

They cross the boundary of an operator as one list of integers.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import imported
from huashi._windows import Axis
from huashi.pooling.dimensions import memory_format_of

_FIELDS = len(Axis._fields)


def flat(axes: tuple[Axis, ...]) -> list[int]:
    """The axes as one list."""
    return [field for axis in axes for field in axis]


def axes_of(numbers: Sequence[int]) -> tuple[Axis, ...]:
    """The axes that :func:`flat` made one list of."""
    starts = range(0, len(numbers), _FIELDS)
    return tuple(Axis(*numbers[start : start + _FIELDS]) for start in starts)


_known_axes = functools.lru_cache(maxsize=256)(axes_of)  # of sizes that are numbers, not symbols


def on_axes(path: str) -> Callable:
    """The kernel at ``module:function``, given its axes as such, not as the list of integers.

    No other argument of an operator of pooling is a list.
    """
    kernel = imported(path)

    def launch(x: Tensor, *rest: Any) -> Any:
        return kernel(
            x, *[_known_axes(tuple(v)) if isinstance(v, list | tuple) else v for v in rest]
        )

    return launch


def pooled(x: Tensor, numbers: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """An empty result of pooling ``x``, in its memory format."""
    axes = axes_of(numbers)
    shape = [*x.shape[: -len(axes)], *(axis.windows for axis in axes)]
    memory = memory_format_of(x, len(axes))
    return torch.empty(shape, dtype=dtype or x.dtype, device=x.device, memory_format=memory)


def unpooled(grad: Tensor, like: Tensor, numbers: Sequence[int]) -> Tensor:
    """An empty gradient of the input, in the memory format of ``like``."""
    axes = axes_of(numbers)
    shape = [*grad.shape[: -len(axes)], *(axis.length for axis in axes)]
    memory = memory_format_of(like, len(axes))
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=memory)
