"""What a proximal step in the metric of AdamW costs beside the training step that it follows.

    python -m benchmarks.proximal_cost

A ResNet-18 on 32 images of 64 x 64, all of whose weights are in groups. ``training step`` is
forward, backward and AdamW; ``proximal`` is what :class:`huashi.regularization.Proximal` adds to
them, timed in the same rounds on the same model. ``limit`` is a copy of as many bytes as the step
has to move: it reads the weights and the mean squares of their gradients, and writes the weights.

Strengths differ, since a group that is zero costs less; so do the zero groups, which are counted at
the end.
"""

import argparse
import statistics
import time
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.harness import machine, save
from huashi.regularization import GroupLasso, Proximal, SparseGroupLasso, columns, filters

BATCH, SIZE, CLASSES, LR = 32, 64, 1000, 1e-3
ROUNDS, WARM_UP = 15, 5
CASES = {  # name: (groups of a model, penalty, factors of it)
    "filters, group lasso": (filters, GroupLasso(), (0.01, 0.1, 0.3)),
    "filters, sparse group lasso": (filters, SparseGroupLasso(l1=0.1), (0.03,)),
    "columns, group lasso": (columns, GroupLasso(), (0.1,)),
}


def convolution(before, after, size=3, stride=1):
    layer = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after))


class Block(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.first = convolution(before, after, 3, stride)
        self.second = convolution(after, after)
        same = before == after and stride == 1
        self.past = nn.Identity() if same else convolution(before, after, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.past(x))


def resnet18():
    layers = [convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for after in (64, 128, 256, 512):
        layers += [Block(before, after, 1 if after == 64 else 2), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(find, penalty):
    """Seconds of forward and backward, of AdamW and of what Proximal adds, by rounds."""
    torch.manual_seed(0)
    model = resnet18()
    groups = find(model)
    optimizer = torch.optim.AdamW(model.parameters(), LR)
    proximal = Proximal(optimizer, [(groups, penalty)])
    images, labels = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(CLASSES, (BATCH,))

    def forward_backward():
        proximal.zero_grad()
        F.cross_entropy(model(images), labels).backward()

    times, inner = [], []
    step = optimizer.step
    optimizer.step = lambda closure: inner.append(seconds(step))
    for _ in range(WARM_UP + ROUNDS):
        both = seconds(forward_backward)
        whole = seconds(proximal.step)
        times.append((both, inner[-1], whole - inner[-1]))
    zero = sum(int(one.zeros().sum()) for one in groups)
    moved = 3 * sum(part.parameter.nbytes for one in groups for part in one.parts)
    return list(zip(*times[WARM_UP:], strict=True)), zero, sum(map(len, groups)), moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="one strength each, not saved")
    args = parser.parse_args()
    rows = []
    for name in args.case:
        find, penalty, factors = CASES[name]
        for factor in factors[-1:] if args.quick else factors:
            (both, inner, extra), zero, count, moved = measure(find, penalty.scaled(factor))
            source = torch.ones(moved // 2 // 4)
            copy = partial(torch.ones_like(source).copy_, source)
            limit = statistics.median(seconds(copy) for _ in range(ROUNDS))
            step = statistics.median(a + b for a, b in zip(both, inner, strict=True))
            spent = statistics.median(extra)
            row = {
                "case": name,
                "factor": factor,
                "groups": count,
                "zero": zero,
                "forward_backward_ms": round(statistics.median(both) * 1e3, 1),
                "adamw_ms": round(statistics.median(inner) * 1e3, 1),
                "training_step_ms": round(step * 1e3, 1),
                "proximal_ms": round(spent * 1e3, 1),
                "share": round(spent / step, 3),
                "limit_ms": round(limit * 1e3, 1),
                "rounds": ROUNDS,
            }
            print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
            rows.append(row | machine("cpu"))
    if not args.quick:
        save("proximal-cost", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """What the proximal step adds to a training step, in milliseconds and as a share."""
    lines = [
        [
            "groups and penalty",
            "zero groups",
            "forward + backward, ms",
            "AdamW, ms",
            "proximal step, ms",
            "share of the training step",
            "copy of its bytes, ms",
        ]
    ]
    return lines + [
        [
            row["case"],
            f"{row['zero']:,} of {row['groups']:,}",
            f"{row['forward_backward_ms']:.0f}",
            f"{row['adamw_ms']:.1f}",
            f"{row['proximal_ms']:.1f}",
            f"**{row['share']:.1%}**",
            f"{row['limit_ms']:.1f}",
        ]
        for row in rows
    ]


if __name__ == "__main__":
    main()
