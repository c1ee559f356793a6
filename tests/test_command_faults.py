"""What a command says where its input, its run or its standard streams are at fault: one line."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import safetensors.torch
import torch

import huashi as package
from huashi.commands._tables import print_tables
from huashi.recipes import _fabric
from huashi.run import Progress
from huashi.seq2seq import Decoding, Translator


@pytest.fixture
def copied(dates_run, tmp_path):
    """A copy of the run of dates, to be spoiled."""
    return shutil.copytree(dates_run.folder, tmp_path / "copied")


def complaint(result):
    """The one line that a command ends with."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("huashi: ")
    assert err.count("\n") == 1
    return err


def test_tells_its_version(huashi):
    assert huashi("--version") == (0, f"huashi {package.__version__}\n", "")


def test_both_forms_of_a_flag_are_taken_and_told(huashi):
    _, out, _ = huashi("train", "translate", "--help")
    text = " ".join(out.replace("│", " ").split())
    assert "--joint, --no-joint" in text
    assert "with --no-joint one of each" in text


def test_weights_that_are_nan_are_refused(huashi, copied):
    path = copied / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    name = sorted(weights)[0]
    weights[name].view(-1)[-1] = torch.nan
    safetensors.torch.save_file(weights, path)
    for options in ([], ["--explain", copied / "x.png"]):
        err = complaint(huashi("predict", copied, *options, stdin="3. Mai 1979\n"))
        assert f"model.safetensors must hold numbers, got NaN in {name}" in err


def spoil(config, key, value):
    return json.dumps(config | {key: config[key] | value if isinstance(value, dict) else value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recipe", 3),
        ("task", 3),
        ("config", []),
        ("config", {"tags": 3}),
        ("config", {"tags": [3]}),
        ("model", None),
        ("model", {"encoder": 5}),
        ("model", {"decoder": {"kind": "rnn", "hidden_size": 0}}),
    ],
)
def test_whatever_a_configuration_says_predict_ends_with_one_line(huashi, copied, key, value):
    path = copied / "config.json"
    path.write_text(spoil(json.loads(path.read_text()), key, value))
    complaint(huashi("predict", copied, stdin="3. Mai 1979\n"))


@pytest.mark.parametrize("value", ["many", None, True, [3], {"a": 3}])
def test_whatever_a_configuration_says_evaluate_names_the_field(huashi, copied, value):
    path = copied / "config.json"
    config = json.loads(path.read_text())
    config["config"]["examples"] = value
    path.write_text(json.dumps(config))
    assert "examples must be of type int" in complaint(huashi("evaluate", copied))


def test_json_nested_too_deeply_is_damage(huashi, copied):
    (copied / "config.json").write_text("[" * 100_000)
    assert "config.json is damaged" in complaint(huashi("predict", copied))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3", "metrics.jsonl:1: line must tell step and split"),
        ('{"step": "x", "split": "train"}', "metrics.jsonl:1: line must tell step and split"),
        ('{"step": 1, "seconds": 2}', "metrics.jsonl:1: line must tell step and split"),
        ('{"step": 1, "split": "train"}', "the last line must tell seconds"),
        ('{"step": 1, "split": "validation", "seconds": 1}', "must tell exact_match"),
    ],
)
def test_whatever_the_metrics_say_train_ends_with_one_line(huashi, dates_run, copied, line, words):
    (copied / "metrics.jsonl").write_text(line + "\n")
    (copied / "results.json").unlink()
    config = json.loads((copied / "config.json").read_text())["config"]
    options = [
        f"--{name.replace('_', '-')}={config[name]}"
        for name in (
            *("examples", "test_examples", "embedding_size", "hidden_size", "lr"),
            *("batch_tokens", "steps", "validate_every"),
        )
    ]
    where = "--folder", copied, "--locales", *config["locales"], "--held-out", *config["held_out"]
    code, _, err = huashi("train", "dates", *where, *options)
    assert code == 2
    assert words in err.splitlines()[-1]


def test_whatever_a_library_says_of_an_accelerator_is_one_line(monkeypatch):
    def fail(**options):
        raise ModuleNotFoundError("No module named 'torch_xla'")

    monkeypatch.setattr("lightning_fabric.Fabric", fail)
    with pytest.raises(
        ValueError, match="accelerator must be one of this machine, got tpu: No mod"
    ):
        _fabric.fabric_on("tpu", "32-true")


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        ("<&-", 2, "huashi: standard input must be open to be read, it is closed\n"),
        (">&-", 2, "huashi: standard output must be open, it is closed; > /dev/null drops it\n"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full", 2, "huashi: [Errno 28] No space left on device\n"),
    ],
)
def test_standard_streams_may_be_closed_or_full(dates_run, closed, code, said):
    command = f"{sys.executable} -m huashi predict {dates_run.folder} --beam 1"
    result = subprocess.run(
        f"echo 3. Mai 1979 | (exec {command} {closed})", shell=True, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (code, said)
    assert result.stdout == ("1979-05-03\n" if code == 0 else "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_k", 3),
        ("top_p", 0.5),
        ("min_p", 0.5),
        ("typical", 0.5),
        ("temperature", 3),
        ("seed", 3),
    ],
)
def test_options_of_samples_need_samples(name, value):
    with pytest.raises(ValueError, match=f"^{name} must not be given unless method is 'sample'"):
        Decoding(**{name: value})
    assert getattr(Decoding(method="sample", **{name: value}), name) == value


@pytest.mark.parametrize("name", ["patience", "groups", "sibling_rate", "coverage_penalty"])
def test_options_of_a_beam_search_need_one(name):
    with pytest.raises(ValueError, match=f"^{name} must not be given unless method is 'beam'"):
        Decoding(method="sample", **{name: 5})


def test_options_of_predict_that_could_not_act(huashi, dates_run):
    run = dates_run.folder
    mean = "--ensemble-mean", "log_probabilities"
    assert "ensemble must be given" in complaint(huashi("predict", run, *mean))
    weight = "--language-model-weight", 0.5
    assert "language_model must be given" in complaint(huashi("predict", run, *weight))
    assert "top_k must not be given unless method is 'sample'" in complaint(
        huashi("predict", run, "--top-k", 3)
    )


def test_a_line_of_spaces_is_an_empty_source(huashi, dates_run):
    translator = Translator.load(dates_run)
    assert translator.translate(["   ", "3. Mai 1979", "\t"]) == ["", "1979-05-03", ""]
    assert huashi("predict", dates_run.folder, stdin=" \n3. Mai 1979\n")[1] == "\n1979-05-03\n"


def test_lines_before_a_bad_one_are_translated(huashi, dates_run, tmp_path):
    source = tmp_path / "in.txt"
    source.write_bytes(b"3. Mai 1979\n\xff\n4. Mai 1979\n")
    code, out, err = huashi("predict", dates_run.folder, source)
    assert (code, out) == (2, "1979-05-03\n")
    assert err.startswith(f"huashi: {source}:2: line must be UTF-8")


def test_bad_lines_can_be_skipped_and_are_counted(huashi, dates_run, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"3. Mai 1979\n\xff\n4. Mai 1979\nM\xe4rz\n")
    arguments = "predict", dates_run.folder, source, "--skip-bad", "--output", output
    code, out, err = huashi(*arguments)
    assert (code, out) == (0, "")
    assert output.read_text() == "1979-05-03\n\n1979-05-04\n\n"
    assert err == f"huashi: 2 of 4 lines were not UTF-8 and are empty: line 2, 4 of {source}\n"


def test_chapters_are_there_by_name_once_they_are_asked_for():
    code = (
        "import sys, huashi; assert huashi.__doc__\n"
        "assert not [m for m in sys.modules if m.startswith('huashi.seq2seq')]\n"
        "assert 'seq2seq' in dir(huashi) and huashi.seq2seq.Translator\n"
        "try: huashi.nothing\n"
        "except AttributeError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "module 'huashi' has no attribute 'nothing'\n"
    assert os.path.basename(package.__file__) == "__init__.py"


def test_a_prompt_that_is_not_utf_8_is_told(huashi):
    assert "prompt must be Unicode text, got 'a\\udcff'" in complaint(
        huashi("sample", "anywhere", "--prompt", "a\udcff")
    )


def test_a_progress_that_nobody_can_read_stops_nothing(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        Progress("train", 3).note("a line")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def test_an_output_is_no_input_and_a_picture_a_png(huashi, copied, tmp_path):
    text = tmp_path / "text"
    text.write_text("3. Mai 1979\n")
    err = complaint(huashi("predict", copied, text, "--output", text))
    assert "output must be another file than the input" in err
    assert text.read_text() == "3. Mai 1979\n"
    err = complaint(huashi("predict", copied, text, "--explain", tmp_path / "e.svg"))
    assert "explain must be the name of a .png file" in err


def test_tables_have_a_column_for_each_key(capsys):
    print_tables([[{"a": 1, "b": 2}, {"c": 3}]])
    head, first, second = (line for line in capsys.readouterr().out.splitlines() if line.strip())
    assert second.index("3") == head.index("c")
    assert first.split() == ["1", "2"]
    with pytest.raises(ValueError, match="tables of a recipe must give a list of tables, got None"):
        print_tables(None)
