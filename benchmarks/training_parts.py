"""Parts of a training step on the CPU, forward and backward, against what torch has for them.

    python -m benchmarks.training_parts

In the sizes of the recipe ``translate``: a batch of 125 sentences of 16 words. Beside each case
stands the least that has to be computed and moved, and what a product of large matrices and a copy
reach. ``torch`` is the plain way; ``chunked`` is
torch's own cross-entropy of a linear layer in pieces, which smooths no labels.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harness import compare, save
from huashi._dropout import dropout
from huashi.convolution.depthwise import depthwise_conv1d
from huashi.seq2seq.operations.linear_cross_entropy import linear_cross_entropy
from huashi.seq2seq.operations.short_attention import reference, short_attention

SENTENCES, WORDS = 125, 16
Pass = Callable[[], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows, reached = [], {"product_gflop_per_s": product_rate()}
    for case, runs, options in cases():
        torch.manual_seed(0)
        rows += compare(
            case | reached, runs, peer="torch", device="cpu", rounds=args.rounds, **options
        )
        save("training-parts", rows)


def product_rate() -> float:
    """GFLOP/s of a product of matrices, 2,048 by 2,048."""
    x = torch.randn(2048, 2048)
    seconds = []
    for _ in range(15):
        begun = time.perf_counter()
        x @ x
        seconds.append(time.perf_counter() - begun)
    return round(2 * 2048**3 / statistics.median(seconds) / 1e9, 1)


def cases() -> Iterator[tuple[dict, dict[str, Pass], dict[str, Any]]]:
    """What is timed, the contenders, and options of the comparison."""
    yield dropped()
    yield filtered(31)
    yield filtered(5)
    yield scored()
    yield attended()


def dropped() -> tuple[dict, dict[str, Pass], dict[str, Any]]:
    """Random numbers agree in how many of them are dropped alone."""
    x = torch.randn(SENTENCES * WORDS, 128, requires_grad=True)

    def run(drop: Callable[[Tensor, float], Tensor]) -> Pass:
        def passes() -> Tensor:
            y = drop(x, 0.3)
            [grad] = torch.autograd.grad(y, x, torch.ones_like(y))
            return (grad == 0).float().mean()

        return passes

    case = {"case": "dropout", "shape": list(x.shape), "mflop": 0.5}
    return (
        case,
        {"torch": run(F.dropout), "huashi": run(dropout)},
        {"atol": 0.02, "moved": 4 * x.nbytes},
    )


def filtered(taps: int) -> tuple[dict, dict[str, Pass], dict[str, Any]]:
    """Taps that fall outside of a sentence are not counted."""
    x = torch.randn(SENTENCES, WORDS, 192, requires_grad=True)
    weight = torch.randn(192, taps, requires_grad=True)
    grad, pad = torch.randn(x.shape), taps // 2

    def theirs(x: Tensor) -> Tensor:
        return F.conv1d(x.transpose(1, 2), weight[:, None], padding=pad, groups=192).transpose(1, 2)

    def ours(x: Tensor) -> Tensor:
        return depthwise_conv1d(x, weight, left=pad, right=pad)

    seen = sum(abs(s - t) <= pad for s in range(WORDS) for t in range(WORDS))
    case = {
        "case": f"filters of {taps} taps",
        "shape": list(x.shape),
        "mflop": round(3 * 2 * SENTENCES * seen * 192 / 1e6),
    }
    return (
        case,
        {"torch": _passes(theirs, x, grad), "huashi": _passes(ours, x, grad)},
        {"moved": 5 * x.nbytes},
    )


def scored() -> tuple[dict, dict[str, Pass], dict[str, Any]]:
    """Three products of matrices; what is moved is the features and the layer, not the logits."""
    layer = nn.Linear(128, 4000, bias=False)
    x = torch.randn(SENTENCES * WORDS, 128, requires_grad=True)
    target = torch.randint(4000, (len(x),))
    losses: dict[str, Callable[[Tensor], Tensor]] = {
        "torch": lambda x: F.cross_entropy(layer(x), target, reduction="sum"),
        "huashi": lambda x: linear_cross_entropy(x, layer, target)[0],
    }
    if hasattr(F, "linear_cross_entropy"):
        options = nn.LinearCrossEntropyOptions()
        losses["chunked"] = lambda x: F.linear_cross_entropy(
            x, layer.weight, target, options=options, reduction="sum"
        )
    case = {
        "case": "cross-entropy of a layer",
        "shape": [len(x), 128, 4000],
        "mflop": round(3 * 2 * len(x) * 128 * 4000 / 1e6),
    }
    runs = {name: _passes(loss, x, torch.ones(())) for name, loss in losses.items()}
    return case, runs, {"moved": 2 * (x.nbytes + layer.weight.nbytes)}


def attended() -> tuple[dict, dict[str, Pass], dict[str, Any]]:
    """Two products of matrices a head forward, four backward: the weights are kept.

    Heads lie as a linear layer leaves them. ``products`` is those of whole matrices.
    """
    x, *others = (torch.randn(SENTENCES, WORDS, 128, requires_grad=True) for _ in range(3))
    mask = torch.ones(SENTENCES, 1, 1, WORDS, dtype=torch.bool)
    mask[::3, ..., -2:] = False

    def heads(attend: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            q, k, v = (y.unflatten(-1, (4, 32)).transpose(1, 2) for y in (x, *others))
            return attend(q, k, v, mask).transpose(1, 2).flatten(-2)

        return forward

    ways: dict[str, Callable[..., Tensor]] = {
        "torch": F.scaled_dot_product_attention,
        "products": reference.attend,
        "huashi": short_attention,
    }
    case = {
        "case": "attention",
        "shape": [SENTENCES, 4, WORDS, 32],
        "mflop": round(6 * 2 * SENTENCES * 4 * WORDS * WORDS * 32 / 1e6),
    }
    grad = torch.randn(x.shape)
    runs = {name: _passes(heads(way), x, grad, *others) for name, way in ways.items()}
    return case, runs, {"moved": (4 + 7) * x.nbytes + 8 * SENTENCES * 4 * WORDS * WORDS}


def _passes(forward: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor, *others: Tensor) -> Pass:
    """Forward and backward; the gradient is what has to agree."""

    def passes() -> Tensor:
        for leaf in (x, *others):
            leaf.grad = None
        forward(x).backward(grad)
        assert x.grad is not None
        return x.grad

    return passes


def table(rows: list[dict]) -> list[list[str]]:
    """Microseconds of each contender beside what has to be computed and moved."""
    names = [name for name in dict.fromkeys(row["contender"] for row in rows) if name != "huashi"]
    names.append("huashi")
    head = ["forward + backward", "shape", *(f"{name}, µs" for name in names)]
    lines = [[*head, "times torch", "GFLOP/s (product)", "GB/s (copy)"]]
    for _, group in groupby(rows, key=lambda row: row["case"]):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        times = [by_name.get(name, {"median_us": None})["median_us"] for name in names]
        rate = ours["mflop"] * 1e3 / ours["median_us"]
        lines.append(
            [
                ours["case"],
                " × ".join(map(str, ours["shape"])),
                *("–" if time is None else f"{time:,.0f}" for time in times),
                f"**{ours['times_peer']:.1f}**",
                f"{rate:.1f} ({ours['product_gflop_per_s']:.0f})",
                f"{ours['gb_per_s']:.1f} ({ours['copy_gb_per_s']:.1f})",
            ]
        )
    return lines


if __name__ == "__main__":
    main()
