"""All settings of a training that do not depend on the task: options of every recipe for text."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn, optim

from huashi._checks import check_choice, check_not_negative, check_positive
from huashi.seq2seq.operations.losses import Smoothing
from huashi.training.schedules import Schedule

Optimizer = Literal["adam", "adamw", "nag", "adagrad"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a sequence model is trained."""

    seed: int = 0
    """Of the weights, the order of training and dropout."""
    steps: int = 8000
    """Optimiser steps."""
    minutes: float | None = None
    """Stop after so many minutes of training, whatever the steps."""
    batch_tokens: int = 4096
    """Positions of a batch on either side, padding counted, in each process."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    max_length: int = 256
    """Pairs with more tokens than this on a side are left out, and counted."""
    buffer: int = 64
    """Blocks of 4,096 pairs that are shuffled together."""

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

    label_smoothing: float = 0.1
    """How much of a label goes to the other tokens."""
    smoothing: Smoothing = "torch"
    """Whose definition of it: torch, fairseq or joey."""
    scheduled_sampling: float = 0.0
    """Share of the decoder's inputs that are the model's own at the end of the training, to which
    it rises in a straight line."""
    consistency: float = 0.0
    """Weight of R-Drop: each batch twice, and how much the two outputs differ."""
    coverage: float = 0.0
    """Weight of the coverage loss."""
    guided_alignment: float = 0.0
    """Weight of the given alignments."""
    minimum_risk: float = 0.0
    """Share of the expected cost of samples in the loss; the rest is the likelihood."""
    risk_samples: int = 8
    """Samples of a source for it."""
    risk_cost: Literal["bleu", "chrf"] = "chrf"
    """A cost is 100 less this score of the sentence, as a share."""

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
        for name in (
            *("steps", "batch_tokens", "accumulate", "max_length", "buffer", "average"),
            *("validate_every", "save_every", "risk_samples"),
        ):
            check_positive(name, getattr(self, name))
        for name in (
            *("warmup", "weight_decay", "clip", "patience", "consistency", "coverage"),
            *("guided_alignment", "momentum"),
        ):
            check_not_negative(name, getattr(self, name))
        for name in ("label_smoothing", "scheduled_sampling", "ema", "minimum_risk"):
            if not 0 <= getattr(self, name) <= 1 or (getattr(self, name) == 1 and name == "ema"):
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_choice("schedule", self.schedule, get_args(Schedule))
        check_choice("smoothing", self.smoothing, get_args(Smoothing))
        for name in ("minutes", "lr", "threads"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))


def optimizer_of(module: nn.Module, settings: Training) -> optim.Optimizer:
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
