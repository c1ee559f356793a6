"""Median and sort pooling on the CPU against what people write with torch, and our own reference.

    python -m benchmarks.order_statistics

``unfold`` is what is found in answers and repositories: ``F.pad`` and ``Tensor.unfold`` lay out the
windows, then ``median`` or ``topk`` reduces them. ``reference`` is the plain definition in
:mod:`huashi.pooling.reference`, which serves where no kernel does. Padding is absent in ours and
zero with ``unfold``, so the borders, where results differ, are cut off.
"""

import argparse
from functools import partial
from itertools import groupby

import torch
from torch.nn import functional as F

from benchmarks.harness import compare, ratio, save
from huashi import implementation, pooling

SCORES = torch.tensor([1.0, 0.5, 0.0, -0.5])
CASES = {  # name: (shape, windows, pool)
    "median 3 × 3": ((8, 64, 56, 56), (3, 1, 1), "median"),
    "median 5 × 5": ((1, 3, 512, 512), (5, 1, 2), "median"),
    "the 4 largest of 3 × 3": ((32, 64, 56, 56), (3, 2, 0), "sort"),
}


def laid_out(x, size, stride, padding):
    """The windows of images along a last dimension, zeros around them."""
    windows = F.pad(x, [padding] * 4).unfold(2, size, stride).unfold(3, size, stride)
    return windows.flatten(-2)


def by_unfold(kind, x, scores, windows):
    elements = laid_out(x, *windows)
    if kind == "median":
        return elements.median(-1).values
    return (elements.topk(len(scores), -1).values * scores.softmax(0)).sum(-1)


def by_huashi(kind, x, scores, windows):
    if kind == "median":
        return pooling.median_pool2d(x, *windows)
    return pooling.sort_pool2d(x, *windows, scores=scores)


def by_reference(*arguments):
    with implementation("reference"):
        return by_huashi(*arguments)


POOLS = {"unfold": by_unfold, "reference": by_reference, "huashi": by_huashi}


def inference(pool, kind, x, scores, windows):
    with torch.no_grad():
        return inner(pool(kind, x, scores, windows), windows)


def both(pool, kind, x, scores, windows):
    leaves = [leaf.detach().requires_grad_() for leaf in ((x, scores) if kind == "sort" else (x,))]
    y = inner(pool(kind, *leaves, *([] if kind == "sort" else [scores]), windows), windows)
    y.backward(torch.ones_like(y))
    return leaves[0].grad


def inner(y, windows):
    """The results whose windows do not touch the padding."""
    cut = windows[2]
    return y[..., cut : y.shape[-2] - cut, cut : y.shape[-1] - cut]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rows = []
    for name in args.case:
        shape, windows, kind = CASES[name]
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        for passes, run in {"inference": inference, "forward+backward": both}.items():
            runs = {k: partial(run, pool, kind, x, SCORES, windows) for k, pool in POOLS.items()}
            case = {"bench": "order-statistics", "case": name, "pass": passes, "shape": shape}
            options = {"peer": "unfold", "device": "cpu", "rounds": args.rounds}
            rows += compare(case, runs, moved=2 * x.nbytes, **options)
    if args.case == list(CASES):
        save("order-statistics", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each contender."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    lines = [["pool", "shape", "pass", *(f"{name}, ms" for name in names), "times unfold"]]
    for _, group in groupby(rows, key=lambda row: (row["case"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        lines.append(
            [
                ours["case"],
                " × ".join(map(str, ours["shape"])),
                ours["pass"].replace("+", " + "),
                *(f"{by_name[name]['median_us'] / 1e3:,.1f}" for name in names),
                f"**{ratio(ours['times_peer'])}**",
            ]
        )
    return lines


if __name__ == "__main__":
    main()
