"""The loop: it learns, keeps the best, stops when it should, and goes on as if it had not."""

import json
import os
import signal
from dataclasses import dataclass, replace

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch.testing import assert_close

from huashi._checkpoint import load_weights
from huashi.run import Paused, Run
from huashi.seq2seq import Architecture, RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.architecture import describe
from huashi.seq2seq.training import Objective, Order, Training, fit, steps, write_store
from huashi.seq2seq.training.validation import likelihood

SIZE = {"embedding_size": 12, "hidden_size": 16, "dropout": 0.2}
ARCHITECTURE = Architecture(encoder=RNNEncoderShape(**SIZE), decoder=RNNDecoderShape(**SIZE))
SETTINGS = Training(
    steps=40,
    batch_tokens=60,
    max_length=8,
    lr=1e-2,
    warmup=5,
    label_smoothing=0.0,
    validate_every=10,
    save_every=7,
    accelerator="cpu",
)


@dataclass(frozen=True)
class Config:
    number: int = 0


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    draw = torch.Generator().manual_seed(0)
    sources = [torch.randint(4, 9, (3,), generator=draw).tolist() for _ in range(200)]
    records = [(source, source[::-1]) for source in sources]
    folder = tmp_path_factory.mktemp("stores") / "s"
    return write_store(folder, records, sides=("source", "target"), vocabulary_size=9)


def trained(folder, store, settings=SETTINGS, scores=None, at_validation=None):
    """Train the toy; return its run and its model, which fit has left as it was at the end."""
    run = Run.start(folder, "toy", Config(), describe(ARCHITECTURE))
    torch.manual_seed(1)
    model = ARCHITECTURE.build(9)
    pairs = [tuple(ids.tolist() for ids in record) for record in store.records(range(20))]
    order = Order(settings.batch_tokens, settings.max_length)
    count = iter(scores or ())
    plugins = []
    if settings.precision == "16-mixed":  # with a scale that grows so often that it overflows
        scaler = torch.amp.GradScaler("cpu", growth_interval=1)
        plugins.append(MixedPrecision("16-mixed", "cpu", scaler))

    def validate(model):
        assert not model.training
        if at_validation is not None:
            at_validation()
        found = likelihood(model, pairs)
        return {**found, "score": next(count)} if scores else found

    fit(
        run,
        Objective(model, settings),
        lambda done: steps(store, order, seed=settings.seed, skip=done),
        validate,
        "score" if scores else "loss",
        Fabric(accelerator="cpu", devices=1, plugins=plugins),
    )
    return run, model


def losses(run, split):
    return [(row["step"], row["loss"]) for row in run.metrics() if row["split"] == split]


def same_weights(one, other):
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_learns_and_keeps_the_best(tmp_path, store):
    settings = replace(SETTINGS, steps=300, validate_every=50)
    run, _ = trained(tmp_path / "run", store, settings)
    validation = losses(run, "validation")
    assert [step for step, _ in validation] == [50, 100, 150, 200, 250, 300]
    assert validation[-1][1] < 0.5 * validation[0][1]
    assert [step for step, _ in losses(run, "train")] == [50, 100, 150, 200, 250, 300]
    best = ARCHITECTURE.build(9).eval()
    run.load_model(best)
    pairs = [tuple(ids.tolist() for ids in record) for record in store.records(range(20))]
    assert_close(likelihood(best, pairs)["loss"], min(loss for _, loss in validation))


@pytest.mark.parametrize(
    "options",
    [{}, {"ema": 0.9}, {"optimizer": "nag", "accumulate": 1}, {"precision": "16-mixed"}],
)
def test_an_interrupted_training_ends_like_another(tmp_path, store, options):
    settings = replace(SETTINGS, **options)
    whole, wanted = trained(tmp_path / "whole", store, settings)
    interrupting = [True]

    def interrupt():
        if interrupting and interrupting.pop():
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "run", store, settings, at_validation=interrupt)
    half = Run(tmp_path / "run")
    assert losses(half, "validation")[-1][0] < 40
    run, model = trained(tmp_path / "run", store, settings)
    same_weights(model, wanted)
    assert losses(run, "train") == losses(whole, "train")
    assert losses(run, "validation") == losses(whole, "validation")
    kept = [ARCHITECTURE.build(9), ARCHITECTURE.build(9)]
    run.load_model(kept[0])
    whole.load_model(kept[1])
    same_weights(*kept)


def test_what_a_validation_draws_does_not_change_the_training(tmp_path, store):
    _, wanted = trained(tmp_path / "one", store)
    _, model = trained(tmp_path / "other", store, at_validation=lambda: torch.rand(7))
    same_weights(model, wanted)


def test_stops_when_validation_gets_no_better(tmp_path, store):
    settings = replace(SETTINGS, patience=2, steps=1000)
    run, _ = trained(tmp_path / "run", store, settings, scores=[1, 5, 4, 4, 9])
    assert [row["step"] for row in run.metrics() if row["split"] == "validation"] == [
        10,
        20,
        30,
        40,
    ]
    again, _ = trained(tmp_path / "run", store, settings, scores=[7])  # nothing is left to do
    assert again.metrics() == run.metrics()


def test_a_plateau_lowers_the_rate(tmp_path, store):
    settings = replace(SETTINGS, schedule="plateau", decay=0.5, warmup=0, validate_every=25)
    settings = replace(settings, steps=150)
    run, _ = trained(tmp_path / "run", store, settings, scores=[1, 2, 2, 1, 3, 3])
    rates = [row["lr"] for row in run.metrics() if row["split"] == "train"]
    assert_close(rates, [1e-2, 5e-3, 2.5e-3])


def test_pauses_when_its_time_is_over_and_ends_like_another(tmp_path, store):
    whole, wanted = trained(tmp_path / "whole", store)
    short = replace(SETTINGS, minutes=1e-9)
    for step in range(1, 40):  # each call makes a step; one more ends the training
        with pytest.raises(Paused, match=f"after 1e-09 minutes at step {step} of 40"):
            trained(tmp_path / "run", store, short)
    run, model = trained(tmp_path / "run", store, short)
    same_weights(model, wanted)
    assert losses(run, "validation") == losses(whole, "validation")


def test_a_training_that_goes_on_has_all_of_its_minutes(tmp_path, store):
    trained(tmp_path / "run", store, replace(SETTINGS, steps=10))
    run = Run(tmp_path / "run")
    last = run.metrics()[-1]
    run.path("metrics.jsonl").write_text(json.dumps(last | {"seconds": 1e6}) + "\n")
    run, _ = trained(tmp_path / "run", store, replace(SETTINGS, minutes=5.0))
    assert run.metrics()[-1]["step"] == 40
    assert run.metrics()[-1]["seconds"] > 1e6


@pytest.mark.parametrize(("final", "is_kept"), [(9, True), (0, False)])
def test_the_mean_of_the_last_weights_is_kept_if_it_is_better(tmp_path, store, final, is_kept):
    settings = replace(SETTINGS, average=3)
    run, _ = trained(tmp_path / "run", store, settings, scores=[1, 2, 3, 4, final])
    paths = sorted(run.path("weights").iterdir())
    assert [path.stem for path in paths] == ["000000020", "000000030", "000000040"]
    models = [ARCHITECTURE.build(9) for _ in range(4)]
    for path, model in zip(paths, models, strict=False):
        load_weights(path, model)
    run.load_model(models[3])
    for *some, found in zip(*(model.parameters() for model in models), strict=True):
        assert_close(found, sum(some) / 3 if is_kept else some[2])


def test_what_is_validated_is_the_moving_average(tmp_path, store):
    decay, settings = 0.5, replace(SETTINGS, steps=3, validate_every=3, ema=0.5)
    run, _ = trained(tmp_path / "run", store, settings)
    wanted = None
    for count in (1, 2, 3):
        _, model = trained(tmp_path / str(count), store, replace(settings, ema=0.0, steps=count))
        weights = [p.detach().clone() for p in model.parameters()]
        both = zip(wanted or weights, weights, strict=True)
        wanted = [decay * a + (1 - decay) * b for a, b in both]
    kept = ARCHITECTURE.build(9)
    run.load_model(kept)
    assert_close(list(kept.parameters()), wanted)


def test_a_metric_that_there_is_not_is_refused(tmp_path, store):
    run = Run.start(tmp_path / "run", "toy", Config(), describe(ARCHITECTURE))
    objective = Objective(ARCHITECTURE.build(9), replace(SETTINGS, validate_every=1))
    with pytest.raises(ValueError, match="metric must be one of 'loss', got 'BLEU'"):
        fit(
            run,
            objective,
            lambda done: steps(store, Order(60, 8), seed=0, skip=done),
            lambda model: {"loss": 1.0},
            "BLEU",
            Fabric(accelerator="cpu", devices=1),
        )
