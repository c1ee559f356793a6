"""A residual network on handwritten digits, trained until most of its channels are zero.

    huashi train slim_digits
    huashi slim runs/slim_digits

At first it trains as usual; then a group lasso is on its channels, each with all that writes it,
by proximal steps in the metric of AdamW, and channels become exactly zero. ``huashi slim`` takes
them out; ``huashi path slim_digits`` shows what strength costs what.

The digits are the 1,797 of 8 x 8 pixels that come with scikit-learn (Alpaydin, Kaynak: Cascading
Classifiers, 1998); the seed sets which are for training, validation and test, in halves and
quarters.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from huashi._field_docs import with_field_docs
from huashi._seeds import torch_seed
from huashi.recipes import _slim
from huashi.recipes._slim import Data, Part, tables, write_report
from huashi.recipes.pooling_digits import digits
from huashi.run import Run

__all__ = ["Config", "evaluate", "read", "tables", "train", "write_report"]


PATH = 0.02, 0.05, 0.1, 0.2, 0.3  # strengths of ``huashi path``
POINT_STEPS = 100


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a network on digits until most of its channels are zero."""

    folder: Path = Path("runs/slim_digits")
    """The run folder; one that was interrupted is resumed."""
    seed: int = 0
    """Of the split of the digits, the first weights and the order of training."""
    channels: tuple[int, int] = (64, 128)
    """Channels of the first and of the second block."""
    stride: int = 1
    """Of the first convolution."""

    strength: float = 0.1
    """Of the group lasso on the channels."""
    dense_steps: int = 60
    """Steps before the penalty begins; it takes 20 more to rise."""
    steps: int = 200
    """Optimiser steps."""
    fine_tune_steps: int = 60
    """Steps without a penalty that ``huashi slim`` trains the small network on."""
    batch_size: int = 32
    """Digits of a step."""
    lr: float = 2e-3
    """Highest learning rate; it rises for 20 steps and falls to 0 in a straight line."""
    weight_decay: float = 0.01
    """Of AdamW."""
    validate_every: int = 20
    """Steps between two validations, at which the training is kept too."""

    accelerator: str = "auto"
    """Where to train: auto, cpu, cuda, mps."""
    threads: int = 1
    """Threads on the CPU, for training and where latency is measured."""

    def __post_init__(self) -> None:
        _slim.check(self)


def train(config: Config) -> Run:
    """Train, and write the report; go on where a run was interrupted."""
    return _slim.train("slim_digits", config, read)


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score a run once more, on a device; see :func:`huashi.recipes._slim.measure`."""
    return _slim.evaluate(run, run.configuration(Config), read, device)


def read(config: Config) -> Data:
    """The digits in three parts.

    Raises:
        ValueError: scikit-learn, which has them, is not installed.
    """
    images, labels = digits()
    order = torch.randperm(
        len(labels), generator=torch.Generator().manual_seed(torch_seed(config.seed))
    )
    quarter = len(labels) // 4
    parts = order.split([len(labels) - 2 * quarter, quarter, quarter])
    return Data(*(Part(images[part], labels[part]) for part in parts))
