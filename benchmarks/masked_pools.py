"""What a mask costs: pools on the CPU with a mask against the same pools without one.

    python -m benchmarks.masked_pools

The mask is True everywhere, so that all have one result; no kernel looks at how much is absent.
``reference`` is the plain definition with the mask, in :mod:`huashi.pooling.reference`, which lays
out every window.
"""

import argparse
from functools import partial
from itertools import groupby

import torch

from benchmarks.harness import compare, ratio, save, threads_of
from huashi import implementation, pooling

SHAPE = 8, 64, 56, 56
SMALL, WHOLE = "3 × 3, stride 2", "all"
CASES = {  # pool and windows: the pool
    ("max", SMALL): partial(pooling.max_pool2d, kernel_size=3, stride=2),
    ("average", SMALL): partial(
        pooling.avg_pool2d, kernel_size=3, stride=2, count_include_pad=False
    ),
    ("lp, p = 2", SMALL): partial(pooling.lp_pool2d, norm_type=2, kernel_size=3, stride=2),
    ("gem, p = 3", SMALL): partial(pooling.gem_pool2d, p=3.0, kernel_size=3, stride=2),
    ("soft", SMALL): partial(pooling.soft_pool2d, kernel_size=3, stride=2),
    ("log-sum-exp", SMALL): partial(pooling.log_sum_exp_pool2d, r=2.0, kernel_size=3, stride=2),
    ("median", SMALL): partial(pooling.median_pool2d, kernel_size=3, stride=2),
    ("gem, p = 3", WHOLE): pooling.global_gem_pool,
    ("log-sum-exp", WHOLE): partial(pooling.global_log_sum_exp_pool, r=2.0),
}


def inference(pool, x, mask):
    with torch.no_grad():
        return pool(x, mask=mask)


def both(pool, x, mask):
    leaf = x.detach().requires_grad_()
    y = pool(leaf, mask=mask)
    y.backward(torch.ones_like(y))
    return leaf.grad


def by_reference(run, *arguments):
    with implementation("reference"):
        return run(*arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    mask, rows = torch.ones(SHAPE[0], 1, *SHAPE[2:], dtype=torch.bool), []
    for (name, windows), pool in CASES.items():
        for passes, run in {"inference": inference, "forward+backward": both}.items():
            runs = {
                "masked": partial(run, pool, x, mask),
                "without": partial(run, pool, x, None),
                "reference": partial(by_reference, run, pool, x, mask),
            }
            case = {"bench": "masked-pools", "case": name, "windows": windows, "pass": passes}
            rows += compare(case, runs, peer="masked", device="cpu", rounds=args.rounds)
    save("masked-pools", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each contender, and what the mask costs."""
    names = {"without": "without a mask", "masked": "with a mask", "reference": "reference"}
    head = ["pool", "windows", "pass", *(f"{name}, ms" for name in names.values())]
    lines = [[*head, "times without", "by medians"]]
    for key, group in groupby(rows, key=lambda row: (row["case"], row["windows"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        spent = {name: by_name[name]["median_us"] / 1e3 for name in names}
        lines.append(
            [
                *(word.replace("+", " + ") for word in key),
                *(f"{each:,.1f}" for each in spent.values()),
                f"**{ratio(by_name['without']['times_peer'])}**",
                ratio(spent["masked"] / spent["without"]),
            ]
        )
    return lines


def note(rows: list[dict]) -> str:
    shape = " × ".join(map(str, SHAPE))
    return f"float32, {shape}; *times without* is a median of ratios. {threads_of(rows)} of "


if __name__ == "__main__":
    main()
