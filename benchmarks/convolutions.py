"""Composed convolutions against torch's modules put together by hand, and what they replace.

    python -m benchmarks.convolutions

Layers of known networks, forward alone (inference) and with the gradients of the input and of the
weights. ``by hand`` is what people write with torch: ``nn.Sequential``, for kernels of several
sizes a split and a ``torch.cat``, for a gate ``nn.GLU``; it has the same weights and results.
``plain`` is the one convolution of the same shape, whose results are of course others.
"""

import argparse
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.harness import compare, ratio, save, threads_of
from huashi import convolution

DONE = torch.zeros(())  # what a timed call returns: that it agrees is checked beforehand
CONV = {1: nn.Conv1d, 2: nn.Conv2d}


class Case(NamedTuple):
    """A layer of a network."""

    ours: Any
    by_hand: nn.Module
    """The same of torch's modules, parameters in the same order."""
    plain: nn.Module
    shape: tuple[int, ...]
    """Of the input, (batch, channels, *lengths)."""


def separable(c, d, side, k=3, batch=8):
    return Case(
        convolution.DepthwiseSeparableConv2d(c, d, k, padding=k // 2),
        nn.Sequential(nn.Conv2d(c, c, k, padding=k // 2, groups=c, bias=False), nn.Conv2d(c, d, 1)),
        nn.Conv2d(c, d, k, padding=k // 2),
        (batch, c, side, side),
    )


def spatial(c, d, side, k, batch=8):
    return Case(
        convolution.SpatiallySeparableConv2d(c, d, k, padding=k // 2),
        nn.Sequential(
            nn.Conv2d(c, d, (k, 1), padding=(k // 2, 0), bias=False),
            nn.Conv2d(d, d, (1, k), padding=(0, k // 2)),
        ),
        nn.Conv2d(c, d, k, padding=k // 2),
        (batch, c, side, side),
    )


def flattened(c, d, side, k, batch=8):
    return Case(
        convolution.FlattenedConv2d(c, d, k, padding=k // 2),
        nn.Sequential(
            nn.Conv2d(c, d, 1, bias=False),
            nn.Conv2d(d, d, (k, 1), padding=(k // 2, 0), groups=d, bias=False),
            nn.Conv2d(d, d, (1, k), padding=(0, k // 2), groups=d),
        ),
        nn.Conv2d(c, d, k, padding=k // 2),
        (batch, c, side, side),
    )


def shuffled(c, middle, side, groups, batch=8):
    return Case(
        convolution.ShuffledConv2d(c, c, 3, padding=1, groups=groups, middle_channels=middle),
        nn.Sequential(
            nn.Conv2d(c, middle, 1, groups=groups, bias=False),
            nn.ChannelShuffle(groups),
            nn.Conv2d(middle, middle, 3, padding=1, groups=middle, bias=False),
            nn.Conv2d(middle, c, 1, groups=groups),
        ),
        nn.Conv2d(c, c, 3, padding=1),
        (batch, c, side, side),
    )


class SplitAndConcatenate(nn.Module):
    """Mixed depthwise kernels as the networks' public code has them."""

    def __init__(self, sizes, channels):
        super().__init__()
        self.channels = channels
        self.parts = nn.ModuleList(
            nn.Conv2d(c, c, k, padding=k // 2, groups=c)
            for k, c in zip(sizes, channels, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        pieces = x.split(self.channels, 1)
        return torch.cat([part(piece) for part, piece in zip(self.parts, pieces, strict=True)], 1)


def mixed(c, side, sizes, batch=8):
    ours = convolution.MixedConv2d(c, c, sizes, padding=sizes[-1] // 2, groups=c)
    return Case(
        ours,
        SplitAndConcatenate(sizes, ours.inputs),
        nn.Conv2d(c, c, sizes[-1], padding=sizes[-1] // 2, groups=c),
        (batch, c, side, side),
    )


def gated(c, length, k, batch=32):
    return Case(
        convolution.GLUConv1d(c, c, k, padding=k // 2),
        nn.Sequential(nn.Conv1d(c, 2 * c, k, padding=k // 2), nn.GLU(1)),
        nn.Conv1d(c, c, k, padding=k // 2),
        (batch, c, length),
    )


CASES = {  # kind and network: how it is made
    ("depthwise separable", "MobileNet, 112², 32 to 64"): lambda: separable(32, 64, 112),
    ("depthwise separable", "MobileNet, 28², 256"): lambda: separable(256, 256, 28),
    ("depthwise separable", "MobileNet, 14², 512"): lambda: separable(512, 512, 14),
    ("spatially separable, 7", "Inception-v3, 17², 192"): lambda: spatial(192, 192, 17, 7),
    ("spatially separable, 3", "ResNet, 56², 64"): lambda: spatial(64, 64, 56, 3),
    ("flattened, 5", "CIFAR, 32², 64 to 128"): lambda: flattened(64, 128, 32, 5),
    ("flattened, 3", "14², 256"): lambda: flattened(256, 256, 14, 3),
    ("shuffled, 3 groups", "ShuffleNet, 28², 240"): lambda: shuffled(240, 60, 28, 3),
    ("shuffled, 3 groups", "ShuffleNet, 14², 480"): lambda: shuffled(480, 120, 14, 3),
    ("mixed, 3 5", "MixNet, 56², 72"): lambda: mixed(72, 56, (3, 5)),
    ("mixed, 3 5 7", "MixNet, 28², 240"): lambda: mixed(240, 28, (3, 5, 7)),
    ("mixed, 3 5 7 9", "MixNet, 14², 480"): lambda: mixed(480, 14, (3, 5, 7, 9)),
    ("gated", "ConvS2S, 64 words, 256"): lambda: gated(256, 64, 3),
}


def inference(layer: nn.Module, x: Tensor, result: Tensor) -> Tensor:
    del result
    with torch.no_grad():
        return layer(x)


def both(layer: nn.Module, x: Tensor, result: Tensor) -> Tensor:
    """The gradient of the input; those of the weights are made too."""
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(layer(leaf), [leaf, *layer.parameters()], result)[0]


PASSES = {"forward": inference, "forward+backward": both}


def measure(key: tuple[str, str], layout: str, rounds: int | None) -> list[dict]:
    torch.manual_seed(0)
    case, rows = CASES[key](), []
    for mine, theirs in zip(case.by_hand.parameters(), case.ours.parameters(), strict=True):
        mine.data.copy_(theirs.data)
    x = torch.randn(case.shape)
    layers = {"huashi": case.ours, "by hand": case.by_hand, "plain": case.plain}
    if layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
        layers = {
            name: layer.to(memory_format=torch.channels_last) for name, layer in layers.items()
        }
    result = torch.randn_like(case.plain(x))
    for passes, run in PASSES.items():
        torch.testing.assert_close(run(case.ours, x, result), run(case.by_hand, x, result))

        def timed(layer, run=run):
            def call():
                run(layer, x, result)
                return DONE

            return call

        about = {"bench": "convolutions", "kind": key[0], "network": key[1], "layout": layout}
        about |= {"pass": passes, "shape": "x".join(map(str, case.shape))}
        runs = {name: timed(layer) for name, layer in layers.items()}
        plain = {
            "plain": runs.pop("plain")
        }  # in turn with the others it would leave them its cache
        for contenders, peer in ((runs, "by hand"), (plain, "plain")):
            rows += compare(about, contenders, peer=peer, device="cpu", rounds=rounds)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--only", default="", help="a part of the name of a kind; writes nothing")
    args = parser.parse_args()
    rows = []
    for key in CASES:
        if args.only in key[0]:
            layouts = ("contiguous",) if key[0] == "gated" else ("contiguous", "channels_last")
            for layout in layouts:
                rows += measure(key, layout, args.rounds)
    if not args.only:
        save("convolutions", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each contender, and how many times as fast ours is."""
    names = {"huashi": "huashi", "by hand": "torch by hand", "plain": "plain"}
    head = ["convolution", "layer", "layout", "pass", *(f"{name}, ms" for name in names.values())]
    lines = [[*head, "times by hand", "times plain"]]
    keys = ("kind", "network", "layout", "pass")
    for key, group in groupby(rows, key=lambda row: tuple(row[name] for name in keys)):
        by_name = {row["contender"]: row for row in group}
        spent = {name: by_name[name]["median_us"] / 1e3 for name in names}
        lines.append(
            [
                *(word.replace("+", " + ").replace("_", " ") for word in key),
                *(f"{each:,.2f}" for each in spent.values()),
                f"{by_name['huashi']['times_peer']:.2f}",
                f"**{ratio(spent['plain'] / spent['huashi'])}**",
            ]
        )
    return lines


def note(rows: list[dict]) -> str:
    return (
        "float32, batches of 8 (gated: 32). *plain* is one convolution of the same shape, for "
        "mixed kernels the depthwise one with the largest; *times by hand* is a median of ratios, "
        f"*times plain* a ratio of medians. {threads_of(rows)} of "
    )


if __name__ == "__main__":
    main()
