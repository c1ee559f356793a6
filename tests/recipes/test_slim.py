"""The recipes that slim a network, at toy size: zeros in seconds, the same outputs, resumed alike."""

import os
import signal
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from huashi.recipes import _slim, _slimming, slim_digits, slim_omniglot
from huashi.regularization import load_compact
from huashi.run import Run

pytest.importorskip("sklearn")
TOY = {"channels": (16, 32), "steps": 160, "dense_steps": 60, "strength": 0.2, "lr": 3e-3}


def toy(folder, **fields):
    return slim_digits.Config(folder=folder, **TOY | {"accelerator": "cpu"} | fields)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    threads = torch.get_num_threads()
    run = slim_digits.train(toy(tmp_path_factory.mktemp("runs") / "digits"))
    torch.set_num_threads(threads)
    return run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Latency is measured, but not for long."""
    from huashi.regularization.compaction import report as compaction_report

    measure = compaction_report.measure
    monkeypatch.setattr(compaction_report, "measure", lambda *given: measure(*given, seconds=0.02))


def slimmed(run, folder, **options):
    return _slimming.slim(slim_digits, run, folder, **{"round_to": 1, "fine_tune": 0} | options)


def test_channels_become_zero_and_digits_are_still_read(run):
    [scores] = run.results["scores"]
    assert 0 < scores["zero groups"] < scores["groups"]
    assert scores["test, %"] > 80
    assert sum(row["zero"] for row in run.results["layers"]) == scores["zero groups"]
    assert run.path("report.html").stat().st_size > 10_000


def test_evaluation_finds_the_same(run):
    [again], [trained] = slim_digits.evaluate(run)["scores"], run.results["scores"]
    gap = pytest.approx(trained["KKT gap"], abs=2e-6)  # convolutions may sum in another order
    assert again == trained | {"KKT gap": gap}
    assert slim_digits.evaluate(run)["layers"] == run.results["layers"]


def test_without_a_penalty_no_channel_is_zero(tmp_path, one_thread):
    run = slim_digits.train(toy(tmp_path / "digits", strength=0.0, steps=30, dense_steps=0))
    assert run.results["scores"][0]["zero groups"] == 0


def test_an_interrupted_run_goes_on_and_ends_the_same(run, tmp_path, monkeypatch, one_thread):
    config = toy(tmp_path / "digits")
    penalty_on = 100

    def stop(row):
        if row["step"] == penalty_on:
            os.kill(os.getpid(), signal.SIGINT)

    log = Run.log
    monkeypatch.setattr(Run, "log", lambda self, **row: (log(self, **row), stop(row)))
    with pytest.raises(KeyboardInterrupt):
        slim_digits.train(config)
    monkeypatch.undo()
    resumed = slim_digits.train(config)
    weights = [one.path("model.safetensors").read_bytes() for one in (run, resumed)]
    assert weights[0] == weights[1]
    assert resumed.results["scores"] == run.results["scores"]


def test_a_slimmed_run_is_smaller_and_gives_the_same(run, tmp_path, one_thread):
    small = slimmed(run, tmp_path / "small")
    before, after = small.results["scores"]
    assert before["test, %"] == after["test, %"]
    assert after["parameters"] < before["parameters"]
    assert after["MFLOPs an image"] < before["MFLOPs an image"]
    assert {"ms, batch 1", "ms, batch 64"} < after.keys()
    data = slim_digits.read(toy(""))
    full = _slim.open_model(run, toy(""), data.classes).eval()
    model = load_compact(small.path("model.safetensors"), full).eval()
    program = torch.export.load(small.path("model.pt2")).module()
    for found in (model, program):
        assert_close(found(data.test.images), full(data.test.images), atol=1e-4, rtol=1e-4)


def test_a_slimmed_run_is_scored_and_not_slimmed_again(run, tmp_path, one_thread):
    small = slimmed(run, tmp_path / "small", fine_tune=10)
    *_, last = small.results["scores"]
    [again] = slim_digits.evaluate(small)["scores"]
    assert (again["test, %"], again["parameters"]) == (last["test, %"], last["parameters"])
    assert slimmed(run, tmp_path / "small", fine_tune=10).results == small.results
    with pytest.raises(ValueError, match="holds another run: choose another folder"):
        slimmed(run, tmp_path / "small", fine_tune=20)
    with pytest.raises(ValueError, match="is slimmed already"):
        slimmed(small, tmp_path / "smaller")


def test_channels_are_rounded(run, tmp_path, one_thread):
    small = slimmed(run, tmp_path / "small", round_to=4)
    assert all(row["after"] % 4 == 0 for row in small.results["layers"])


def test_an_unfinished_run_is_not_slimmed(tmp_path):
    run = Run.start(tmp_path / "digits", "slim_digits", toy(tmp_path), {})
    with pytest.raises(ValueError, match="is not finished: huashi train slim_digits goes on"):
        slimmed(run, tmp_path / "small")


def path(folder, strengths=(0.05, 0.3)):
    config = toy(folder, steps=60, dense_steps=0, fine_tune_steps=10)
    return _slimming.path(slim_digits, "slim_digits", config, strengths, 90)


def test_a_path_goes_from_dense_to_small_and_resumes(tmp_path, monkeypatch, one_thread):
    whole = path(tmp_path / "path").results["points"]
    assert [row["strength"] for row in whole] == [0, 0.05, 0.3]
    fewer = [row["fewer FLOPs, %"] for row in whole]
    assert fewer[0] == 0 < fewer[-1]
    assert fewer == sorted(fewer)

    point, trained = _slimming._point, []

    def interrupted(*given):
        trained.append(given)
        if len(trained) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return point(*given)

    monkeypatch.setattr(_slimming, "_point", interrupted)
    with pytest.raises(KeyboardInterrupt):
        path(tmp_path / "again")
    resumed = path(tmp_path / "again").results["points"]
    assert len(trained) == 3
    same = "strength", "test, %", "zero groups", "parameters"
    assert [[row[k] for k in same] for row in resumed] == [[row[k] for k in same] for row in whole]
    with pytest.raises(ValueError, match="holds another path"):
        path(tmp_path / "again", (0.02,))


def test_a_wrong_path_is_a_clear_error(tmp_path):
    with pytest.raises(
        ValueError, match=r"strengths must be finite, above 0 and rise, got \[0.3, 0.1\]"
    ):
        path(tmp_path, (0.3, 0.1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 60}, "dense_steps must be fewer than steps 60, got 60"),
        ({"strength": -1.0}, "strength must be >= 0, got -1.0"),
        ({"channels": (0, 4)}, "first of channels must be > 0, got 0"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(fields, message):
    with pytest.raises(ValueError, match=message):
        toy("", **fields)


def test_parts_are_the_seeds_and_share_no_digit():
    one, other = (slim_digits.read(toy("", seed=seed)) for seed in (0, 1))
    assert [len(part.labels) for part in one] == [899, 449, 449]
    assert not torch.equal(one.test.images, other.test.images)
    images, labels = slim_digits.digits()
    together = torch.cat([part.images for part in one])
    assert_close(together.sum(0), images.sum(0))
    assert sorted(torch.cat([part.labels for part in one]).tolist()) == sorted(labels.tolist())


def test_without_scikit_learn_one_line_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"not installed: pip install scikit-learn$"):
        slim_digits.train(toy(tmp_path / "digits"))


@pytest.fixture
def archive(tmp_path):
    """Two characters by twenty people: a bar that stands and one that lies."""
    generator = np.random.default_rng(0)
    path = tmp_path / "drawings.zip"
    with zipfile.ZipFile(path, "w") as file:
        for character in range(2):
            for person in range(20):
                paper = np.full((105, 105), 255, np.uint8)
                at = generator.integers(30, 70)
                paper[:, at : at + 9] = 0
                picture = Image.fromarray(paper if character else paper.T).convert("1")
                name = f"small/Bars/character{character:02d}/{character}_{person:02d}.png"
                with file.open(name, "w") as target:
                    picture.save(target, "png")
    return path


def test_characters_are_read_and_learnt(archive, tmp_path, one_thread):
    config = slim_omniglot.Config(
        folder=tmp_path / "run",
        data=archive,
        **TOY | {"batch_size": 8, "accelerator": "cpu", "strength": 0.01, "channels": (8, 16)},
    )
    data = slim_omniglot.read(config)
    assert [tuple(part.images.shape) for part in data] == [(n, 1, 28, 28) for n in (28, 4, 8)]
    assert 0.05 < data.training.images.mean() < 0.15
    assert 0 <= data.training.images.min() < data.training.images.max() <= 1
    [scores] = slim_omniglot.train(config).results["scores"]
    assert scores["test, %"] == 100


def test_an_absent_or_damaged_archive_is_a_clear_error(tmp_path):
    missing, damaged = tmp_path / "missing.zip", tmp_path / "damaged.zip"
    with pytest.raises(FileNotFoundError, match=r"missing\.zip: data must be images_backgr"):
        slim_omniglot.train(slim_omniglot.Config(folder=tmp_path / "run", data=missing))
    damaged.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"damaged\.zip is damaged or no archive of drawings"):
        slim_omniglot.train(slim_omniglot.Config(folder=tmp_path / "run", data=damaged))
    assert not (tmp_path / "run").exists()
