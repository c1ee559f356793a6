"""Windows folded by the kernel that is fastest for their size: by rows, by bands, or whole."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import (
    fold_bands,
    fold_rows,
    fold_whole,
)
from huashi.pooling.cpu.fold_elements import AS_IS, Factors, Fold
from huashi.pooling.cpu.planning import (
    are_small,
    as_planes,
    as_source,
    band_of,
    elements_inside,
    identity_of,
    new_tensor,
    per_task,
    rows_at_once,
    three_of,
    windows_of,
)

NO_DIVISORS = np.ones(1), np.ones(1), np.ones(1)
_NO_FACTORS = {
    np.dtype(name): Factors(np.ones((1, 1), name), np.ones(1, name))
    for name in ("f4", "f8", "u1", "i1", "i2", "i4", "i8")
}


def folded(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: int,
    *,
    change: int = AS_IS,
    finish: int = 0,
    divisors: tuple[Any, ...] = NO_DIVISORS,
    spread: tuple[int, ...] = (1, 1, 1),
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Fold each window, as :class:`huashi.pooling.cpu.fold_elements.Fold` has it.

    Args:
        x: (..., lengths).
        axes: the windows.
        kind: MAX, MIN or SUM.
        change: of each element first.
        finish: of each result last.
        divisors: from :func:`divisors_of`, for DIVIDE.
        spread: the distance along each of three axes of the elements of ``x``, zeros between.
        dtype: of the result; that of ``x`` by default.
    """
    dims = len(axes)
    source, last, unit = as_source(x, dims)
    dtype = dtype or x.dtype
    stored = torch.float32 if dtype == torch.float16 else dtype
    y = new_tensor(source, [axis.windows for axis in axes], last, stored)
    fold = Fold(kind, change, finish, identity_of(source.dtype, kind))
    number = fold.identity.dtype
    array, out = as_planes(source, dims, last), as_planes(y, dims, last)
    if is_whole(axes) and x.is_floating_point():
        divisor = number.type(np.prod([divisor[0] for divisor in divisors]))
        if last:
            three = array.reshape(len(array), -1, unit)
            width = per_task(unit, 2048, len(three))  # the cache holds two lines of these
            out = out.reshape(len(out), unit)
            fold_whole.whole_by_channel(three, out, fold, divisor, width)
        else:
            fold_whole.whole(array.reshape(len(array), -1), out.reshape(-1), fold, divisor)
        return y.to(dtype)
    windows, factors = windows_of(axes, unit), factors_of(divisors, number)
    if spread == (1, 1, 1) and are_small(axes, unit, least=96):
        rows = rows_at_once(axes, unit, 8, out.shape[0])
        fold_rows.fold(array, out, windows, fold, factors, rows)
        return y.to(dtype)
    band = band_of(axes, unit * source.element_size(), out.shape[0])
    fold_bands.sweep(array, out, windows, fold, factors, band, np.array(spread))
    return y.to(dtype)


@functools.lru_cache(maxsize=256)
def divisors_of(
    axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> tuple[Any, ...]:
    """What the sums are divided by, as factors for the windows of each of three axes."""
    if divisor_override is not None:
        counts = tuple(np.ones(axis.windows) for axis in three_of(axes))
        counts[0][:] = divisor_override
        return counts
    return tuple(elements_inside(axis, count_include_pad) for axis in three_of(axes))


def factors_of(numbers: Sequence[Any], dtype: Any) -> Factors:
    """The product of a number for the window of each of three axes, as a kernel takes it."""
    if numbers is NO_DIVISORS:
        return _NO_FACTORS[np.dtype(dtype)]
    return Factors(np.outer(numbers[0], numbers[1]).astype(dtype), numbers[2].astype(dtype))
