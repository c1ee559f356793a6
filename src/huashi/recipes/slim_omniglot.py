"""A residual network on characters of five alphabets, trained until most channels are zero.

    huashi train slim_omniglot --data images_background_small1.zip
    huashi slim runs/slim_omniglot

As :mod:`huashi.recipes.slim_digits`, on 136 classes: the characters of Omniglot's smaller
background set, each drawn by twenty people (Lake, Salakhutdinov, Tenenbaum: Human-level concept
learning through probabilistic program induction, 2015). Drawings of 14 people are for training,
of 2 for validation and of 4 for the test; the seed says who.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from huashi._checks import check_positive
from huashi._field_docs import with_field_docs
from huashi._seeds import torch_seed
from huashi.recipes import _slim
from huashi.recipes._slim import Data, Part, tables, write_report
from huashi.run import Run

__all__ = ["Config", "evaluate", "read", "tables", "train", "write_report"]

PEOPLE = 20
SPLIT = 14, 2, 4  # people for training, validation and test


PATH = 0.02, 0.05, 0.1, 0.2, 0.3  # strengths of ``huashi path``
POINT_STEPS = 300


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a network on characters until most of its channels are zero."""

    folder: Path = Path("runs/slim_omniglot")
    """The run folder; one that was interrupted is resumed."""
    data: Path = Path("images_background_small1.zip")
    """The archive, from https://github.com/brendenlake/omniglot, in its folder python."""
    side: int = 28
    """Pixels of a side that drawings of 105 are resized to."""
    seed: int = 0
    """Of the split by people, the first weights and the order of training."""
    channels: tuple[int, int] = (64, 128)
    """Channels of the first and of the second block."""
    stride: int = 2
    """Of the first convolution."""

    strength: float = 0.05
    """Of the group lasso on the channels."""
    dense_steps: int = 400
    """Steps before the penalty begins; it takes 20 more to rise."""
    steps: int = 900
    """Optimiser steps."""
    fine_tune_steps: int = 200
    """Steps without a penalty that ``huashi slim`` trains the small network on."""
    batch_size: int = 64
    """Drawings of a step."""
    lr: float = 2e-3
    """Highest learning rate; it rises for 20 steps and falls to 0 in a straight line."""
    weight_decay: float = 0.01
    """Of AdamW."""
    validate_every: int = 50
    """Steps between two validations, at which the training is kept too."""

    accelerator: str = "auto"
    """Where to train: auto, cpu, cuda, mps."""
    threads: int = 1
    """Threads on the CPU, for training and where latency is measured."""

    def __post_init__(self) -> None:
        check_positive("side", self.side)
        _slim.check(self)


def train(config: Config) -> Run:
    """Train, and write the report; go on where a run was interrupted."""
    return _slim.train("slim_omniglot", config, read)


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score a run once more, on a device; see :func:`huashi.recipes._slim.measure`."""
    return _slim.evaluate(run, run.configuration(Config), read, device)


def read(config: Config) -> Data:
    """The drawings in three parts.

    Raises:
        FileNotFoundError: the archive is not there.
        ValueError: it is none, or holds something else.
    """
    images = drawings(Path(config.data), config.side)
    people = torch.randperm(
        PEOPLE, generator=torch.Generator().manual_seed(torch_seed(config.seed))
    )
    labels = torch.arange(len(images))[:, None].expand(-1, PEOPLE)
    return Data(
        *(
            Part(images[:, who].flatten(0, 1)[:, None], labels[:, who].flatten())
            for who in people.split(SPLIT)
        )
    )


def drawings(path: Path, side: int) -> Tensor:
    """Ink from 0 to 1, (characters, 20 people, side, side)."""
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: data must be images_background_small1.zip, which "
            "https://github.com/brendenlake/omniglot has in its folder python"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".png"))
            paper = [np.array(Image.open(archive.open(name)), dtype=np.float32) for name in names]
            ink = 1 - torch.from_numpy(np.stack(paper))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no archive of drawings: {error}") from None
    if ink.ndim != 3 or len(ink) % PEOPLE:
        raise ValueError(f"{path} must hold {PEOPLE} drawings of each character, got {len(ink)}")
    small = F.interpolate(ink[:, None], (side, side), mode="bilinear", antialias=True)
    return small.view(-1, PEOPLE, side, side)
