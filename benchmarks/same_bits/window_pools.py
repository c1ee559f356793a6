"""Pools by windows and others, in one to three dimensions, both layouts and all dtypes."""

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.same_bits.cases import FLOATS, Case, imported, seeded, values

INTEGERS = torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
SMALL = {1: (2, 3, 23), 2: (2, 3, 11, 9), 3: (1, 2, 7, 5, 9)}
LARGE = {1: (3, 5, 1031), 2: (2, 5, 37, 43), 3: (2, 3, 11, 13, 19)}  # more than 8,192 elements
MANY = {2: (2, 20, 19, 23), 3: (1, 20, 9, 11, 13)}  # channels, for vector lanes of channels

pooling = imported("huashi.pooling")

WINDOWS: dict[str, dict[str, Any]] = {
    "2": {"kernel_size": 2},
    "3 by 2": {"kernel_size": 3, "stride": 2, "padding": 1},
    "5 by 1": {"kernel_size": 5, "stride": 1, "padding": 2},
    "dilated": {"kernel_size": 3, "stride": 1, "padding": 2, "dilation": 2},
    "ceil": {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    "same": {"kernel_size": 4, "stride": 3, "padding": "same"},
    "masked": {"kernel_size": 3, "stride": 2, "padding": 1, "mask": True},
    "wide": {"kernel_size": 17, "stride": 2, "padding": 8},
}
CHEAP = "max", "min", "average", "average of real", "stochastic", "lp 1", "lp 2"  # of wide windows


def window_pools(dims: int, channels: int) -> dict[str, tuple[Callable, list[tuple[int, ...]]]]:
    """Each pool by name, and the shapes of its parameters; -1 is the elements of a window."""

    def of(name: str) -> Callable:
        return getattr(pooling, f"{name}{dims}d")

    def drawn(x: Tensor, **windows: Any) -> Tensor:
        return of("stochastic_pool")(x, generator=seeded("draw"), **windows)

    def softly_drawn(x: Tensor, **windows: Any) -> Tensor:
        return of("stochastic_pool")(x, weights="softmax", generator=seeded("draw"), **windows)

    def sort(x: Tensor, scores: Tensor, **windows: Any) -> Tensor:
        return of("sort_pool")(x, scores=scores, **windows)

    def mixed(x: Tensor, a: Tensor, **windows: Any) -> Tensor:
        return of("mixed_pool")(x, a=a, **windows)

    def compact(x: Tensor, **windows: Any) -> Any:
        y, places = of("max_pool")(x, return_indices="compact", **windows)
        unpooled = of("max_unpool")(y, places)
        return y, places.offsets, places.indices(), unpooled

    return {
        "max": (of("max_pool"), []),
        "min": (of("min_pool"), []),
        "max with indices": (partial(of("max_pool"), return_indices=True), []),
        "max and back": (compact, []),
        "average": (of("avg_pool"), []),
        "average of real": (partial(of("avg_pool"), count_include_pad=False), []),
        "average over 3": (partial(of("avg_pool"), divisor_override=3), []),
        "lp 1": (lambda x, **w: of("lp_pool")(x, 1, **w), []),
        "lp 2": (lambda x, **w: of("lp_pool")(x, 2, **w), []),
        "lp 2, mean": (lambda x, **w: of("lp_pool")(x, 2, reduction="mean", **w), []),
        "lp 3": (lambda x, **w: of("lp_pool")(x, 3.0, **w), []),
        "lp infinity": (lambda x, **w: of("lp_pool")(x, math.inf, **w), []),
        "generalised mean": (lambda x, p, **w: of("gem_pool")(x, p=p.exp(), **w), [()]),
        "soft": (of("soft_pool"), []),
        "log-sum-exp": (lambda x, r, **w: of("log_sum_exp_pool")(x, r=r.exp(), **w), [()]),
        "stochastic": (drawn, []),
        "stochastic, softmax": (softly_drawn, []),
        "stochastic, expected": (partial(of("stochastic_pool"), training=False), []),
        "sort": (sort, [(2,)]),
        "sort by channel": (sort, [(channels, 2)]),
        "quantile": (lambda x, **w: of("quantile_pool")(x, q=0.3, **w), []),
        "median": (of("median_pool"), []),
        "mixed": (mixed, [()]),
        "mixed by channel": (mixed, [(channels,)]),
        "gated": (lambda x, weight, **w: of("gated_pool")(x, weight=weight, **w), [(-1,)]),
        "max and blur": (of("max_blur_pool"), []),
    }


def pool_inputs(dims: int) -> Iterator[tuple[str, str, Tensor, tuple[int, ...]]]:
    """(size, label, x, threads)."""
    sizes = {"small": SMALL, "large": LARGE, "many channels": MANY}
    for size, kind, dtype in itertools.product(sizes, ("plain", "ties", "odd"), FLOATS):
        if dims not in sizes[size] or (size != "small" and kind != "plain"):
            continue
        threads = (1,) if size == "small" else (1, 2)
        x = values(kind, sizes[size][dims], dtype, f"{size} {kind} {dims}")
        label = f"{size}, {kind}, {str(dtype)[6:]}"
        if size != "many channels":
            yield size, label, x, threads
        if dims > 1:
            x = x.contiguous(memory_format=LAYOUTS[dims])
            yield size, f"{label}, channels last", x, threads


def pool_cases() -> Iterator[Case]:
    for dims in (1, 2, 3):
        for size, label, x, threads in pool_inputs(dims):
            for name, (pool, shapes) in window_pools(dims, x.shape[1]).items():
                for windows, chosen in WINDOWS.items():
                    if not is_asked(dims, size, label, name, windows):
                        continue
                    options = dict(chosen)
                    if name == "max and blur":
                        options.pop("ceil_mode", None)
                    if "mask" in options:
                        options["mask"] = torch.rand(x.shape, generator=seeded(label)) > 0.3
                    elements = options["kernel_size"] ** dims
                    params = [
                        values("plain", [elements if n < 0 else n for n in shape], x.dtype, name)
                        for shape in shapes
                    ]
                    run = partial(pool, **options)
                    title = f"pooling/{name}/{dims}d, {windows}, {label}"
                    second = size == "small" and "plain" in label and x.dtype == torch.float64
                    yield Case(title, run, [x, *params], threads, second and windows == "3 by 2")


def is_asked(dims: int, size: str, label: str, name: str, windows: str) -> bool:
    """Not all of everything: it would take an hour."""
    if windows == "wide":
        return size == "large" and dims < 3 and name in CHEAP
    if name == "max and back" and windows in ("masked", "ceil"):
        return False
    if "odd" in label or "ties" in label:
        return windows in ("2", "3 by 2")
    return size != "many channels" or windows in ("2", "3 by 2", "5 by 1")


def integer_cases() -> Iterator[Case]:
    for dims, dtype, windows in itertools.product((1, 2, 3), INTEGERS, ("2", "3 by 2", "5 by 1")):
        for size, shape in (("small", SMALL[dims]), ("large", LARGE[dims])):
            x = values("", shape, dtype, f"{dims} {dtype}")
            layouts = {"": x}
            if dims > 1:
                layouts[", channels last"] = x.contiguous(memory_format=LAYOUTS[dims])
            for layout, given in layouts.items():
                for kind in ("max", "min"):
                    pool = partial(getattr(pooling, f"{kind}_pool{dims}d"), **WINDOWS[windows])
                    label = f"{dims}d, {windows}, {size}, {str(dtype)[6:]}{layout}"
                    threads = (1,) if size == "small" else (1, 2)
                    yield Case(f"pooling/{kind}/{label}", pool, [given], threads)
                    both = partial(pool, return_indices=True)
                    yield Case(f"pooling/{kind} with indices/{label}", both, [given], threads)
