"""When torch's own pools are faster than the kernels: what ``huashi.pooling.torch_pools`` goes by.

    python -m benchmarks.torch_or_kernel          # measure, keep the rows
    python -m benchmarks.torch_or_kernel --fit    # the costs that these rows imply, as Python

Maximum and average pools from launch-bound planes of 4 x 4 to images that fill no cache, in both
layouts, with and without a gradient; ``kernel`` is Huashi under ``implementation("kernel")``,
``huashi`` what a user gets. The time of torch is fitted by a sum of a constant, the results and the
elements of all windows; that of the kernel by one of a constant, results, results times the side of
a window, planes, rows of results, inputs, and inputs of one plane; relative errors count.
"""

import argparse
import functools
import itertools
import math
import statistics

import torch
from torch.nn import functional as F

from benchmarks.harness import compare, ratio, save, saved
from huashi import implementation, pooling
from huashi._windows import axes_of

NAME = "torch-or-kernel"
KINDS = {
    "max": (F.max_pool2d, pooling.max_pool2d),
    "average": (F.avg_pool2d, pooling.avg_pool2d),
    "max 1d": (F.max_pool1d, pooling.max_pool1d),
    "average 1d": (F.avg_pool1d, pooling.avg_pool1d),
}
WINDOWS = (2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 1, 2)
BATCHES = (1, 16), (1, 64), (8, 64), (32, 128)
SIDES = 4, 7, 14, 28, 56, 112
ROWS = (1, 1, 2**22), (1, 1, 2**17), (1, 8, 2**14), (1, 64, 64), (32, 80, 4096), (8, 64, 512)
LINE_WINDOWS = (2, 2, 0), (3, 3, 0), (3, 1, 1), (16, 4, 2)
MOST = 8e6  # elements
PASSES = "inference", "forward+backward"


def cases():
    """(kind, windows, shape, layout)."""
    layouts = "contiguous", "channels_last"
    every = itertools.product(("max", "average"), WINDOWS, BATCHES, SIDES, layouts)
    for kind, windows, (batch, channels), side, layout in every:
        if batch * channels * side**2 <= MOST:
            yield kind, windows, (batch, channels, side, side), layout
    for kind, windows, shape in itertools.product(("max 1d", "average 1d"), LINE_WINDOWS, ROWS):
        yield kind, windows, shape, "contiguous"


def runs_of(kind, windows, shape, layout, passes, dtype):
    """A call of each contender that gives the result, or its gradient."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    if layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    by_torch, ours = KINDS[kind]
    weights = torch.ones_like(by_torch(x, *windows))
    x.requires_grad_(passes != "inference")

    def run(pool):
        y = pool(x, *windows)
        return y if passes == "inference" else torch.autograd.grad(y, x, weights)[0]

    def kernel():
        with implementation("kernel"):
            return run(ours)

    return {
        "torch": functools.partial(run, by_torch),
        "kernel": kernel,
        "huashi": functools.partial(run, ours),
    }


def fitted(rows):
    """For each kind, layout and pass the coefficients of torch's time and of the kernel's."""
    import numpy as np
    from scipy.optimize import nnls

    keys = sorted({(row["kind"], row["layout"], row["pass"]) for row in rows})
    for key in keys:
        same = [row for row in rows if (row["kind"], row["layout"], row["pass"]) == key]
        for contender in ("torch", "kernel"):
            chosen = [row for row in same if row["contender"] == contender]
            terms = np.array([terms_of(row, contender) for row in chosen])
            times = np.array([row["median_us"] for row in chosen])
            found, _ = nnls(terms / times[:, None], np.ones(len(times)))
            error = statistics.median(abs(terms @ found / times - 1))
            yield key, contender, found, error


def terms_of(row, contender):
    """What the coefficients are of, in the order of ``huashi.pooling.torch_pools.Cost``."""
    batch, channels, *lengths = row["shape"]
    axes = axes_of(lengths, *row["windows"])
    planes = batch if row["layout"] == "channels_last" else batch * channels
    results = batch * channels * math.prod(axis.windows for axis in axes) / 1e3
    if contender == "torch":
        return [1, results, results * axes[0].kernel ** len(axes)]
    rows = planes * math.prod(axis.windows for axis in axes[:-1]) / 1e3
    inputs = batch * channels * math.prod(lengths) / 1e3
    return [1, results, results * axes[0].kernel, planes / 1e3, rows, inputs, inputs / planes]


def print_fit(rows) -> None:
    for key, contender, found, error in fitted(rows):
        numbers = ", ".join(f"{number:.3g}" for number in found)
        print(f"{key} {contender}: Cost({numbers})  # off by {error:.0%}")


def table(rows: list[dict]) -> list[list[str]]:
    """For each kind, layout and pass: how often torch serves, and what a user gets and got."""
    lines = [
        [
            "kind, layout, pass",
            "cases",
            "kernel, times torch",
            "slower by 5% and more",
            "huashi, times torch",
            "slower by 5% and more",
            "least",
        ]
    ]
    keys = dict.fromkeys((row["kind"], row["layout"], row["pass"]) for row in rows)
    for key in keys:
        same = [row for row in rows if (row["kind"], row["layout"], row["pass"]) == key]
        cells = []
        for contender in ("kernel", "huashi"):
            times = [row["times_peer"] for row in same if row["contender"] == contender]
            cells += [ratio(statistics.geometric_mean(times)), str(sum(t < 0.95 for t in times))]
        lines.append(
            [
                ", ".join(key).replace("_", " ").replace("+", " + "),
                str(len(same) // 3),
                *cells[:2],
                f"**{cells[2]}**",
                cells[3],
                f"{min(times):.2f}",
            ]
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="of the rows that are kept")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()
    if args.fit:
        print_fit(saved(NAME))
        return
    rows = []
    for (kind, windows, shape, layout), passes in itertools.product(cases(), PASSES):
        runs = runs_of(kind, windows, shape, layout, passes, getattr(torch, args.dtype))
        case = {"bench": NAME, "kind": kind, "windows": windows, "shape": shape}
        case |= {"layout": layout, "pass": passes, "dtype": args.dtype}
        rows += compare(case, runs, peer="torch", device="cpu", rounds=args.rounds)
    if args.dtype == "float32":
        save(NAME, rows)


if __name__ == "__main__":
    main()
