"""Whole models before and after :func:`huashi.accelerate`, inference and forward+backward.

    python -m benchmarks.pooling_model --device cpu

A batch of 32 images of 64 x 64. Outputs must agree to rounding; gradients of the first weights less
closely, since a maximum of nearly equal elements may be another one after an average was rounded
otherwise. (In float32, torch's own gradient is as far from the one in float64.)
"""

import argparse
import copy
from itertools import groupby

import torch
from torch import nn

from benchmarks.harness import compare, save
from huashi import accelerate
from huashi.bench import PASSES, check_device

BATCH, SIZE, CLASSES = 32, 64, 100


class Branches(nn.Module):
    """The outputs of several modules, joined along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def convolution(before, after, size=3, stride=1):
    layer = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


def head(channels):
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)


def vgg():
    """Eight convolutions and five pools, as VGG-11."""
    layers, before = [], 3
    for after in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
        if after == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers.append(convolution(before, after))
            before = after
    return nn.Sequential(*layers, *head(512))


def resnet_stem():
    """The first layers of a ResNet, two plain convolutions and the classifier."""
    stem = convolution(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(*stem, convolution(64, 64), convolution(64, 64), *head(64))


def inception():
    """Two blocks in which average and maximum pools run beside small convolutions."""

    def block(channels):
        return Branches(
            convolution(channels, 32, 1),
            nn.Sequential(convolution(channels, 16, 1), convolution(16, 32)),
            nn.Sequential(nn.AvgPool2d(3, 1, 1), convolution(channels, 32, 1)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(channels, 32, 1)),
        )

    stem = convolution(3, 64, 3, 2)
    return nn.Sequential(stem, block(64), block(128), nn.MaxPool2d(3, 2, 1), *head(128))


def spatial_pyramid():
    """A detector's neck: windows of 5, 9 and 13 beside the features themselves."""
    pools = (nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))
    stem = convolution(3, 32, 3, 2), convolution(32, 64, 3, 2)
    pyramid = Branches(nn.Identity(), *pools), convolution(256, 64, 1)
    return nn.Sequential(*stem, *pyramid, *head(64))


MODELS = {
    "VGG-11": vgg,
    "ResNet stem": resnet_stem,
    "Inception blocks": inception,
    "spatial pyramid": spatial_pyramid,
}
TOLERANCE = {"inference": None, "forward+backward": 0.05}  # None is that of compare
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def inference(model, x):
    with torch.no_grad():
        return model(x)


def forward_backward(model, x, grad):
    model.zero_grad()
    model(x).backward(grad)
    return next(model.parameters()).grad


def runs(models, passes, x):
    """What is timed: each model in the mode that the pass is for."""
    grad = torch.randn(len(x), CLASSES, generator=torch.Generator().manual_seed(1)).to(x.device)
    for model in models.values():
        model.train(passes != "inference")
    if passes == "inference":
        return {name: lambda model=model: inference(model, x) for name, model in models.items()}
    return {
        name: lambda model=model: forward_backward(model, x, grad) for name, model in models.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--model", choices=MODELS, nargs="*", default=list(MODELS))
    parser.add_argument("--rounds", type=int, help="of each contender; else as time allows")
    parser.add_argument("--quick", action="store_true", help="three rounds, not saved")
    args = parser.parse_args()
    check_device(args.device)
    rounds = args.rounds or (3 if args.quick else None)
    rows = []
    for name in args.model:
        torch.manual_seed(0)
        model = MODELS[name]()
        images = torch.randn(BATCH, 3, SIZE, SIZE)
        for layout, memory in LAYOUTS.items():
            theirs = copy.deepcopy(model).to(args.device, memory_format=memory)
            models = {"torch": theirs, "accelerated": accelerate(copy.deepcopy(theirs))}
            x = images.to(args.device, memory_format=memory)
            for passes in PASSES:
                case = {"model": name, "layout": layout, "pass": passes, "dtype": "float32"}
                case["parameters"] = sum(p.numel() for p in model.parameters())
                rows += compare(
                    case | {"shape": list(x.shape)},
                    runs(models, passes, x),
                    peer="torch",
                    device=args.device,
                    rounds=rounds,
                    seconds=5,
                    rtol=TOLERANCE[passes],
                )
    if not args.quick:
        save("pooling-model" if args.device == "cpu" else f"pooling-model-{args.device}", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of a whole model with torch's pools and with ours.

    Noise is where the median of the ratios and the ratio of the medians are on two sides of 1.
    """
    lines = [["model", "layout", "pass", "torch, ms", "accelerated, ms", "times torch"]]
    for _, group in groupby(rows, key=lambda row: (row["model"], row["layout"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["accelerated"]
        of_medians = by_name["torch"]["median_us"] / ours["median_us"]
        agree = (of_medians > 1) == (ours["times_peer"] > 1)
        lines.append(
            [
                ours["model"],
                ours["layout"].replace("_", " "),
                ours["pass"].replace("+", " + "),
                *(f"{by_name[name]['median_us'] / 1e3:,.1f}" for name in ("torch", "accelerated")),
                f"**{ours['times_peer']:.2f}**" if agree else "noise",
            ]
        )
    return lines


if __name__ == "__main__":
    main()
