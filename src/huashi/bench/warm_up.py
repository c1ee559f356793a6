"""The calls that compile the CPU kernels, for ``huashi warm-up``."""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from huashi import pooling
from huashi._checks import check_choice
from huashi.bench.pools import DTYPES, Pool

INTEGERS = "int8", "uint8", "int16", "int32", "int64"  # for maximum and minimum


def kernel_calls(dtypes: Iterable[str] = DTYPES[:2]) -> list[tuple[str, Callable[[], object]]]:
    """Calls that between them compile every CPU kernel, with their names.

    Each kernel has a serial and a parallel form: the calls are made with one thread and with more.
    """
    calls: list[tuple[str, Callable[[], object]]] = []
    for dtype in dtypes:
        check_choice("dtypes", dtype, DTYPES + INTEGERS)
        for threads in (1, max(2, torch.get_num_threads())):
            for name, call in _calls(getattr(torch, dtype)):
                label = f"{name}, {dtype}, {'serial' if threads == 1 else 'parallel'}"
                calls.append((label, functools.partial(_with_threads, threads, call)))
    return calls


def cache_folders() -> list[Path]:
    """Where the kernels called so far keep machine code; none where no folder can be written."""
    from numba.core.dispatcher import Dispatcher

    folders = {
        value.stats.cache_path
        for name, module in list(sys.modules.items())
        if name.startswith("huashi.")
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    }
    return sorted(Path(folder) for folder in folders if folder)


def _calls(dtype: torch.dtype) -> Iterator[tuple[str, Callable[[], object]]]:
    """The calls in one dtype; arrays are large enough for the parallel form."""
    from huashi.entmax import entmax15, entmax_loss
    from huashi.regularization import prox

    integer = not dtype.is_floating_point
    row = torch.rand(4, 8, 4096).mul(100).to(dtype)
    for layout, x in _inputs(row).items():
        pools = _extrema(x.ndim - 2)
        pools |= _means() if x.ndim == 4 and not integer else {}
        for name, pool in pools.items():
            yield f"{name}, {layout}", functools.partial(pool, x)
            if not integer:
                yield f"{name}, {layout}, gradient", functools.partial(_gradient, pool, x)
    long = torch.rand(2, 1, 40_000).to(dtype)  # a window of which has offsets of four bytes
    for name, x, pool in (
        ("max, long", long, lambda x: pooling.max_pool1d(x, 33_000, 1)),
        ("k-max", row, lambda x: pooling.k_max_pool1d(x, 8)),
        ("chunk-max", row, lambda x: pooling.chunk_max_pool1d(x, 3)),
    ):
        yield name, functools.partial(pool, x)
        if not integer:
            yield f"{name}, gradient", functools.partial(_gradient, pool, x)
    if not integer:
        target = torch.zeros(row.shape[:-1], dtype=torch.int64)
        loss = functools.partial(entmax_loss, target=target, alpha=1.5)
        for name, run in (("entmax", entmax15), ("entmax loss", loss)):  # one kernel for any alpha
            yield name, functools.partial(run, row)
            yield f"{name}, gradient", functools.partial(_gradient, run, row)
    if dtype in (torch.float32, torch.float64):
        weights = row.flatten(1)
        yield "metric step", lambda: prox.metric_block_soft_threshold(weights, 0.5, weights + 1)


def _inputs(row: Tensor) -> dict[str, Tensor]:
    """What pools are called with, in each number of dimensions and layout."""
    square, cube = row.unflatten(-1, (64, 64)), row.unflatten(-1, (16, 16, 16))
    return {
        "1d": row,
        "2d": square,
        "2d channels last": square.contiguous(memory_format=torch.channels_last),
        "3d": cube,
        "3d channels last": cube.contiguous(memory_format=torch.channels_last_3d),
    }


def _extrema(dims: int) -> dict[str, Pool]:
    def of(name: str) -> Callable[..., Any]:
        return getattr(pooling, f"{name}{dims}d")

    def unpooled(x: Tensor) -> Tensor:
        return of("max_unpool")(*of("max_pool")(x, 2, return_indices="compact"))

    def small(x: Tensor) -> Tensor:
        return pooling.global_max_pool(x.reshape(4, 512, 8, 8))

    return {
        "max": lambda x: of("max_pool")(x, 2),
        "max, overlapping": lambda x: of("max_pool")(x, 3, 2, 1),
        "max, at each element": lambda x: of("max_pool")(x, 5, 1, 2),
        "max, dilated": lambda x: of("max_pool")(x, 3, 1, 2, 2),
        "max, wide": lambda x: of("max_pool")(x, 17, 2, 8),  # offsets of two bytes
        "min": lambda x: of("min_pool")(x, 2),
        "global max": pooling.global_max_pool,
        "global max, small": small,
        "unpooling": unpooled,
    }


def _means() -> dict[str, Pool]:
    def with_slope(x: Tensor) -> Tensor:
        return pooling.gem_pool2d(x, torch.tensor(3.0, requires_grad=x.requires_grad), 3, 2, 1)

    def padded(x: Tensor) -> Tensor:
        return pooling.avg_pool2d(x, 3, 2, 1, count_include_pad=False)

    def sort(x: Tensor) -> Tensor:
        return pooling.sort_pool2d(x, torch.zeros(4, requires_grad=x.requires_grad), 3, 2)

    return {
        "average": lambda x: pooling.avg_pool2d(x, 2),
        "average, padded": padded,
        "sort": sort,
        "median": lambda x: pooling.median_pool2d(x, 3, 1, 1),
        "l1": lambda x: pooling.lp_pool2d(x, 1, 3, 2),
        "l2": lambda x: pooling.lp_pool2d(x, 2, 3, 2),
        "l3": lambda x: pooling.lp_pool2d(x, 3, 3, 2),
        "generalised mean": with_slope,
        "soft": lambda x: pooling.soft_pool2d(x, 3, 2),
        "log-sum-exp": lambda x: pooling.log_sum_exp_pool2d(x, 1.0, 3, 2),
        "stochastic": lambda x: pooling.stochastic_pool2d(x, 3, 2),
        "stochastic, wide": lambda x: pooling.stochastic_pool2d(x, 17, 2, 8),
        "stochastic, expected": lambda x: pooling.stochastic_pool2d(x, 3, 2, training=False),
        "global average": pooling.global_avg_pool,
        "global l2": lambda x: pooling.global_lp_pool(x, 2),
        "global generalised mean": pooling.global_gem_pool,
    }


def _gradient(pool: Pool, x: Tensor) -> None:
    y = pool(x.detach().requires_grad_())
    y.backward(torch.ones_like(y))


def _with_threads(threads: int, call: Callable[[], object]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        call()
    finally:
        torch.set_num_threads(before)
