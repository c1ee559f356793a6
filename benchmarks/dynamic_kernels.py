"""Ways to convolve each sample with its own mixture of kernels, by shape: which one is the fastest.

    python -m benchmarks.dynamic_kernels

``separate`` is what is found in repositories that do not mix kernels: a convolution for each of the
K kernels, whose results are weighted and summed. The others are the strategies of
``huashi.convolution.dynamic_kernels``; ``chosen`` is the one that ``strategy="auto"`` takes there.
Coefficients are given, so that what makes them is not timed; forward and backward has the gradients
of the input, the kernels and the coefficients. All on one thread.

``--case`` measures some cases anew and keeps the rows of the others.
"""

import argparse
from functools import partial
from itertools import groupby, product

import torch
from torch.nn import functional as F

from benchmarks.harness import compare, save, saved
from huashi.convolution.dynamic_kernels.choice import chosen
from huashi.convolution.dynamic_kernels.strategies import STRATEGIES, Geometry

IMAGES = ((16, 56), (64, 28), (128, 14), (256, 7))  # channels, positions along an axis
CASES = {
    f"{batch} x {channels} x {side} x {side}, {taps} x {taps}, K = {kernels}": (
        *(batch, channels, side, taps, kernels),
    )
    for (channels, side), taps, kernels, batch in product(IMAGES, (1, 3), (4, 8), (1, 8, 32, 64))
    if kernels == 4 or batch in (1, 32)
}


def separate(x, weight, bias, coefficients, geometry):
    """A convolution with each kernel; the results are weighted and summed."""
    total = 0
    for k, kernel in enumerate(weight):
        y = F.conv2d(x, kernel, None, geometry.stride, geometry.padding)
        total = total + coefficients[:, k, :, None, None] * y
    return total


def inference(way, x, weight, coefficients, geometry):
    with torch.no_grad():
        return way(x, weight, None, coefficients, geometry)


def both(way, x, weight, coefficients, geometry):
    leaves = [leaf.detach().requires_grad_() for leaf in (x, weight, coefficients)]
    y = way(leaves[0], leaves[1], None, leaves[2], geometry)
    y.backward(torch.ones_like(y))
    return leaves[0].grad


def measured(name, seconds):
    """Rows of one case."""
    batch, channels, side, taps, kernels = CASES[name]
    seed = torch.Generator().manual_seed(0)
    x = torch.randn(batch, channels, side, side, generator=seed)
    weight = torch.randn(kernels, channels, channels, taps, taps, generator=seed)
    weight /= taps * channels**0.5
    coefficients = torch.rand(batch, kernels, 1, generator=seed).softmax(1)
    geometry = Geometry((1, 1), (taps // 2,) * 2, (1, 1), 1)
    ways = {"separate": separate, **STRATEGIES}
    del ways["per_sample" if batch == 1 else "one_kernel"]
    rows = []
    for passes, run in {"inference": inference, "forward+backward": both}.items():
        with torch.set_grad_enabled(run is both):
            choice = chosen(x, weight.requires_grad_(run is both), geometry)
        weight = weight.detach()
        runs = {k: partial(run, way, x, weight, coefficients, geometry) for k, way in ways.items()}
        case = {"bench": "dynamic-kernels", "case": name, "pass": passes, "chosen": choice}
        rows += compare(
            case, runs, peer="separate", device="cpu", rounds=None, seconds=seconds, atol=1e-3
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {case: list(group) for case, group in groupby(saved("dynamic-kernels"), _case)}
    for name in args.case:
        rows[name] = measured(name, args.seconds)
    save("dynamic-kernels", [row for name in CASES for row in rows.get(name, [])])


def table(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each way, and how far the chosen one is from the best."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    lines = [["input, kernel", "pass", *(f"{name}, ms" for name in names), "chosen", "of the best"]]
    for _, group in groupby(rows, key=lambda row: (row["case"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        first = next(iter(by_name.values()))
        best = min(row["median_us"] for row in by_name.values())
        lines.append(
            [
                first["case"].replace(" x ", " × "),
                first["pass"].replace("+", " + "),
                *(
                    f"{by_name[name]['median_us'] / 1e3:,.2f}" if name in by_name else "–"
                    for name in names
                ),
                first["chosen"],
                f"{by_name[first['chosen']]['median_us'] / best:.2f}",
            ]
        )
    return lines


def _case(row):
    return row["case"]


if __name__ == "__main__":
    main()
