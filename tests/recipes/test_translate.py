"""The recipe `translate`, at toy size: two files become a translator with a score."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from torch.testing import assert_close

from huashi.__main__ import main
from huashi.recipes import translate
from huashi.recipes._models import model_named
from huashi.run import Run
from huashi.seq2seq import Translator
from huashi.seq2seq.architecture import describe
from tests.recipes.small_translator import TRAINING, small_config, write


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(config):
    return translate.train(config)


def test_learns_to_translate(run):
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["exact match, %"] > 95
    assert scores["BLEU"] > 95
    assert "version" in scores["BLEU signature"]
    assert scores["pairs"] == 30
    assert [row["pairs"] for row in run.results["lengths"]] == [5] * 6
    assert Translator.load(run).translate(["two and four"]) == ["zwei und vier"]
    report = run.path("report.html").read_text()
    for heading in ("Scores", "Ten sentences", "Learning curves", "By length", "Attention"):
        assert heading in report


def test_a_run_knows_its_configuration(run, config):
    opened = Run(run.folder)
    found = opened.configuration(translate.Config)
    assert found.training == config.training
    assert [str(path) for path in found.source] == [str(path) for path in config.source]
    assert translate.evaluate(opened) == run.results


def test_a_finished_run_is_left_alone(run, config):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    translate.train(config)
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_another_configuration_is_refused(run, config):
    with pytest.raises(ValueError, match=r"with training\.seed 0, got 1"):
        translate.train(replace(config, training=replace(TRAINING, seed=1)))
    with pytest.raises(ValueError, match="with vocabulary_size 4000, got 9"):
        translate.train(replace(config, vocabulary_size=9))
    translate.train(replace(config, training=replace(TRAINING, threads=2, minutes=5.0)))


@pytest.mark.parametrize(
    ("precision", "steps"),
    [
        ("bf16-mixed", 30),
        pytest.param("bf16-mixed", 100, marks=pytest.mark.slow),
        pytest.param("bf16-true", 100, marks=pytest.mark.slow),
    ],
)
def test_learns_in_bfloat16(tmp_path, config, precision, steps):
    few = replace(TRAINING, steps=steps, validate_every=steps // 2, precision=precision)
    run = translate.train(replace(config, folder=tmp_path / "run", training=few))
    losses = [row["loss"] for row in run.metrics() if row["split"] == "validation"]
    assert losses[1] < losses[0] < 2  # which it was for equal probabilities of the words
    if steps == 100:
        assert Translator.load(run).translate(["one"]) == ["eins"]


def test_a_cpu_has_no_mixed_float16(config):
    half = replace(TRAINING, precision="16-mixed")
    with pytest.raises(ValueError, match=r"precision must be bf16-mixed .* on a CPU, got 16-mixed"):
        translate.train(replace(config, training=half))


def test_data_with_swapped_languages_is_not_scored(tmp_path, run, config, capsys):
    sources = config.test_source[0].read_text().splitlines()
    with gzip.open(config.test_target[0], "rt") as file:
        targets = file.read().splitlines()
    for name, sides in (("right", (sources, targets)), ("wrong", (targets, sources))):
        lines = ["\t".join(pair) + "\n" for pair in zip(*sides, strict=True)]
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    main(["evaluate", str(run.folder), "--data", str(tmp_path / "right.tsv")])
    assert "exact match" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", str(run.folder), "--data", str(tmp_path / "wrong.tsv")])
    assert "wrong.tsv must be in the languages of the training" in capsys.readouterr().err


def test_one_model_for_two_languages(tmp_path, config):
    """A tag says what to make of a source: German, or the same again."""
    english = tmp_path / "copy.en"
    english.write_bytes(config.source[0].read_bytes())
    test = config.test_source[0]
    copied = [test, test]
    both = replace(
        config,
        source=(config.source[0], english),
        target=(config.target[0], english),
        tags=("<2de>", "<2en>"),
        validation_tags=("<2de>",),
        test_source=tuple(copied),
        test_target=(config.test_target[0], test),
        test_tags=("<2de>", "<2en>"),
        folder=tmp_path / "run",
    )
    run = translate.train(both)
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["pairs"] == 60
    assert scores["exact match, %"] > 90
    translator = Translator.load(run)
    texts = translator.translate(["<2de> one and two", "<2en> one and two"])
    assert texts == ["eins und zwei", "one and two"]
    assert translator.translate(["", "<2de> one"]) == ["", "eins"]
    for call in (
        lambda: translator.translate(["<2de> one", "one"]),
        lambda: translator.explain("one"),
    ):
        with pytest.raises(ValueError, match=r"sources must begin with a tag, .*<2en>, got 'one'"):
            call()


def test_alignments_guide_the_attention(tmp_path, config):
    links = tmp_path / "links"
    lines = config.source[0].read_text().splitlines()
    links.write_text(
        "".join(" ".join(f"{i}-{i}" for i in range(len(s.split()))) + "\n" for s in lines)
    )
    guided = replace(
        config,
        alignments=(links,),
        folder=tmp_path / "run",
        training=replace(TRAINING, guided_alignment=1.0, steps=200),
    )
    translator = Translator.load(translate.train(guided))
    [[best]] = translator.search(["four and three two"])
    assert best.tokens[:-1] == ["vier", "und", "drei", "zwei"]
    assert best.alignment.argmax(1).tolist()[:4] == [0, 1, 2, 3]
    assert best.alignment.diagonal()[:4].min() > 0.8


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"target": ()}, "1.en:1: line must have 2 tab-separated columns"),
        ({"tags": ("<a>", "<b>")}, "tags must be 1, one for each source file, got 2"),
        ({"test_target": ()}, "3.en:1: line must have 2"),
        ({"columns": (0, 1)}, r"columns must not be given without a \.tsv corpus, got \(0, 1\)"),
        ({"fields": ("a", "b")}, r"fields must not be given without a \.jsonl corpus"),
        ({"target": (), "columns": (-1, 1)}, "columns must be >= 0, got -1"),
        ({"metric": "blue"}, "did you mean 'bleu'"),
        ({"target_tokenizer": "bpe"}, r"target_tokenizer must not be given with one vocabulary"),
        ({"bleu_tokenizer": "14a"}, "bleu_tokenizer must be one of '13a', .* got '14a'"),
        ({"alignments": ("x",)}, "alignments must be given with --guided-alignment"),
        ({"training": replace(TRAINING, batch_tokens=9)}, "batch_tokens must be >= 13"),
    ],
    ids=str,
)
def test_wrong_input_is_refused(tmp_path, config, wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        translate.train(replace(config, folder=tmp_path / "run", **wrong))


def test_an_architecture_of_ones_own(tmp_path, config):
    file = tmp_path / "architecture.json"
    architecture, _ = model_named("transformer")
    file.write_text(json.dumps(describe(architecture)))
    quick = replace(TRAINING, steps=1, validate_every=1)
    run = translate.train(
        replace(config, architecture=file, folder=tmp_path / "run", training=quick)
    )
    assert run.model["encoder"]["kind"] == "transformer"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"architecture\.json is damaged"):
        model_named("rnn", file)


def arguments(config, folder, **options):
    given = {
        "source": config.source[0],
        "target": config.target[0],
        "validation-source": config.validation_source[0],
        "validation-target": config.validation_target[0],
        "folder": folder,
        "tokenizer": "word",
        "architecture": config.architecture,
        "lr": 2e-3,
        "steps": 50,
        "validate-every": 25,
        "max-length": 12,
        "warmup": 10,
        "threads": 1,
        "accelerator": "cpu",
        **options,
    }
    return [str(x) for name, value in given.items() for x in (f"--{name}", value)]


def test_two_processes_train_like_one_with_twice_the_batch(tmp_path, config):
    """The same losses, norms and validations, and so the same model."""
    command = ["train", "translate"]
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--standalone",
    ]
    subprocess.run(
        [
            *torchrun,
            "-m",
            "huashi",
            *command,
            *arguments(config, tmp_path / "two", **{"batch-tokens": 100}),
        ],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    main([*command, *arguments(config, tmp_path / "one", **{"batch-tokens": 200})])
    one, two = Run(tmp_path / "one"), Run(tmp_path / "two")
    assert len(one.metrics()) == len(two.metrics()) == 4  # one of the mean of the last weights
    for a, b in zip(one.metrics(), two.metrics(), strict=True):
        del a["seconds"], b["seconds"]
        assert a.keys() == b.keys()
        for name in a.keys() - {"split"}:
            assert_close(a[name], b[name], rtol=1e-4, atol=1e-5)
    assert one.results["scores"] == two.results["scores"]


def test_dropout_beside_an_architecture_is_refused(config):
    with pytest.raises(ValueError, match="dropout must not be given with an architecture"):
        translate.train(replace(config, dropout=0.1))


def test_a_pause_says_how_to_go_on_and_tests_nothing(tmp_path, huashi):
    source, _ = write(tmp_path, 60, 1)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{line}\t{line}\n" for line in source.read_text().splitlines()))
    small = ("--tokenizer", "word", "--model", "rnn", "--batch-tokens", "300", "--threads", "1")
    command = ["train", "translate", "--source", pairs, "--folder", tmp_path / "run", *small]
    command += ["--steps", "2", "--minutes", "1e-9"]
    code, out, err = huashi(*command)
    assert (code, out) == (75, "")
    assert err.splitlines()[-1].startswith("Stopped after 1e-09 minutes at step 1 of 2; to go on:")
    assert Run(tmp_path / "run").results is None
    code, out, _ = huashi(*command)  # as it was said
    assert code == 0
    assert "BLEU" in out


def test_a_finished_run_is_trained_on_with_more_steps(tmp_path, config, capsys):
    quick = replace(TRAINING, validate_every=2, save_every=2, schedule="constant")
    small = replace(config, folder=tmp_path / "run")
    translate.train(replace(small, training=replace(quick, steps=4)))
    run = translate.train(replace(small, training=replace(quick, steps=8)))
    assert "8 steps in the place of 4" in capsys.readouterr().err
    whole = replace(small, folder=tmp_path / "whole", training=replace(quick, steps=8))
    wanted = translate.train(whole)
    for name in ("checkpoint.safetensors", "model.safetensors"):  # the rate is constant
        assert run.path(name).read_bytes() == wanted.path(name).read_bytes(), name
    assert run.results == wanted.results


def test_a_run_begins_with_the_weights_of_another(run, config, tmp_path, capsys):
    """What the other run has learned is there at once, beside a word that it did not know."""
    lines = [line.split("\t") for line in ("one five\teins fünf", "five\tfünf", "two\tzwei")]
    new = [tmp_path / "new.en", tmp_path / "new.de"]
    for side, path in enumerate(new):
        path.write_text("".join(f"{line[side]}\n" for line in lines * 40))
    quick = replace(TRAINING, steps=1, validate_every=1, lr=1e-9)
    begun = replace(
        config,
        source=tuple(new[:1]),
        target=tuple(new[1:]),
        init_from=run.folder,
        folder=tmp_path / "run",
        training=quick,
    )
    second = translate.train(begun)
    assert "2 new ones" in capsys.readouterr().err  # five, fünf
    scores = {row["measure"]: row["value"] for row in second.results["scores"]}
    assert scores["exact match, %"] > 95
    before, after = (Translator.load(one).tokenizer for one in (run, second))
    assert after.tokens(range(len(before))) == before.tokens(range(len(before)))
    assert after.tokens(range(len(before), len(after))) == ["five", "fünf"]
    other = {"architecture": None, "model": "transformer"}
    with pytest.raises(ValueError, match="init_from must be a run of this architecture"):
        translate.train(replace(begun, folder=tmp_path / "other", **other))
    with pytest.raises(ValueError, match=r"tokenizer must be word as in init_from .* got bpe"):
        translate.train(replace(begun, folder=tmp_path / "kind", tokenizer="bpe"))
    with pytest.raises(ValueError, match="joint must be True as in init_from"):
        translate.train(replace(begun, folder=tmp_path / "apart", joint=False))


def test_each_side_has_a_kind_of_tokenizer(tmp_path, config, run):
    quick = replace(TRAINING, steps=1, validate_every=1)
    apart = {"joint": False, "architecture": None, "model": "rnn", "target_tokenizer": "character"}
    made = replace(config, folder=tmp_path / "run", training=quick, **apart, bleu_tokenizer="char")
    translator = Translator.load(first := translate.train(made))
    assert translator.tokenizer.tokens(translator.tokenizer.encode("one two")) == ["one", "two"]
    assert len(translator.target_tokenizer.encode("eins zwei")) == 9
    scores = {row["measure"]: row["value"] for row in first.results["scores"]}
    assert "tok:char" in scores["BLEU signature"]
    with pytest.raises(ValueError, match="target_tokenizer must be character as in init_from"):
        translate.train(
            replace(made, folder=tmp_path / "b", init_from=first.folder, target_tokenizer=None)
        )


def test_evaluates_columns_of_a_file(run, tmp_path, huashi):
    data = tmp_path / "data.tsv"
    data.write_text("zwei\t2\ttwo\nvier\t4\tfour\n")
    code, out, _ = huashi("evaluate", run.folder, "--data", data, "--columns", 2, 0, "--beam", 1)
    assert code == 0
    assert "100.0" in out
    code, _, err = huashi("evaluate", run.folder, "--columns", 2, 0)
    assert (code, err) == (2, "huashi: columns must not be given without data, got (2, 0)\n")
