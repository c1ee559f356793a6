"""The loop of a training: step, validate, keep the best, save, and go on where it stopped.

All that is random in a step is drawn from a seed of the run, the step and the process, so that a
training that was interrupted goes on as if it had not been. Where several processes train
together, each computes its share of every step, and the first one writes, validates and decides.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from huashi.run import Clock, Progress, Run, interruptible
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.training.data import Step
from huashi.seq2seq.training.objective import Objective
from huashi.training.best import Kept
from huashi.training.schedules import rate
from huashi.training.settings import Training, optimizer_of

LOG_EVERY = 50
"""Steps from one line of the training's metrics to the next."""
AGREE_EVERY = 10
"""Steps after which several processes hear whether to go on."""


def fit(
    run: Run,
    objective: Objective,
    steps_after: Callable[[int], Iterator[Step]],
    validate: Callable[[EncoderDecoder], dict[str, float]],
    metric: str,
    fabric: Fabric,
) -> None:
    """Train from the beginning or from the last checkpoint; then the run has its best model.

    Args:
        run: the run folder.
        objective: the model and its loss.
        steps_after: what this process computes once so many steps are done.
        validate: scores a model, which is in evaluation mode.
        metric: the score that tells what is best.
        fabric: where to compute; launched.

    Raises:
        KeyboardInterrupt: the training was interrupted, and is saved.
        ValueError: the checkpoint is not of this training, or there is no such metric.
    """
    settings, model = objective.settings, objective.model
    optimizer = optimizer_of(objective, settings)
    network, optimizer = fabric.setup(objective, optimizer)
    ema = _moving_average(model, settings.ema)
    states = nn.ModuleDict({"model": model} | ({"ema": ema} if ema else {}))
    with fabric.rank_zero_first():
        step, _ = run.resume(states, optimizer)
    _set_loss_scale(fabric, optimizer)
    fabric.barrier()
    first, alone = fabric.is_global_zero, fabric.world_size == 1
    kept, clock = Kept(run, metric, settings), Clock(run)
    progress = Progress(f"train {run.recipe}", settings.steps, quiet=not first)
    work = steps_after(step)
    seconds = 60 * (settings.minutes or torch.inf)
    over = step == settings.steps or kept.is_stale or clock.seconds() > seconds

    with progress.counting(step), interruptible() as interrupted:
        while not over:
            share = next(work)
            torch.manual_seed(((settings.seed << 40) + step) * 4099 + fabric.global_rank)
            _set_rate(optimizer, settings, step + 1, kept.decay)
            loss, norm = _take(fabric, network, optimizer, share, settings, step)
            step += 1
            if ema is not None:
                ema.update_parameters(model)

            progress.update(step, loss, share.tokens)
            if step % LOG_EVERY == 0:
                whole: Any = fabric.all_reduce(loss, reduce_op="sum")
                row = {"loss": whole.item(), "gradient_norm": norm, "lr": _rate(optimizer)}
                if first:
                    run.log(step=step, split="train", **row, seconds=clock.seconds())
            pause = False
            if alone or step % AGREE_EVERY == 0:
                over, pause = fabric.broadcast((clock.seconds() > seconds, interrupted()))
            over = over or step == settings.steps
            if step % settings.validate_every == 0 or over:
                if first:
                    _validate(
                        run, ema.module if ema else model, validate, kept, step, clock, progress
                    )
                kept.best, kept.worse, kept.decay = fabric.broadcast(
                    (kept.best, kept.worse, kept.decay)
                )
                over = over or kept.is_stale
            if first and (step % settings.save_every == 0 or over or pause):
                _note_loss_scale(fabric, optimizer)
                run.save_checkpoint(states, optimizer, step, kept.best)
            if pause and not over:
                progress.note(f"saved at step {step}")
                raise KeyboardInterrupt
    if first:
        _average(run, model, validate, kept, progress)
    fabric.barrier()


def _take(
    fabric: Fabric, network: Any, optimizer: Any, share: Step, settings: Training, step: int
) -> tuple[Tensor, float]:
    """One step of the optimiser; return this process' part of the loss a token, and the norm."""
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
    optimizer.step()
    optimizer.zero_grad()
    return loss, float(norm)


def _validate(
    run: Run,
    model: nn.Module,
    validate: Callable[[Any], dict[str, float]],
    kept: Kept,
    step: int,
    clock: Clock,
    progress: Progress,
) -> None:
    """Score the model, and keep it if it is the best."""
    training = model.training
    with torch.inference_mode():
        scores = validate(model.eval())
    model.train(training)
    better = kept.validated(model, scores, step)
    run.log(step=step, split="validation", **scores, seconds=clock.seconds())
    shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
    progress.note(f"step {step}: {shown}" + " (the best so far)" * better)


def _average(
    run: Run,
    model: nn.Module,
    validate: Callable[[Any], dict[str, float]],
    kept: Kept,
    progress: Progress,
) -> None:
    """Keep the mean of the last weights if it is better than the best of them."""
    if not kept.averaged(model):
        return
    with torch.inference_mode():
        scores = validate(model.eval())
    better = kept.is_better(scores)
    if better:
        run.save_model(model)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
    progress.note(f"mean of the last weights: {shown}" + (", kept" if better else ", not kept"))


def _moving_average(model: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


def _set_rate(optimizer: Any, settings: Training, step: int, decay: float) -> None:
    share = rate(settings.schedule, step, warmup=settings.warmup, steps=settings.steps)
    for group in optimizer.param_groups:
        group["lr"] = (settings.lr or 0.0) * share * decay


def _rate(optimizer: Any) -> float:
    return optimizer.param_groups[0]["lr"]


def _note_loss_scale(fabric: Fabric, optimizer: Any) -> None:
    """Beside the rate, which a checkpoint holds, so that it holds the scale of float16 too."""
    optimizer.param_groups[0]["loss_scale"] = fabric.strategy.precision.state_dict()


def _set_loss_scale(fabric: Fabric, optimizer: Any) -> None:
    if found := optimizer.param_groups[0].get("loss_scale"):
        fabric.strategy.precision.load_state_dict(found)
