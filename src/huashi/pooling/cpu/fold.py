"""Windows folded by the kernel that is fastest for their size: by rows, by bands, or whole."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.cpu import (
    fold_bands,
    fold_rows,
    fold_whole,
)
from huashi.pooling.cpu.fold_elements import (
    AS_IS,
)
from huashi.pooling.cpu.planning import (
    _are_few,
    _array,
    _band,
    _elements,
    _empty,
    _identity,
    _readable,
    _rows,
    _shared,
    _table,
    _three,
)

_ALONE = np.ones(1), np.ones(1), np.ones(1)
_NO_FACTORS = {
    np.dtype(name): (np.ones((1, 1), name), np.ones(1, name))
    for name in ("f4", "f8", "u1", "i1", "i2", "i4", "i8")
}


def _folded(
    x: Tensor,
    axes: tuple[Axis, ...],
    fold: int,
    *,
    change: int = AS_IS,
    finish: int = 0,
    counts: tuple[Any, ...] = _ALONE,
    spread: tuple[int, ...] = (1, 1, 1),
) -> Tensor:
    dims = len(axes)
    source, last = _readable(x, dims)
    y = _empty(source, [axis.windows for axis in axes], last, source.dtype)
    identity = _identity(source.dtype, fold)
    array, out = _array(source, dims, last), _array(y, dims, last)
    unit = source.shape[1] if last else 1
    if is_whole(axes) and x.is_floating_point():
        rest = (
            change,
            finish,
            identity.dtype.type(np.prod([count[0] for count in counts])),
            identity,
        )
        if last:
            three = array.reshape(len(array), -1, unit)
            width = _shared(unit, 2048, len(three))  # the cache holds two lines of these
            fold_whole.whole_by_channel(three, out.reshape(len(out), unit), fold, *rest, width)
        else:
            fold_whole.whole(array.reshape(len(array), -1), out.reshape(-1), fold, *rest)
        return y.to(x.dtype)
    three, factors = _table(axes), _factors(counts, identity.dtype)
    rest = fold, change, finish, *factors, identity
    if spread == (1, 1, 1) and _are_few(axes, unit, least=96):
        fold_rows.fold(array, out, three, unit, _rows(axes, unit, 8, out.shape[0]), *rest)
        return y.to(x.dtype)
    band = _band(axes, unit * source.element_size(), out.shape[0])
    fold_bands.sweep(array, out, three, np.array(spread), unit, band, *rest)
    return y.to(x.dtype)


@functools.lru_cache(maxsize=256)
def _counts(
    axes: tuple[Axis, ...], count_include_pad: bool, divisor_override: int | None
) -> tuple[Any, ...]:
    """What the sums are divided by, as factors for the windows of each of three axes."""
    if divisor_override is not None:
        counts = tuple(np.ones(axis.windows) for axis in _three(axes))
        counts[0][:] = divisor_override
        return counts
    return tuple(_elements(axis, count_include_pad) for axis in _three(axes))


def _factors(counts: Sequence[Any], dtype: Any) -> tuple[Any, Any]:
    """What to divide by, as a factor for each row of windows and one for each window of a row."""
    if counts is _ALONE:
        return _NO_FACTORS[np.dtype(dtype)]
    return np.outer(counts[0], counts[1]).astype(dtype), counts[2].astype(dtype)
