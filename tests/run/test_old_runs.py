"""Runs of an earlier version, made by ``old_runs/make.py``: they open, predict and go on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from torch.testing import assert_close

from huashi.recipes import dates, translate
from huashi.run import Run, open_run
from huashi.run.task import TRANSLATION
from huashi.seq2seq import Translator

OLD = Path(__file__).parent / "old_runs"
RECIPES = {"dates": dates, "translate": translate}


@pytest.fixture(params=RECIPES)
def name(request, tmp_path, monkeypatch, one_thread):
    """The name of a recipe, in a folder that has its old runs and their corpus."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return request.param


def numbers(run):
    """What the metrics tell, less the time."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]


def test_opens_and_predicts_the_same(name):
    run = open_run(f"{name}-whole")
    assert "task" not in json.loads(run.path("config.json").read_text())
    assert (run.recipe, run.task, run.file) == (name, TRANSLATION, None)
    translator = Translator.load(run)
    predicted = json.loads(run.path("predicted.json").read_text())
    for source, (tokens, score) in predicted.items():
        [[best]] = translator.search([source], beam=1, max_length=12)
        assert best.tokens == tokens
        assert_close(best.score, score, rtol=1e-4, atol=1e-5)


def test_is_scored_the_same_and_not_trained_again(name):
    run, recipe = Run(f"{name}-whole"), RECIPES[name]
    results = dict(run.results)
    results.pop("training_seconds", None)
    found = recipe.evaluate(run)
    assert found.keys() == results.keys()
    for part in results.keys() - {"examples"}:  # where a score is rounded
        if part == "scores":  # there are more of them now
            found[part] = [row for row in found[part] if row in results[part]]
        assert found[part] == results[part]
    before = run.path("config.json").read_text()
    again = recipe.train(config(run, recipe))
    assert again.results == run.results
    assert run.path("config.json").read_text() == before


def test_goes_on_to_where_the_old_version_came(name):
    whole, half, recipe = Run(f"{name}-whole"), Run(f"{name}-half"), RECIPES[name]
    assert half.results is None
    assert len(half.metrics()) < len(whole.metrics())
    run = recipe.train(config(half, recipe))
    for row, wanted in zip(numbers(run), numbers(whole), strict=True):
        assert row.keys() == wanted.keys()
        assert_close(
            {k: v for k, v in row.items() if k != "split"},
            {k: v for k, v in wanted.items() if k != "split"},
            rtol=1e-3,
            atol=1e-5,
        )


def test_another_configuration_is_still_refused(name):
    half, recipe = Run(f"{name}-half"), RECIPES[name]
    other = config(half, recipe)
    if name == "dates":
        with pytest.raises(ValueError, match=r"holds a run with steps 24, got 23: give the same"):
            dates.train(replace(other, steps=23))
    else:
        longer = replace(other.training, label_smoothing=0.2)
        with pytest.raises(ValueError, match=r"with training\.label_smoothing 0\.1, got 0\.2"):
            translate.train(replace(other, training=longer))
    with pytest.raises(ValueError, match=f"holds a run of recipe {name}, got other"):
        Run.start(half.folder, "other", other, {})


def config(run, recipe):
    """The configuration of a run, in its own folder; paths as paths."""
    found = run.configuration(recipe.Config)
    if name_of(recipe) == "translate":
        paths = {"source": tuple(map(Path, found.source)), "architecture": Path(found.architecture)}
        found = replace(found, **paths)
    return replace(found, folder=run.folder)


def name_of(recipe):
    return recipe.__name__.rpartition(".")[2]
