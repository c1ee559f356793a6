"""Nineteen ways to pool, in the same small network, on handwritten digits.

    huashi train pooling_digits

Convolution, pool, convolution, pool, one linear layer: only the pool differs. Every kind is trained
with every seed. The seed sets the split of the digits, the first weights of the convolutions and
the order of training, so that kinds can be compared seed by seed. Beside accuracy the report tells
how often a prediction survives a shift of the digit.

The digits are the 1,797 of 8 x 8 pixels that come with scikit-learn (Alpaydin, Kaynak: Cascading
Classifiers, 1998).
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi import pooling, report
from huashi._checks import (
    LARGEST,
    check_below,
    check_choice,
    check_not_negative,
    check_positive,
    check_threads,
)
from huashi._field_docs import with_field_docs
from huashi._seeds import torch_seed
from huashi.recipes import _classifier
from huashi.recipes._classifier import train_steps
from huashi.recipes._fabric import fabric_on
from huashi.run import Run
from huashi.run.task import NETWORKS
from huashi.training import StepResult, TrainingSettings, fit

DIGITS = 1797
WINDOW: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1}
KINDS: dict[str, Callable[[int], nn.Module]] = {  # of so many channels; each halves an even side
    "max": lambda channels: pooling.MaxPool2d(**WINDOW),
    "min": lambda channels: pooling.MinPool2d(**WINDOW),
    "average": lambda channels: pooling.AvgPool2d(**WINDOW, count_include_pad=False),
    "lp2": lambda channels: pooling.LPPool2d(2, **WINDOW),
    "lp3-mean": lambda channels: pooling.LPPool2d(3, **WINDOW, reduction="mean"),
    "gem": lambda channels: pooling.GeMPool2d(**WINDOW),
    "stochastic": lambda channels: pooling.StochasticPool2d(**WINDOW),
    "soft": lambda channels: pooling.SoftPool2d(**WINDOW),
    "log-sum-exp": lambda channels: pooling.LogSumExpPool2d(**WINDOW),
    "mixed": lambda channels: pooling.MixedPool2d(**WINDOW),
    "gated": lambda channels: pooling.GatedPool2d(**WINDOW),
    "sort": lambda channels: pooling.SortPool2d(**WINDOW, k=9),
    "median": lambda channels: pooling.MedianPool2d(**WINDOW),
    "blur": lambda channels: pooling.downsample("blur", channels),
    "max-blur": lambda channels: pooling.downsample("max_blur", channels),
    "fractional": lambda channels: pooling.FractionalMaxPool2d(3, output_ratio=0.5),
    "s3": lambda channels: pooling.S3Pool2d(3, 2),
    "strided": lambda channels: pooling.downsample("strided", channels),
    "all-convolutional": lambda channels: pooling.downsample("all_convolutional", channels),
}


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train the same network with each kind of pool."""

    folder: Path = Path("runs/pooling_digits")
    """The run folder; one that was interrupted is resumed."""
    kinds: tuple[str, ...] = tuple(KINDS)
    """Kinds of pool to compare."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds that each kind is trained with."""
    train_examples: int = 300
    """Digits to train on, few enough to tell the kinds apart; the rest is the test."""
    channels: tuple[int, int] = (16, 32)
    """Features of the two convolutions."""

    steps: int = 300
    """Optimiser steps of each training."""
    batch_size: int = 30
    """Digits of a step."""
    lr: float = 1e-2
    """Highest learning rate; it rises for 20 steps and falls to 0 in a straight line."""
    shift_pairs: int = 1
    """Pairs of shifts of each test digit, by which a prediction's consistency is measured."""

    accelerator: str = "auto"
    """Where to train: auto, cpu, cuda, mps."""
    threads: int = 1
    """Threads on the CPU: for so small a model more of them wait for one another more than they
    work."""

    def __post_init__(self) -> None:
        for name in ("train_examples", "steps", "batch_size", "lr", "shift_pairs", "threads"):
            check_positive(name, getattr(self, name))
            check_below(name, getattr(self, name), LARGEST)
        check_threads(self.threads)
        for name, size in zip(("first", "second"), self.channels, strict=True):
            check_positive(f"{name} of channels", size)
        for seed in self.seeds:
            check_not_negative("a seed", seed)
        for kind in self.kinds:
            check_choice("a kind", kind, KINDS)
        for name, values in (("kinds", self.kinds), ("seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be at least one, each once, got {list(values)}")
        if self.train_examples >= DIGITS:
            raise ValueError(
                f"train_examples must leave some of the {DIGITS} digits for the test, got "
                f"{self.train_examples}"
            )
        if self.batch_size > self.train_examples:
            raise ValueError(
                f"batch_size must be at most train_examples {self.train_examples}, got "
                f"{self.batch_size}"
            )


def train(config: Config) -> Run:
    """Train every kind with every seed, and write the report; go on where a run was interrupted."""
    images, labels = digits()
    fabric = fabric_on(config.accelerator, "32-true")
    shape = {"kind": "two convolutions and pools", "channels": list(config.channels)}
    run = Run.start(config.folder, "pooling_digits", config, shape, task=NETWORKS)
    if run.results is not None:
        return run

    torch.set_num_threads(config.threads)
    images, labels = fabric.to_device((images, labels))
    models = networks(config).to(fabric.device)
    named = list(models.items())

    def take(one: tuple[str, nn.Module], step: int) -> StepResult:
        """Train one network, from its first weights to its last."""
        name, model = one
        seed = int(name.split()[1])
        training, _ = split(config, seed)
        torch.manual_seed(torch_seed(seed))  # of pools that draw
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr)
        order = batches(config, training, seed)
        paper, lr = with_border(images), config.lr
        loss = train_steps(model, optimizer, paper, labels, order, lr=lr, steps=config.steps)
        return StepResult(loss, config.steps * config.batch_size)

    def validate(models: nn.Module, step: int) -> dict[str, Any]:
        name, model = named[step - 1]
        kind, seed = name.split()
        parts = split(config, int(seed))
        scores = measure(model, images, labels, *parts, int(seed), config.shift_pairs)
        return {"pooling": kind, "seed": int(seed), **scores}

    seconds = fit(
        run,
        models,
        torch.optim.SGD(models.parameters()),  # keeps nothing: each network has its own
        settings=TrainingSettings(steps=len(named), validate_every=1, save_every=1),
        fabric=fabric,
        batches_after=lambda done: iter(named[done:]),
        take=take,
        validate=validate,
        seeded=False,
        checkpoint=models,
        split="test",
        unit="networks",
        log_every=len(named) + 1,  # the line of the test is all there is to say
    )
    run.save_model(models)
    scores = ("pooling", "seed", "parameters", "train", "test", "consistency")
    pairs = [{name: row[name] for name in scores} for row in run.metrics()]
    results = {"training_seconds": seconds, "kinds": summary(pairs), "pairs": pairs}
    write_report(run, results)
    run.complete(results)
    return run


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the models of a run once more, on a device.

    Returns:
        ``kinds``: by kind of pool, mean and spread over the seeds; ``pairs``: each model alone.
    """
    config = run.configuration(Config)
    images, labels = (t.to(device) for t in digits())
    models = networks(config)
    run.load_model(models)
    models.to(device)
    pairs = []
    for name, model in models.items():
        kind, seed = name.split()
        parts = split(config, int(seed))
        scores = measure(model, images, labels, *parts, int(seed), config.shift_pairs)
        pairs.append({"pooling": kind, "seed": int(seed), **scores})
    return {"kinds": summary(pairs), "pairs": pairs}


def write_report(run: Run, results: dict[str, Any]) -> Path:
    """Make the run's ``report.html`` from its results."""

    def by_kind(score: str) -> dict[str, list[float]]:
        values: dict[str, list[float]] = {}
        for pair in results["pairs"]:
            values.setdefault(pair["pooling"], []).append(pair[score])
        return values

    return report.write_report(
        run.folder,
        "Kinds of pooling on handwritten digits",
        {
            "By kind": report.table_html(results["kinds"]),
            "Accuracy": {
                "On digits that were not trained on; a dot is a seed, a bar their mean; in red "
                "max pooling": report.spread(by_kind("test"), "accuracy, %", ["max"])
            },
            "Shifts": {
                "How often two shifts of a digit are taken for the same class; in red what is "
                "blurred before it is sampled": report.spread(
                    by_kind("consistency"), "consistency, %", ["blur", "max-blur"]
                )
            },
            "Every training": report.table_html(results["pairs"]),
            "Configuration": report.table_html(
                [{"field": name, "value": value} for name, value in run.config.items()]
            ),
        },
    )


def tables(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What of the results is worth printing."""
    try:
        return [results["kinds"]]
    except (KeyError, TypeError):
        raise ValueError("results.json must hold kinds of pooling") from None


def digits() -> tuple[Tensor, Tensor]:
    """The images, (1797, 1, 8, 8) from 0 to 1, and the digit in each, (1797,).

    Raises:
        ValueError: scikit-learn, which has them, is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ValueError(
            "pooling_digits needs the digits of scikit-learn, which is not installed: "
            "pip install scikit-learn"
        ) from None
    data: Any = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


def network(kind: str, channels: Sequence[int], seed: int) -> nn.Sequential:
    """From (batch, 1, 10, 10) to ten scores; with a seed, the convolutions begin alike."""
    torch.manual_seed(torch_seed(seed))
    one, two = channels
    first, second = nn.Conv2d(1, one, 3), nn.Conv2d(one, two, 3, padding=1)
    last = nn.Linear(two * 2 * 2, 10)
    pools = [KINDS[kind](size) for size in channels]
    return nn.Sequential(
        *(first, nn.BatchNorm2d(one), nn.ReLU(), pools[0]),  # 8 x 8, then 4 x 4
        *(second, nn.BatchNorm2d(two), nn.ReLU(), pools[1]),  # 4 x 4, then 2 x 2
        nn.Flatten(),
        last,
    )


def networks(config: Config) -> nn.ModuleDict:
    """Every model of a run, named after its kind and its seed."""
    pairs = [(kind, seed) for kind in config.kinds for seed in config.seeds]
    return nn.ModuleDict(
        {f"{kind} {seed}": network(kind, config.channels, seed) for kind, seed in pairs}
    )


def split(config: Config, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the digits to train on and of those to test on."""
    order = torch.randperm(DIGITS, generator=torch.Generator().manual_seed(torch_seed(seed)))
    return order[: config.train_examples], order[config.train_examples :]


def batches(config: Config, training: Tensor, seed: int) -> list[Tensor]:
    """Indices of the digits of each step: all in a new order, again and again."""
    order = _classifier.batches(len(training), config.batch_size, config.steps, seed)
    return [training[batch] for batch in order]


def with_border(images: Tensor) -> Tensor:
    """Digits in the middle of paper that has room for a pixel's shift, (batch, 1, 10, 10)."""
    return F.pad(images, (1, 1, 1, 1))


@torch.no_grad()
def measure(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    training: Tensor,
    test: Tensor,
    seed: int,
    shift_pairs: int,
) -> dict[str, Any]:
    """Parameters, and in percent the accuracy in training and test and the consistency."""
    model.eval()
    right = (model(with_border(images)).argmax(-1) == labels).cpu()
    corner = F.pad(images[test], (2, 0, 2, 0))  # from here, shifts by 0 to 2 are all there are
    consistency = pooling.shift_consistency(
        model,
        corner,
        pairs=shift_pairs,
        max_shift=2,
        batch_size=1024,
        generator=torch.Generator().manual_seed(torch_seed(seed)),
    )
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "train": _percent(right[training].float().mean().item()),
        "test": _percent(right[test].float().mean().item()),
        "consistency": _percent(consistency),
    }


def summary(pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By kind, the mean over the seeds ± the standard deviation of a seed.

    ``over max`` is the difference in test accuracy from max pooling with the same seed, in
    percentage points; ``gap`` is training accuracy less test accuracy.
    """
    kinds: dict[str, list[dict[str, Any]]] = {}
    for pair in pairs:
        kinds.setdefault(pair["pooling"], []).append(pair)
    base = {pair["seed"]: pair["test"] for pair in kinds.get("max", [])}
    rows = []
    for kind, same in kinds.items():
        over = [pair["test"] - base[pair["seed"]] for pair in same if kind != "max" and base]
        rows.append(
            {
                "pooling": kind,
                "parameters": same[0]["parameters"],
                "test, %": _spread([pair["test"] for pair in same]),
                "over max": _spread(over, sign="+"),
                "train, %": _spread([pair["train"] for pair in same]),
                "gap": _spread([pair["train"] - pair["test"] for pair in same]),
                "consistency, %": _spread([pair["consistency"] for pair in same], digits=1),
            }
        )
    return rows


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _spread(values: Sequence[float], sign: str = "", digits: int = 2) -> str:
    if not values:
        return ""
    shown = f"{statistics.mean(values):{sign}.{digits}f}"
    return f"{shown} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else shown
