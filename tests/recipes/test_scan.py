"""The recipe `scan`, at toy size."""

from dataclasses import replace
from pathlib import Path

import pytest

from huashi.recipes import scan
from huashi.seq2seq import Translator
from huashi.seq2seq.text.corpus import Pair

TASKS = Path(__file__).parents[2] / "../shared/data/scan/tasks_test_simple.txt.gz"


def write(path, count):
    """Commands for one or two actions."""
    verbs = {"jump": "I_JUMP", "walk": "I_WALK", "run": "I_RUN", "look": "I_LOOK"}
    simple = list(verbs.items()) + [(f"{v} twice", f"{a} {a}") for v, a in verbs.items()]
    pairs = simple + [
        (f"{left} and {right}", f"{a} {b}") for left, a in simple for right, b in simple
    ]
    lines = [f"IN: {source} OUT: {target}\n" for source, target in pairs]
    path.write_text("".join((lines * 10)[:count]))
    return path


@pytest.fixture(scope="module", params=[25, pytest.param(250, marks=pytest.mark.slow)])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    config = scan.Config(
        train=write(folder / "train.txt", 700),
        test=write(folder / "test.txt", 72),
        folder=folder / "run",
        dropout=0.1,
    )
    toy = {
        "steps": request.param,
        "batch_tokens": 400,
        "max_length": 20,
        "threads": 1,
        "accelerator": "cpu",
    }
    return scan.train(replace(config, training=replace(config.training, **toy)))


def test_learns_the_commands(run):
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["pairs"] == 72
    [found] = Translator.load(run).translate(["walk twice and jump"])
    if run.config["training"]["steps"] == 250:
        assert scores["exact match, %"] > 97
        assert found == "I_WALK I_WALK I_JUMP"
    assert scan.evaluate(run) == run.results


@pytest.mark.parametrize("line", ["IN: jump", "jump OUT: I_JUMP", "IN:  OUT: I_JUMP", ""])
def test_a_line_of_another_kind_is_refused(tmp_path, line):
    path = tmp_path / "tasks"
    path.write_text(f"IN: jump OUT: I_JUMP\n{line}\n")
    with pytest.raises(ValueError, match=r"tasks:2: line must be 'IN: \.\.\. OUT: \.\.\.', got"):
        list(scan.read_tasks(path))


@pytest.mark.skipif(not TASKS.is_file(), reason="needs ../shared/data")
def test_reads_the_tasks_as_they_are():
    pairs = list(scan.read_tasks(TASKS))
    assert len(pairs) == 4182
    assert all(isinstance(pair, Pair) and pair.target.startswith("I_") for pair in pairs)


def test_a_run_begins_with_the_weights_of_another(run, tmp_path, capsys):
    (tmp_path / "new").write_text("IN: hop OUT: I_HOP\n" * 60)
    config = run.configuration(scan.Config)
    quick = replace(config.training, steps=1)
    begun = replace(
        config,
        train=tmp_path / "new",
        folder=tmp_path / "run",
        init_from=run.folder,
        training=quick,
    )
    second = scan.train(begun)
    assert "and [1, 1] new ones a side" in capsys.readouterr().err
    before, after = (Translator.load(one).target_tokenizer for one in (run, second))
    assert after.tokens(range(len(after))) == [*before.tokens(range(len(before))), "I_HOP"]
