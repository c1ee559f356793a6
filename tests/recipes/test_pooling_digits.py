"""The recipe `pooling_digits`, at toy size: it learns in seconds, resumes, and reports honestly."""

import json
import os
import signal
import sys

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.recipes import pooling_digits
from huashi.recipes.pooling_digits import KINDS, Config

pytest.importorskip("sklearn")


def toy(folder, **fields):
    sizes = {"kinds": ("max", "max-blur"), "seeds": (0, 1), "channels": (8, 16), "steps": 100}
    return Config(folder=folder, **sizes | fields)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    threads = torch.get_num_threads()
    run = pooling_digits.train(toy(tmp_path_factory.mktemp("runs") / "digits", accelerator="cpu"))
    torch.set_num_threads(threads)
    return run


def test_learns_in_seconds(run):
    assert [pair["pooling"] for pair in run.results["pairs"]] == ["max"] * 2 + ["max-blur"] * 2
    assert all(pair["test"] >= 90 for pair in run.results["pairs"])
    plain, blurred = ([p["consistency"] for p in run.results["pairs"]][i : i + 2] for i in (0, 2))
    assert max(plain) + 5 < min(blurred) <= 100


def test_evaluation_finds_the_same(run):
    again = pooling_digits.evaluate(run)
    assert again == {name: run.results[name] for name in ("kinds", "pairs")}


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_and_reference_train_alike(kind, one_thread):
    images, labels = pooling_digits.digits()
    images, labels = pooling_digits.with_border(images[:30]), labels[:30]

    def losses(which):
        model = pooling_digits.network(kind, (4, 8), seed=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        torch.manual_seed(1)
        for _ in range(5):
            with implementation(which):
                loss = torch.nn.functional.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            yield loss.detach()

    found = list(losses("auto"))
    assert found[-1] < found[0]
    assert_close(found, list(losses("reference")), rtol=1e-3, atol=1e-4)


def test_every_kind_gives_the_same_shape_and_the_same_start():
    models = [pooling_digits.network(kind, (4, 8), seed=3).eval() for kind in KINDS]
    assert {model(torch.zeros(2, 1, 10, 10)).shape for model in models} == {(2, 10)}
    for model in models:
        assert torch.equal(model[0].weight, models[0][0].weight)
        assert torch.equal(model[-1].weight, models[0][-1].weight)


def test_splits_are_the_seeds_and_share_no_digit():
    config = Config(train_examples=300)
    training, test = pooling_digits.split(config, 0)
    assert sorted([*training.tolist(), *test.tolist()]) == list(range(1797))
    assert len(training) == 300
    assert torch.equal(training, pooling_digits.split(config, 0)[0])
    assert not torch.equal(training, pooling_digits.split(config, 1)[0])


def test_a_step_never_sees_a_digit_of_the_test_and_each_round_sees_all():
    config = Config(train_examples=95, batch_size=30, steps=7)
    training, _ = pooling_digits.split(config, 0)
    steps = pooling_digits.batches(config, training, 0)
    assert [len(step) for step in steps] == [30] * 7
    assert set(torch.cat(steps).tolist()) <= set(training.tolist())
    assert len(set(torch.cat(steps[:3]).tolist())) == 90


def test_shifts_stay_on_the_paper():
    """What shift_consistency rolls, from 0 to 2 pixels, is all of the digit at each place."""
    images, _ = pooling_digits.digits()
    corner = torch.nn.functional.pad(images[:1], (2, 0, 2, 0))
    for rows in range(3):
        for columns in range(3):
            moved = corner.roll((-rows, -columns), (-2, -1))
            place = (..., slice(2 - rows, 10 - rows), slice(2 - columns, 10 - columns))
            assert torch.equal(moved[place], images[:1])


def test_an_interrupted_run_goes_on_and_ends_the_same(run, tmp_path, monkeypatch, one_thread):
    config = toy(tmp_path / "digits", accelerator="cpu")
    measure, trained = pooling_digits.measure, []

    def interrupted(model, *rest):
        trained.append(model)
        if len(trained) == 3:
            os.kill(os.getpid(), signal.SIGINT)  # is obeyed once this training is kept
        return measure(model, *rest)

    monkeypatch.setattr(pooling_digits, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pooling_digits.train(config)
    assert len(trained) == 3
    with pytest.raises(ValueError, match=r"holds a run with steps 100, got 50"):
        pooling_digits.train(toy(config.folder, accelerator="cpu", steps=50))
    resumed = pooling_digits.train(config)
    assert len(trained) == 4  # three of them are not trained again
    assert resumed.results["pairs"] == run.results["pairs"]
    weights = [r.path("model.safetensors").read_bytes() for r in (run, resumed)]
    assert weights[0] == weights[1]
    assert pooling_digits.train(config).results == resumed.results
    assert len(trained) == 4


def test_a_torn_line_of_metrics_is_trained_again(run, tmp_path, monkeypatch, one_thread):
    config = toy(tmp_path / "digits", accelerator="cpu", kinds=("max",))
    save = pooling_digits.Run.save_checkpoint

    def torn(self, models, optimizer, step, best):
        if step == 2:
            raise OSError("no space left")
        save(self, models, optimizer, step, best)

    monkeypatch.setattr(pooling_digits.Run, "save_checkpoint", torn)
    with pytest.raises(OSError, match="no space left"):
        pooling_digits.train(config)
    with (config.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "spl')
    monkeypatch.setattr(pooling_digits.Run, "save_checkpoint", save)
    assert pooling_digits.train(config).results["pairs"] == run.results["pairs"][:2]


def test_the_report_holds_everything_in_one_file(run):
    page = run.path("report.html").read_text()
    assert 'src="http' not in page
    for heading in ("By kind", "Accuracy", "Shifts", "Every training", "Configuration"):
        assert f"<h2>{heading}</h2>" in page
    pictures = sorted(run.path("pictures").iterdir())
    assert len(pictures) == page.count("<img") == 2
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)


def test_the_summary_compares_seed_by_seed():
    scores = {"parameters": 5, "train": 100.0, "consistency": 50.0}
    pairs = [
        {"pooling": kind, "seed": seed, "test": test, **scores}
        for kind, tests in {"max": (90.0, 96.0), "soft": (91.0, 97.0)}.items()
        for seed, test in enumerate(tests)
    ]
    first, second = pooling_digits.summary(pairs)
    assert (first["test, %"], first["over max"]) == ("93.00 ± 4.24", "")
    assert (second["test, %"], second["over max"]) == ("94.00 ± 4.24", "+1.00 ± 0.00")
    assert second["gap"] == "6.00 ± 4.24"
    [alone] = pooling_digits.summary([p for p in pairs if p["pooling"] == "soft" and not p["seed"]])
    assert (alone["test, %"], alone["over max"]) == ("91.00", "")


def test_what_is_printed_is_the_table_of_kinds(run):
    assert pooling_digits.tables(run.results) == [run.results["kinds"]]
    with pytest.raises(ValueError, match=r"results.json must hold kinds of pooling"):
        pooling_digits.tables({})


def test_without_scikit_learn_one_line_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"not installed: pip install scikit-learn$"):
        pooling_digits.train(toy(tmp_path / "digits"))
    assert not (tmp_path / "digits").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kinds": ("max", "avarage")}, "a kind must be one of .* did you mean 'average'"),
        ({"kinds": ()}, r"kinds must be at least one, each once, got \[\]"),
        ({"seeds": (1, 1)}, r"seeds must be at least one, each once, got \[1, 1\]"),
        ({"train_examples": 1797}, "train_examples must leave some of the 1797 digits .* got 1797"),
        ({"train_examples": 20}, "batch_size must be at most train_examples 20, got 30"),
        ({"steps": 0}, "steps must be > 0, got 0"),
        ({"channels": (0, 4)}, "first of channels must be > 0, got 0"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(fields, message):
    with pytest.raises(ValueError, match=message):
        Config(**fields)


def test_metrics_have_a_line_for_each_training(run):
    rows = [json.loads(line) for line in run.path("metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["seed"] for row in rows] == [0, 1, 0, 1]


@pytest.mark.slow
def test_reaches_its_target_at_full_size(tmp_path):
    run = pooling_digits.train(Config(folder=tmp_path / "digits", seeds=(0,)))
    scores = {pair["pooling"]: pair for pair in run.results["pairs"]}
    usual = scores.keys() - {"min", "median"}
    assert all(scores[kind]["test"] >= 93 for kind in usual)
    assert scores["max-blur"]["consistency"] > scores["max"]["consistency"] + 5
    assert scores["max"]["consistency"] > scores["strided"]["consistency"] + 15
