"""Training of a sequence model: what a step of the loop is for an objective and its batches."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from huashi import training
from huashi.run import Run
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.training.data import Step
from huashi.seq2seq.training.objective import Objective
from huashi.seq2seq.training.settings import Training, optimizer_of
from huashi.training.loop import StepResult

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fit(
    run: Run,
    objective: Objective,
    steps_after: Callable[[int], Iterator[Step]],
    validate: Callable[[EncoderDecoder], dict[str, float]],
    metric: str,
    fabric: "Fabric",
) -> None:
    """Train from the beginning or from the last checkpoint; then the run has its best model.

    The loop is :func:`huashi.training.fit`.

    Args:
        run: the run folder.
        objective: the model and its loss.
        steps_after: what this process computes once so many steps are done.
        validate: scores a model, which is in evaluation mode.
        metric: the score that tells what is best.
        fabric: where to compute; launched.

    Raises:
        KeyboardInterrupt: the training was interrupted, and is saved.
        Paused: the minutes of this call are over, and it is saved, but has steps left.
        ValueError: the checkpoint is not of this training, there is no such metric, or a loss or
            a gradient is not finite.
    """
    settings = objective.settings
    network, optimizer = fabric.setup(objective, optimizer_of(objective, settings))

    def rate(step: int) -> float:
        share = training.rate(settings.schedule, step, warmup=settings.warmup, steps=settings.steps)
        return (settings.lr or 0.0) * share

    training.fit(
        run,
        objective.model,
        optimizer,
        settings=settings,
        fabric=fabric,
        batches_after=steps_after,
        take=lambda share, step: _take(fabric, network, optimizer, share, settings, step),
        validate=lambda model, step: validate(model),
        metric=metric,
        rate=rate,
    )


def _take(
    fabric: "Fabric", network: Any, optimizer: Any, share: Step, settings: Training, step: int
) -> StepResult:
    """One step of the optimiser, over all batches that are accumulated."""
    sampled = settings.scheduled_sampling * step / settings.steps
    scale = fabric.world_size / share.tokens  # gradients are averaged over the processes
    loss = torch.zeros((), device=fabric.device)
    for number, (examples, weight) in enumerate(zip(share.examples, share.weights, strict=True), 1):
        waits = number < len(share.examples)
        with fabric.no_backward_sync(network, enabled=waits):
            found = network(fabric.to_device(examples), sampled)
            fabric.backward(found.total * (weight * scale))
        loss += found.likelihood * (weight / share.tokens)
    norm: Any = fabric.clip_gradients(
        network, optimizer, max_norm=settings.clip or torch.inf, error_if_nonfinite=False
    )
    if settings.precision != "16-mixed":  # which leaves such a step out, and lowers its scale
        _check_finite("the norm of the gradient", norm, share, step)
    _check_finite("the loss", loss, share, step)
    optimizer.step()
    optimizer.zero_grad()
    more = {"gradient_norm": float(norm), "lr": optimizer.param_groups[0]["lr"]}
    return StepResult(loss, share.tokens, more)


def _check_finite(name: str, value: Any, share: Step, step: int) -> None:
    """Raise, naming the step and its batch, unless a number is finite."""
    if math.isfinite(value):
        return
    numbers = ", ".join(map(str, share.records[:10])) + ", ..." * (len(share.records) > 10)
    raise ValueError(
        f"{name} must be finite, got {float(value)} at step {step + 1}, whose batch has the "
        f"records {numbers} of train.tokens, counted from 0: a lower --lr, a longer --warmup or "
        "--clip may help"
    )
