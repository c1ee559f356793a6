"""The loop with any model: what the caller gives is what happens, and it goes on as it should."""

import os
import signal
from dataclasses import dataclass, replace

import pytest
import torch
from lightning_fabric import Fabric
from safetensors import safe_open
from torch import nn

from huashi.run import Run
from huashi.training import StepResult, TrainingSettings, fit
from huashi.training.best import Kept

SETTINGS = TrainingSettings(steps=12, validate_every=4, save_every=3)


@dataclass(frozen=True)
class Config:
    number: int = 0


def trained(folder, settings=SETTINGS, at_validation=None, bare=False, **options):
    """Fit a line that is hidden in noise, with dropout; return the run and the model."""
    run = Run.start(folder, "line", Config(), {})
    torch.manual_seed(1)
    model = nn.Sequential(nn.Dropout(0.2), nn.Linear(3, 1))
    fabric = Fabric(accelerator="cpu", devices=1)
    network, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    draw = torch.Generator().manual_seed(2)
    batches = [torch.randn(8, 3, generator=draw) for _ in range(settings.steps)]

    def take(x, step):
        assert x is batches[step]
        loss = (network(x)[:, 0] - x.sum(1)).square().mean()
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return StepResult(loss, len(x), {"lr": optimizer.param_groups[0]["lr"]})

    def validate(model, step):
        assert not model.training
        if at_validation is not None:
            at_validation(step)
        x = batches[0]
        return {"error": (model(x)[:, 0] - x.sum(1)).abs().mean().item(), "done": step}

    seconds = fit(
        run,
        model,
        optimizer,
        settings=settings,
        fabric=fabric,
        batches_after=lambda done: iter(batches[done:]),
        take=take,
        validate=validate,
        checkpoint=model if bare else None,
        **options,
    )
    assert seconds >= 0
    assert model.training
    return run, model


def without_seconds(run):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]


def test_what_is_logged_is_what_was_asked_for(tmp_path):
    run, _ = trained(
        tmp_path, log_every=5, digits=3, split="held out", rate=lambda step: 0.01 * step
    )
    rows = without_seconds(run)
    assert [(row["step"], row["split"]) for row in rows] == [
        *((4, "held out"), (5, "train"), (8, "held out"), (10, "train"), (12, "held out"))
    ]
    assert [list(row) for row in rows[:2]] == [
        ["step", "split", "error", "done"],
        ["step", "split", "loss", "lr"],
    ]
    training = [row for row in rows if row["split"] == "train"]
    assert [row["lr"] for row in training] == [0.05, 0.1]
    assert all(row["loss"] == round(row["loss"], 3) for row in training)
    assert [row["done"] for row in rows if "done" in row] == [4, 8, 12]


def test_without_a_rate_the_optimiser_keeps_its_own(tmp_path):
    run, _ = trained(tmp_path, log_every=6)
    assert [row["lr"] for row in run.metrics() if row["split"] == "train"] == [0.1, 0.1]


def test_without_a_metric_nothing_is_best(tmp_path):
    run, model = trained(tmp_path / "none")
    assert not run.path("model.safetensors").exists()
    states = nn.ModuleDict({"model": model})
    assert run.resume(states, torch.optim.SGD(model.parameters())) == (12, -torch.inf)
    run, _ = trained(tmp_path / "error", metric="done")
    assert run.path("model.safetensors").exists()


def test_the_best_score_of_any_split_is_remembered(tmp_path):
    run, _ = trained(tmp_path, metric="done", split="held out")
    assert Kept(run, "done", SETTINGS, "held out").best == 12
    assert Kept(run, "done", SETTINGS).best == -torch.inf


@pytest.mark.parametrize("bare", [False, True])
def test_a_checkpoint_keeps_the_modules_that_were_asked_for(tmp_path, bare):
    run, _ = trained(tmp_path, bare=bare)
    with safe_open(run.path("checkpoint.safetensors"), framework="pt") as file:
        names = [name for name in file.keys() if name.startswith("model.")]  # noqa: SIM118
    inner = "model.1" if bare else "model.model.1"
    assert sorted(names) == [f"{inner}.bias", f"{inner}.weight"]


@pytest.mark.parametrize("seeded", [False, True])
def test_an_interrupted_training_ends_like_another(tmp_path, seeded):
    whole, wanted = trained(tmp_path / "whole", seeded=seeded, log_every=1)

    def interrupt(step):
        if step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "run", seeded=seeded, log_every=1, at_validation=interrupt)
    assert Run(tmp_path / "run").metrics()[-1]["step"] == 8  # obeyed in the step that it came in
    torch.rand(5)
    run, model = trained(tmp_path / "run", seeded=seeded, log_every=1)
    assert without_seconds(run) == without_seconds(whole)
    assert torch.equal(model[1].weight, wanted[1].weight)


def test_what_is_random_is_of_the_step_or_of_one_stream(tmp_path):
    """Numbers that a validation draws change the training only where a stream is shared."""
    for seeded in (True, False):
        _, one = trained(tmp_path / f"{seeded} one", seeded=seeded)
        _, other = trained(
            tmp_path / f"{seeded} other", seeded=seeded, at_validation=lambda step: torch.rand(7)
        )
        assert torch.equal(one[1].weight, other[1].weight) == seeded


@pytest.mark.parametrize("seed", [4093, 20240101, 2**70])
def test_any_seed_trains(tmp_path, seed):
    _, one = trained(tmp_path / "one", replace(SETTINGS, seed=seed))
    _, same = trained(tmp_path / "same", replace(SETTINGS, seed=seed))
    _, next_ = trained(tmp_path / "next", replace(SETTINGS, seed=seed + 1))
    assert torch.equal(one[1].weight, same[1].weight)
    assert not torch.equal(one[1].weight, next_[1].weight)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        TrainingSettings(seed=-1)


def test_weights_that_a_killed_process_left_half_written_are_not_averaged(tmp_path):
    run = Run.start(tmp_path, "line", Config(), {})
    kept = Kept(run, "error", replace(SETTINGS, average=2))
    model = nn.Linear(1, 1, bias=False)
    for step, weight in ((4, 2.0), (8, 5.0)):
        nn.init.constant_(model.weight, weight)
        kept.validated(model, {"error": 1.0}, step)
        run.path(f"weights/.{step:09d}.safetensors.x2").write_bytes(b"half")
    assert kept.averaged(model)
    assert model.weight.item() == 3.5


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    run = Run.start(tmp_path, "line", Config(), {})
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"loss must be finite, got nan at step 4"):
        fit(
            run,
            model,
            torch.optim.SGD(model.parameters()),
            settings=SETTINGS,
            fabric=Fabric(accelerator="cpu", devices=1),
            batches_after=lambda done: iter(range(done, 12)),
            take=lambda batch, step: StepResult(torch.tensor(0.0 if step < 3 else torch.nan), 1),
            validate=lambda model, step: {},
        )
    assert run.resume(nn.ModuleDict({"model": model}), torch.optim.SGD(model.parameters()))[0] == 3


def scored(folder, steps, scores, patience=0, at=None):
    """A training whose validations score as they are told, each step's weight being its number.

    ``scores`` has a loss of each step, and ``"mean"`` that of the mean of the last weights.
    """

    @dataclass(frozen=True)
    class Longer:
        steps: int

    run = Run.start(folder, "line", Longer(steps), {}, steps="steps")
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters())

    def take(batch, step):
        nn.init.constant_(model.weight, step + 1.0)
        if step == at:
            raise RuntimeError("in a step")
        return StepResult(torch.zeros(()), 1)

    def validate(model, step):
        single = model.weight.item() == step
        return {"loss": scores[step] if single else scores["mean"]}

    fit(
        run,
        model,
        optimizer,
        settings=TrainingSettings(
            steps=steps, validate_every=1, save_every=1, average=2, patience=patience
        ),
        fabric=Fabric(accelerator="cpu", devices=1),
        batches_after=lambda done: iter(range(done, 99)),
        take=take,
        validate=validate,
        metric="loss",
    )
    run.load_model(model)
    run.complete({"weight": model.weight.item()})
    return run


def test_a_mean_of_weights_is_replaced_by_what_is_better_only(tmp_path):
    assert scored(tmp_path, 2, {1: 5.0, 2: 4.9, "mean": 4.0}).results == {"weight": 1.5}
    run = scored(tmp_path, 3, {3: 4.5, "mean": 4.6})
    assert run.results == {"weight": 1.5}
    assert [row["loss"] for row in run.metrics() if row["split"] == "mean"] == [4.0, 4.6]
    assert scored(tmp_path, 4, {4: 3.9, "mean": 9.0}).results == {"weight": 4.0}


def test_the_mean_does_not_make_a_training_impatient(tmp_path):
    """Two validations that were no better than the mean, but than the ones before them."""
    scored(tmp_path, 2, {1: 5.0, 2: 4.9, "mean": 1.0}, patience=2)
    run = scored(tmp_path, 4, {3: 4.8, 4: 4.7, "mean": 1.5}, patience=2)
    assert run.metrics()[-1]["step"] == 4
    assert run.results == {"weight": 1.5}


def test_a_training_that_patience_has_ended_goes_on_with_more_steps(tmp_path):
    worse = {step: float(step) for step in range(1, 20)} | {"mean": 99.0}
    first = scored(tmp_path, 10, worse, patience=2)
    assert first.metrics()[-1]["step"] == 3
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(RuntimeError, match="in a step"):
        scored(tmp_path, 20, worse, patience=2, at=3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    with pytest.raises(RuntimeError, match="in a step"):
        scored(tmp_path, 20, worse, patience=2, at=4)
    run = scored(tmp_path, 20, worse, patience=2)  # goes on as if nothing had happened
    steps = [row["step"] for row in run.metrics() if row["split"] == "validation"]
    assert steps == [1, 2, 3, 4, 5]


def test_more_steps_are_saved_before_the_results_give_way(tmp_path, monkeypatch):
    """As where the disk is full: what there was stays, and so do its scores afterwards."""
    losses = dict.fromkeys(range(1, 9), 1.0) | {"mean": 9.0}
    scored(tmp_path, 2, losses)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}

    def full(self, *_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save_checkpoint", full)
        with pytest.raises(OSError, match="No space left"):
            scored(tmp_path, 4, losses)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    with pytest.raises(RuntimeError, match="in a step"):  # the second new one
        scored(tmp_path, 4, losses, at=3)
    assert Run(tmp_path).path("results.2.json").is_file()
    assert scored(tmp_path, 4, losses).results
