"""Pools of another kind than by windows: adaptive, random, global, along a line."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.same_bits.cases import Case, imported, seeded
from benchmarks.same_bits.window_pools import pool_inputs

pooling = imported("huashi.pooling")


def other_pools(dims: int) -> dict[str, Callable]:
    """Pools of another kind than by windows."""

    def of(name: str) -> Callable:
        return getattr(pooling, f"{name}{dims}d")

    def fractional(x: Tensor, **options: Any) -> Any:
        return of("fractional_max_pool")(x, 2, 3, generator=seeded("draw"), **options)

    def s3(x: Tensor, **options: Any) -> Tensor:
        return of("s3_pool")(x, 2, generator=seeded("draw"), **options)

    def weighted(x: Tensor) -> Tensor:
        return pooling.global_attention_pool(x, x.new_full((x.shape[1],), 0.3))

    found = {
        **{f"adaptive {kind}": partial(of(f"adaptive_{kind}_pool"), output_size=3) for kind in
           ("max", "min", "avg", "soft")},
        "adaptive max with indices": lambda x: of("adaptive_max_pool")(x, 2, True),
        "adaptive lp": lambda x: of("adaptive_lp_pool")(x, 2, 3),
        "adaptive gem": lambda x: of("adaptive_gem_pool")(x, 3, p=3),
        "fractional": fractional,
        "fractional with indices": partial(fractional, return_indices=True),
        "s3": s3,
        "s3, expected": partial(s3, training=False),
        "blur": partial(of("blur_pool"), kernel_size=3),
        "unbatched max": lambda x: of("max_pool")(x[0], 3, 2, 1),
        "strided average": lambda x: of("avg_pool")(torch.stack([x, x], -1)[..., 0], 2),
        "whole average": lambda x: of("avg_pool")(x, x.shape[2:]),
        "whole max": lambda x: of("max_pool")(x, x.shape[2:]),
        "mask": lambda x: of("mask_pool")(x > 0, 3, 2, 1),
        **{f"global {kind}": getattr(pooling, f"global_{kind}_pool")
           for kind in ("max", "min", "avg", "gem", "soft", "covariance")},
        "global lp 1": lambda x: pooling.global_lp_pool(x, 1),
        "global lp 2": lambda x: pooling.global_lp_pool(x, 2),
        "global lp 3": lambda x: pooling.global_lp_pool(x, 3, reduction="mean"),
        "global log-sum-exp": lambda x: pooling.global_log_sum_exp_pool(x, 2.0),
        "global attention": weighted,
        "masked global average": lambda x: pooling.global_avg_pool(x, mask=x > 0),
    }  # fmt: skip
    if dims == 2:
        found["pyramid"] = lambda x: pooling.spatial_pyramid_pool2d(x, (1, 2, 3))
    if dims == 1:
        found |= line_pools()
    return found


def line_pools() -> dict[str, Callable]:
    def lengths(x: Tensor) -> Tensor:
        return torch.arange(len(x)) * 3 + 7

    def long(x: Tensor) -> Tensor:
        return pooling.max_pool1d(x.repeat(1, 1, 40), 33_000, 1)

    return {
        "k-max": lambda x: pooling.k_max_pool1d(x, 4, return_indices=True),
        "k-max by lengths": lambda x: pooling.k_max_pool1d(x, 4, lengths=lengths(x)),
        "dynamic k-max": lambda x: pooling.dynamic_k_max_pool1d(
            x, 1, 3, k_top=2, lengths=lengths(x)
        ),
        "chunk-max": lambda x: pooling.chunk_max_pool1d(x, 3),
        "chunk-max by lengths": lambda x: pooling.chunk_max_pool1d(x, 3, lengths=lengths(x)),
        "max by lengths": lambda x: pooling.max_pool1d(x, 3, 2, 1, lengths=lengths(x)),
        "average by lengths": lambda x: pooling.avg_pool1d(x, 3, 2, 1, lengths=lengths(x)),
        "long max": lambda x: long(x) if x.shape[-1] > 1000 else x,
    }


def other_pool_cases() -> Iterator[Case]:
    for dims in (1, 2, 3):
        for size, label, x, threads in pool_inputs(dims):
            for name, pool in other_pools(dims).items():
                second = size == "small" and "plain" in label and x.dtype == torch.float64
                yield Case(f"pooling/{name}/{dims}d, {label}", pool, [x], threads, second)
