"""The loop of a training: step, validate, keep the best, save, and go on where it stopped.

What a step reads and does, and what a validation scores, are functions that the caller gives.
Where several processes train together, each computes its share of every step, and the first one
writes, validates and decides.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from huashi._seeds import torch_seed
from huashi.run import Clock, Paused, Progress, Run, interruptible
from huashi.training.best import MEAN, MORE_STEPS, Kept
from huashi.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")

LOG_EVERY = 50
"""Steps from one line of the training's metrics to the next."""
AGREE_EVERY = 10
"""Steps after which several processes hear whether to go on."""


class StepResult(NamedTuple):
    """What one step of the optimiser found."""

    loss: Tensor
    """The part of the loss that is of this process, a scalar: the sum over processes is logged."""
    items: int
    """Tokens, images or the like that all processes read, for the speed that is shown."""
    more: Mapping[str, float] = {}
    """Other numbers for the line of metrics."""


def fit(
    run: Run,
    model: nn.Module,
    optimizer: Any,
    *,
    settings: TrainingSettings,
    fabric: "Fabric",
    batches_after: Callable[[int], Iterator[T]],
    take: Callable[[T, int], StepResult],
    validate: Callable[[Any, int], Mapping[str, Any]],
    metric: str | None = None,
    rate: Callable[[int], float] | None = None,
    seeded: bool = True,
    checkpoint: nn.Module | None = None,
    split: str = "validation",
    log_every: int = LOG_EVERY,
    digits: int | None = None,
    unit: str = "tokens",
) -> float:
    """Train from the beginning or from the last checkpoint.

    Args:
        run: the run folder.
        model: what is validated and kept; in training mode.
        optimizer: what a checkpoint keeps of the optimiser, and whose rate is set.
        settings: how long, how often, what is kept; ``take`` and ``rate`` may use
            further fields.
        fabric: where to compute; launched.
        batches_after: given the number of steps done, what the next ones read.
        take: one step of the optimiser, given what it reads and the number of steps done.
        validate: scores of the model, which is in evaluation mode, given the number of steps done.
        metric: the score that says which weights are best, and are kept; with None none are.
        rate: the learning rate of a step, the first being 1; by default the optimiser keeps its
            own.
        seeded: draw all that is random in a step from a seed of the run, the step and the process;
            otherwise from torch's generators as they stand, whose states a checkpoint keeps too.
            Either way a training that was interrupted goes on as if it had not been.
        checkpoint: what a checkpoint keeps of modules; by default the model and its moving average.
        split: what the lines of metrics call the data of the validation.
        log_every: steps from one line of the training's metrics to the next.
        digits: decimals of the loss in them; by default all.
        unit: what ``StepResult.items`` counts, for the speed that is shown.

    Returns:
        The seconds of training, those before an interruption counted.

    Raises:
        KeyboardInterrupt: the training was interrupted, and is saved.
        Paused: the minutes of this call are over, and it is saved, but has steps left.
        ValueError: the checkpoint is not of this training, there is no such metric, or a loss is
            not finite: what was saved before stays.
    """
    ema = _moving_average(model, settings.ema)
    states = checkpoint or nn.ModuleDict({"model": model} | ({"ema": ema} if ema else {}))
    with fabric.rank_zero_first():
        step, _ = run.resume(states, optimizer)
    _set_loss_scale(fabric, optimizer)
    fabric.barrier()
    first, alone = fabric.is_global_zero, fabric.world_size == 1
    kept, clock = Kept(run, metric, settings, split), Clock(run)
    progress = Progress(f"train {run.recipe}", settings.steps, unit=unit, quiet=not first)
    validation = _Validation(run, validate, split, kept, clock, progress)
    batches = batches_after(step)
    first_step, goes_on = step, bool(run.steps_before) and kept.is_stale
    if goes_on:
        kept.worse = 0
    over = step >= settings.steps or kept.is_stale

    def log(step: int, loss: Tensor, more: Mapping[str, float]) -> None:
        whole: Any = fabric.all_reduce(loss.detach(), reduce_op="sum")
        row = {"loss": _rounded(whole.item(), digits), **more}
        if first:
            run.log(step=step, split="train", **row, seconds=clock.seconds())

    def save() -> None:
        _note_loss_scale(fabric, optimizer)
        run.save_checkpoint(states, optimizer, step, kept.best)

    def why_to_stop() -> BaseException | None:
        if interrupted():
            return KeyboardInterrupt()
        if settings.minutes and clock.seconds_of_this_call() > 60 * settings.minutes:
            return Paused(f"after {settings.minutes:g} minutes at step {step} of {settings.steps}")
        return None

    if run.steps_before:
        progress.note(
            f"{settings.steps} steps in the place of {run.steps_before}: weights, optimiser and "
            f"the best score are kept, the rate from here on is that of {settings.steps} steps"
        )
    with progress.counting(step), interruptible() as interrupted:
        while not over:
            batch = next(batches)
            if seeded:
                torch.manual_seed(_seed_of(settings.seed, step, fabric.global_rank))
            if rate is not None:
                _set_rate(optimizer, rate(step + 1) * kept.decay)
            loss, items, more = take(batch, step)
            step += 1
            if not math.isfinite(loss.item()):
                raise ValueError(f"loss must be finite, got {loss.item()} at step {step}")
            if ema is not None:
                ema.update_parameters(model)
            if run.steps_before and step == first_step + 1 and first:
                save()  # before the folder changes: what it held is lost only to something newer
            run.begin()
            if goes_on and first:
                told = {"steps": settings.steps, "seconds": clock.seconds()}
                run.log(step=first_step, split=MORE_STEPS, **told)
            goes_on = False

            progress.update(step, loss, items)
            if step % log_every == 0:
                log(step, loss, more)
            over = step == settings.steps
            if step % settings.validate_every == 0 or over:
                if first:
                    validation.run_on(ema.module if ema else model, step)
                kept.agree(fabric)
                over = over or kept.is_stale
            agree = alone or step % AGREE_EVERY == 0
            stop = fabric.broadcast(why_to_stop()) if agree else None
            if first and (step % settings.save_every == 0 or over or stop):
                save()
            if stop and not over:
                if isinstance(stop, Paused) and step % log_every:
                    log(step, loss, more)  # so that pauses, however short, add up to the seconds
                progress.note(f"saved at step {step}")
                run.release()
                raise stop
    if kept.is_stale and step < settings.steps:
        progress.note(f"over at step {step}: {kept.worse} validations that were no better")
    if first:
        validation.run_on_average(model, step)
    fabric.barrier()
    return clock.seconds()


class _Validation(NamedTuple):
    """Scores a model, says them, and keeps what is best."""

    run: Run
    scores_of: Callable[[Any, int], Mapping[str, Any]]
    split: str
    kept: Kept
    clock: Clock
    progress: Progress

    def run_on(self, model: nn.Module, step: int) -> None:
        """Score the model, and keep it if it is the best."""
        training = model.training
        scores = self._scores(model, step)
        model.train(training)
        better = self.kept.validated(model, scores, step)
        self.run.log(step=step, split=self.split, **scores, seconds=self.clock.seconds())
        self.progress.note(f"step {step}: {_shown(scores)}" + " (the best so far)" * better)

    def run_on_average(self, model: nn.Module, step: int) -> None:
        """Keep the mean of the last weights if it is better than what is kept."""
        if self.kept.mean_at == step or not self.kept.averaged(model):
            return
        scores = self._scores(model, step)
        better = self.kept.is_better(scores)
        if better:
            self.run.save_model(model)
        self.run.log(step=step, split=MEAN, **scores, seconds=self.clock.seconds())
        told = f"mean of the last weights: {_shown(scores)}"
        self.progress.note(told + (", kept" if better else ", not kept"))

    def _scores(self, model: nn.Module, step: int) -> Mapping[str, Any]:
        with torch.inference_mode():
            return self.scores_of(model.eval(), step)


def _seed_of(seed: int, step: int, rank: int) -> int:
    """A seed of its own for up to 2^40 steps of up to 4,099 processes, with any seed of a run."""
    return torch_seed(((seed << 40) + step) * 4099 + rank)


def _shown(scores: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in scores.items()
    )


def _rounded(value: float, digits: int | None) -> float:
    return value if digits is None else round(value, digits)


def _moving_average(model: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


def _set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _note_loss_scale(fabric: "Fabric", optimizer: Any) -> None:
    """Beside the rate, which a checkpoint holds, so that it holds the scale of float16 too."""
    if scale := fabric.strategy.precision.state_dict():
        optimizer.param_groups[0]["loss_scale"] = scale


def _set_loss_scale(fabric: "Fabric", optimizer: Any) -> None:
    if found := optimizer.param_groups[0].get("loss_scale"):
        fabric.strategy.precision.load_state_dict(found)
