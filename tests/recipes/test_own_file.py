"""A recipe of the user's own: the file that the documentation shows, from training to its end."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from huashi.__main__ import main
from huashi.run import Run, open_run

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.fixture
def file(tmp_path):
    text = DOCUMENTATION.read_text()
    found = re.search(r"This is `backwards\.py`.*?```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "backwards.py").write_text(found[1])
    return tmp_path / "backwards.py"


@pytest.fixture
def huashi(capsys, monkeypatch, one_thread):
    """Run a command; return its exit code, standard output and standard error."""

    def run(*words):
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


def trained(huashi, file, folder, **options):
    given = {"folder": folder, "steps": 60, "hidden-size": 16, "words": 300, **options}
    return huashi(
        "train", file, *(x for name, value in given.items() for x in (f"--{name}", value))
    )


def test_from_the_training_to_a_prediction(huashi, file, tmp_path):
    folder, source = tmp_path / "run", tmp_path / "in.txt"
    code, out, err = trained(
        huashi, file, folder, **{"steps": 300, "hidden-size": 64, "words": 1000}
    )
    assert code == 0, err
    assert out.split()[:3] == ["words", "right,", "%"]
    assert f"run: {folder}" in out
    run = open_run(folder)
    assert (run.recipe, run.task, run.file.path) == ("backwards", "translation", file)
    assert run.results["scores"][0]["right, %"] > 50
    assert huashi("evaluate", folder)[:2] == (0, out.partition("run:")[0])
    source.write_text("abc\n")
    file.write_text("raise RuntimeError('executed')\n")  # by a prediction nothing is
    assert huashi("predict", folder, source)[:2] == (0, "cba\n")


def test_the_fields_of_its_configuration_are_options(huashi, file):
    code, out, _ = huashi("train", file, "--help")
    assert code == 0
    for word in ("--hidden-size INT", "Units of the model.", "(default: 600)", "Words spelled"):
        assert word in out
    code, _, err = huashi("train", file, "--hiden-size", 3)
    assert code == 2
    assert err.startswith("huashi: ")
    assert "Perhaps you meant: --hidden-size" in err
    assert err.count("\n") == 1


def test_the_same_command_goes_on(huashi, file, tmp_path, monkeypatch):
    assert trained(huashi, file, tmp_path / "whole")[0] == 0
    log = Run.log

    def stop(self, **row):
        log(self, **row)
        if row["split"] == "validation":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Run, "log", stop)
    code, _, err = trained(huashi, file, tmp_path / "run")
    assert code == 130
    assert f"to go on: huashi train {file}" in err
    monkeypatch.setattr(Run, "log", log)
    assert trained(huashi, file, tmp_path / "run", steps=59)[0] == 2  # another configuration
    file.write_text(file.read_text() + "\n# another line\n")  # a recipe may be put right
    assert trained(huashi, file, tmp_path / "run")[0] == 0
    assert huashi("evaluate", tmp_path / "run")[0] == 0
    whole, run = (tmp_path / name / "model.safetensors" for name in ("whole", "run"))
    assert whole.read_bytes() == run.read_bytes()


def test_a_file_that_is_gone_or_has_changed_is_not_executed(huashi, file, tmp_path):
    folder = tmp_path / "run"
    assert trained(huashi, file, folder, steps=1)[0] == 0
    right = file.read_text()
    file.write_text(f"{right}\nraise RuntimeError('executed')\n")
    code, _, err = huashi("evaluate", folder)
    assert code == 2
    assert f"{file} has changed since {folder} was trained" in err
    assert "by --recipe" in err
    file.write_text(right)
    moved = file.rename(tmp_path / "moved.py")
    code, _, err = huashi("evaluate", folder)
    assert (code, err) == (
        2,
        f"huashi: there is no {file}, the recipe of {folder}: give its file by --recipe\n",
    )
    assert huashi("evaluate", folder, "--recipe", moved)[0] == 0
    inside = folder / "recipe.py"
    inside.write_text(right)
    content = json.loads((folder / "config.json").read_text())
    content["file"]["path"] = str(inside)
    (folder / "config.json").write_text(json.dumps(content))
    code, _, err = huashi("evaluate", folder)
    assert code == 2
    assert "is part of the run itself" in err


WRONG = {
    "": "must have Config, train, evaluate and tables to be a recipe, got no Config, train, evaluate, tables",
    "Config = train = evaluate = 1": "to be a recipe, got no tables",
    "Config = train = evaluate = tables = 1": "must be a dataclass, got 1",
    "from dataclasses import dataclass\n@dataclass\nclass Config:\n  x: int = 1\n"
    "train = evaluate = tables = print": "must have a field folder, of the run, got none",
    "from dataclasses import dataclass\n@dataclass\nclass Config:\n  folder: str = 'x'\n"
    "train = evaluate = tables = print": "must begin with a docstring that says what it does",
    "def train(:": "wrong.py:1: invalid syntax",
    "import nowhere_to_be_found": "cannot be imported: No module named 'nowhere_to_be_found'",
}


@pytest.mark.parametrize("content", WRONG)
def test_what_is_no_recipe_is_one_line(huashi, tmp_path, content):
    (tmp_path / "wrong.py").write_text(content)
    code, out, err = huashi("train", tmp_path / "wrong.py")
    assert (code, out) == (2, "")
    assert WRONG[content] in err
    assert err.startswith("huashi: ")
    assert err.count("\n") == 1


def test_a_file_that_there_is_not_is_one_line(huashi, tmp_path):
    code, _, err = huashi("train", tmp_path / "no.py")
    assert (code, err) == (2, f"huashi: there is no recipe {tmp_path / 'no.py'}\n")


def test_modules_beside_it_are_found(huashi, tmp_path, file):
    (tmp_path / "backwards_beside.py").write_text("STEPS = 7\n")
    text = file.read_text().replace(
        "import random\n", "import random\nfrom backwards_beside import STEPS\n"
    )
    file.write_text(text.replace("steps: int = 600", "steps: int = STEPS"))
    assert "(default: 7)" in huashi("train", file, "--help")[1]


def test_a_recipe_that_returns_no_run_is_told(huashi, tmp_path):
    (tmp_path / "nothing.py").write_text(
        '"""Nothing."""\nfrom dataclasses import dataclass\n@dataclass\nclass Config:\n'
        "  folder: str = 'x'\ndef train(config): pass\nevaluate = tables = train\n"
    )
    code, _, err = huashi("train", tmp_path / "nothing.py")
    assert (code, err) == (2, "huashi: train of a recipe must return its run, got None\n")
