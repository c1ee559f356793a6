"""The settings of a training that any model has: length, optimiser, rate, what is kept, where."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn, optim

from huashi._checks import (
    LARGEST,
    check_below,
    check_choice,
    check_count,
    check_finite,
    check_not_negative,
    check_positive,
    check_threads,
)
from huashi._field_docs import with_field_docs
from huashi.training.schedules import Schedule

Optimizer = Literal["adam", "adamw", "nag", "adagrad"]


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a model is trained.

    Raises:
        ValueError: a value is out of its range.
    """

    seed: int = 0
    """Of the weights, the order of training and dropout."""
    steps: int = 8000
    """Optimiser steps; with more of them a run is trained on, also a finished one."""
    minutes: float | None = None
    """Pause after so many minutes of training, in which each call makes a step at least; the same
    command goes on."""

    optimizer: Optimizer = "adam"
    """adam, adamw, nag (SGD with Nesterov's momentum) or adagrad."""
    lr: float | None = None
    """Highest learning rate; by default that which the recipe has for its model."""
    schedule: Schedule = "inverse_sqrt"
    """How the rate falls after the warm-up; plateau: by ``decay`` when validation gets no better.
    """
    warmup: int = 1000
    """Steps in which the rate rises."""
    decay: float = 0.1
    """What the rate is multiplied by at each plateau."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Of Adam."""
    momentum: float = 0.99
    """Of nag."""
    weight_decay: float = 0.0
    """Of adamw apart from the gradient, of the others in it."""
    clip: float = 1.0
    """Greatest norm of the gradient; 0 for any."""

    ema: float = 0.0
    """Decay of the moving average of the weights, which is what is validated and kept; 0 for none.
    """
    average: int = 1
    """How many of the last validated weights are averaged at the end, if that is better."""
    validate_every: int = 1000
    """Steps from one validation to the next."""
    save_every: int = 500
    """Steps from one checkpoint to the next."""
    patience: int = 0
    """Stop after so many validations that are no better; 0 for never."""

    accelerator: str = "auto"
    """Where to train: auto, cpu, cuda, mps."""
    threads: int | None = None
    """Threads of a process on the CPU; by default as torch has them."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    """Arithmetic of the training."""

    def __post_init__(self) -> None:
        for name in ("steps", "average", "validate_every", "save_every"):
            check_count(name, getattr(self, name))
        for name in ("seed", "warmup", "weight_decay", "clip", "patience", "momentum"):
            check_not_negative(name, getattr(self, name))
        for name in ("warmup", "patience"):
            check_below(name, getattr(self, name), LARGEST)
        for name in ("weight_decay", "momentum"):
            check_finite(name, getattr(self, name))
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, got {self.decay}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers from 0 to 1, got {self.betas}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be from 0 to 1, got {self.ema}")
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_choice("schedule", self.schedule, get_args(Schedule))
        for name in ("minutes", "lr"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
                check_finite(name, getattr(self, name))
        if self.threads is not None:
            check_threads(self.threads)


def optimizer_of(module: nn.Module, settings: TrainingSettings) -> optim.Optimizer:
    """The optimiser of all parameters that learn; ``lr`` has to be set."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    if settings.optimizer == "nag":
        return optim.SGD(
            parameters, momentum=settings.momentum, nesterov=settings.momentum > 0, **common
        )
    if settings.optimizer == "adagrad":
        return optim.Adagrad(parameters, **common)
    kind = optim.AdamW if settings.optimizer == "adamw" else optim.Adam
    fused = settings.precision != "16-mixed"  # whose gradients are clipped before they are scaled
    return kind(parameters, betas=settings.betas, fused=fused, **common)
