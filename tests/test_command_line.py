"""The command line as people use it: what goes in, what comes out, and how it complains."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from huashi import bench
from huashi.bench import timing, warm_up
from huashi.seq2seq.text.tokenizer import Tokenizer


def test_lists_the_recipes(huashi):
    code, out, _ = huashi("recipes")
    assert code == 0
    assert "dates" in out


@pytest.mark.parametrize(
    "command",
    [
        "recipes",
        "train",
        "evaluate",
        "predict",
        "sample",
        "import",
        "cost",
        "slim",
        "path",
        "bench",
        "warm-up",
        ["train", "dates"],
        ["bench", "pooling"],
        ["path", "slim_digits"],
    ],
)
def test_help_is_complete(huashi, command):
    command = [command] if isinstance(command, str) else command
    code, out, err = huashi(*command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: huashi " + command[0])
    out = " ".join(out.replace("│", " ").split())  # however it was wrapped
    if command == ["predict"]:
        for word in ("RUN", "INPUT", "--output", "--beam", "--nbest", "--scores", "(default: 5)"):
            assert word in out
    if command == ["train", "dates"]:
        assert "--hidden-size INT" in out
        assert "Units of the decoder" in out
    if command == ["slim"]:
        for word in ("RUN", "--round-to INT", "(default: 8)", "--fine-tune", "model.pt2"):
            assert word in out
    if command == ["path", "slim_digits"]:
        assert "Placeholder" not in out
        for word in ("--strengths", "--point-steps INT", "--channels INT INT", "slim_digits-path"):
            assert word in out


def test_predicts_lines_in_order(huashi, dates_run):
    lines = "Donnerstag, 3. Mai 1979\n\n12 de junio de 1999\n"
    code, out, err = huashi("predict", dates_run.folder, stdin=lines)
    assert (code, out, err) == (0, "1979-05-03\n\n1999-06-12\n", "")


def test_predicts_with_scores_and_several_translations(huashi, dates_run):
    arguments = ("predict", dates_run.folder, "--beam", 3, "--nbest", 2, "--scores")
    code, out, _ = huashi(*arguments, stdin="3. Mai 1979\n4. Mai 1979\n")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [number for number, _, _ in rows] == ["1", "1", "2", "2"]
    assert [rows[0][2], rows[2][2]] == ["1979-05-03", "1979-05-04"]
    assert 0 >= float(rows[0][1]) >= float(rows[1][1])


def test_a_line_break_that_a_model_has_learned_moves_no_line(huashi, dates_run, monkeypatch):
    monkeypatch.setattr(Tokenizer, "decode", lambda *ids, **options: "one\ntwo\r\nthree\rfour")
    code, out, _ = huashi("predict", dates_run.folder, "--beam", 1, stdin="3. Mai 1979\n" * 2)
    assert (code, out) == (0, "one two three four\n" * 2)


def test_predicts_from_file_to_file(huashi, dates_run, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("3. Mai 1979\n" * 300 + "4. Mai 1979\n")
    code, out, _ = huashi("predict", dates_run.folder, source, "--output", output, "--beam", 1)
    assert (code, out) == (0, "")
    assert output.read_text() == "1979-05-03\n" * 300 + "1979-05-04\n"


def test_a_failed_prediction_leaves_no_half_file(huashi, dates_run, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"3. Mai 1979\n\xff\n")
    output.write_text("what was there")
    code, _, err = huashi("predict", dates_run.folder, source, "--output", output)
    assert code == 2
    assert "in.txt:2: line must be UTF-8" in err
    assert output.read_text() == "what was there"
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.txt"]


def test_answers_while_more_is_being_typed(dates_run):
    command = [sys.executable, "-m", "huashi", "predict", str(dates_run.folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for line, answer in (("3. Mai 1979", "1979-05-03"), ("4. Mai 1979", "1979-05-04")):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == answer + "\n"
        process.stdin.close()
        assert process.wait() == 0


def test_ctrl_c_at_the_prompt_ends_without_a_word(dates_run):
    command = [sys.executable, "-m", "huashi", "predict", str(dates_run.folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        process.stdin.write("3. Mai 1979\n")
        process.stdin.flush()
        assert process.stdout.readline() == "1979-05-03\n"
        process.send_signal(signal.SIGINT)  # while it waits for another line
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == ""
        process.stdin.close()


def test_a_reader_that_has_seen_enough_is_no_error(dates_run):
    lines = "3. Mai 1979\n" * 5000
    command = f"{sys.executable} -m huashi predict {dates_run.folder} --beam 1 | head -n 1"
    result = subprocess.run(command, shell=True, input=lines, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("1979-05-03\n", "")


def test_evaluates_on_the_recipes_test(huashi, dates_run):
    code, out, _ = huashi("evaluate", dates_run.folder)
    assert code == 0
    assert "unseen dates" in out
    assert str(dates_run.results["splits"][0]["exact match, %"]) in out


def test_evaluates_on_pairs(huashi, dates_run, tmp_path):
    data = tmp_path / "pairs.tsv"
    data.write_text("3. Mai 1979\t1979-05-03\n4. Mai 1979\t1979-05-05\n")
    code, out, _ = huashi("evaluate", dates_run.folder, "--data", data)
    assert code == 0
    assert "exact match, %  50.0" in out
    assert "BLEU" in out


TOY = "--channels", 16, 32, "--steps", 120, "--dense-steps", 50, "--lr", 0.003


def test_trains_and_slims(huashi, tmp_path, one_thread):
    pytest.importorskip("sklearn")
    run = tmp_path / "digits"
    code, out, _ = huashi("train", "slim_digits", "--folder", run, "--strength", 0.3, *TOY)
    assert code == 0
    assert "zero groups" in out
    code, out, _ = huashi("slim", run, "--round-to", 1, "--fine-tune", 5)
    assert code == 0
    head, *rows = [line.split("  ") for line in out.splitlines()][:4]
    assert head[0] == "model"
    assert [row[0].strip() for row in rows] == ["trained", "compacted", "trained on"]
    for word in ("ms, batch 1 ", "ms, batch 64", "KKT gap", "max |difference|", "fewer FLOPs"):
        assert word in out
    assert f"model: {run}-slim/model.safetensors" in out
    assert huashi("evaluate", f"{run}-slim")[0] == 0


def test_follows_a_path(huashi, tmp_path, one_thread):
    pytest.importorskip("sklearn")
    options = "--strengths", 0.01, "--point-steps", 5, "--fine-tune-steps", 5, "--steps", 10
    sizes = "--channels", 8, 16, "--dense-steps", 5
    code, out, _ = huashi("path", "slim_digits", "--folder", tmp_path / "path", *options, *sizes)
    assert code == 0
    head, first, second, *_ = out.splitlines()
    assert head.startswith("strength")
    assert [first.split()[0], second.split()[0]] == ["0.0", "0.01"]
    assert (tmp_path / "path" / "report.html").exists()


def test_times_a_pool(huashi, one_thread, monkeypatch):
    monkeypatch.setattr(timing, "copy_bandwidth", lambda device: 10.0)
    code, out, err = huashi(
        "bench", "pooling", "--case", "spp-5", "--rounds", 1, "--dtype", "float32"
    )
    assert (code, err) == (0, "")
    head, *lines = out.strip().splitlines()
    assert head.split("  ")[0] == "case"
    assert head.endswith("of copy")
    cells = [line.split() for line in lines]
    assert [(row[0], row[1], row[2]) for row in cells] == [
        ("spp-5", passes, layout)
        for layout in ("contiguous", "channels_last")
        for passes in ("inference", "forward+backward")
    ]
    for *_, theirs, ours, ratio, _, share in cells:
        assert float(theirs) / float(ours) == pytest.approx(float(ratio), rel=0.05, abs=0.01)
        assert share.endswith("%")


def test_an_interrupted_measurement_shows_what_there_is(huashi, monkeypatch):
    def measure(setting, device, **options):
        if setting.passes != "inference":
            raise KeyboardInterrupt
        return setting.row()

    monkeypatch.setattr(bench, "measure_pool", measure)
    code, out, _ = huashi("bench", "pooling", "--case", "speech")
    assert code == 130
    head, line = (" ".join(line.split()) for line in out.strip().splitlines())
    assert head == "case pass layout dtype"
    assert line == "speech inference contiguous float32"


def test_warms_up(huashi, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(warm_up, "_calls", lambda dtype: [("one", lambda: called.append(dtype))])
    monkeypatch.setattr(bench, "cache_folders", lambda: [tmp_path])
    code, out, _ = huashi("warm-up", "--dtypes", "float32", "int8")
    assert code == 0
    assert called == [torch.float32, torch.float32, torch.int8, torch.int8]
    assert out.startswith("4 calls of kernels in 0.0 s")
    assert out.endswith(f"{tmp_path}\n")


WRONG = {
    "no command": (
        [],
        "Expected one of {recipes, train, evaluate, predict, sample, import, cost, slim, path, bench, warm-up}",
    ),
    "wrong command": (["trian"], "Unrecognized options: trian. Available subcommands: recipes"),
    "wrong recipe": (["train", "dats"], "Unrecognized options: dats. Available subcommands: dates"),
    "wrong field": (["train", "dates", "--lrr", "3"], "--lrr, 3. Perhaps you meant: --lr"),
    "wrong choice": (
        ["train", "dates", "--cell", "rnn"],
        "invalid choice 'rnn' for argument '--cell'",
    ),
    "wrong type": (["train", "dates", "--lr", "abc"], "Error parsing --lr: could not convert"),
    "missing run": (["predict"], "Missing from huashi predict: RUN"),
    "no such run": (["predict", "nowhere"], "there is no run at nowhere"),
    "no run": (["evaluate", "tests"], "tests is not a run: it has no config.json"),
    "no such file": (["predict", "RUN", "nowhere.txt"], "nowhere.txt"),
    "wrong beam": (["predict", "RUN", "--beam", "0"], "beam must be > 0, got 0"),
    "wrong nbest": (["predict", "RUN", "--nbest", "9"], "nbest must be from 1 to beam (5), got 9"),
    "wrong data": (["evaluate", "RUN", "--data", "README.md"], "README.md:1: line must have 2 tab"),
    "wrong device": (["predict", "RUN", "--device", "gpu"], "device must be one of this machine"),
    "wrong accelerator": (["train", "dates", "--accelerator", "abacus"], "got abacus: "),
    "no locales": (["train", "dates", "--locales"], "locales must name at least one, got none"),
    "held out and not": (["train", "dates", "--held-out", "de"], "none of the locales, got de"),
    "not to slim": (["slim", "RUN"], "must be a run of slim_digits or slim_omniglot, got dates"),
    "nothing to slim": (["slim", "nowhere"], "there is no run at nowhere"),
    "wrong path": (["path", "dates"], "Available subcommands: slim-digits, slim-omniglot"),
    "falling path": (
        ["path", "slim_digits", "--strengths", "3", "1"],
        "strengths must be finite, above 0 and rise, got [3.0, 1.0]",
    ),
    "no archive": (["path", "slim_omniglot", "--data", "nowhere.zip"], "there is no nowhere.zip"),
    "wrong case": (["bench", "pooling", "--case", "resnet"], "did you mean 'resnet-stem'?"),
    "wrong device to time": (
        ["bench", "pooling", "--device", "gpu"],
        "device must be one of 'cpu'",
    ),
    "wrong dtype to time": (["bench", "pooling", "--dtype", "int8"], "dtype must be one of"),
    "no rounds": (["bench", "pooling", "--rounds", "0"], "rounds must be > 0, got 0"),
    "wrong dtype to warm up": (["warm-up", "--dtypes", "float"], "did you mean 'float64'?"),
    "nothing to bench": (["bench"], "Expected one of {pooling}"),
    "negative steps": (["train", "dates", "--steps", "-3"], "steps must be > 0, got -3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_complaints_are_one_line_and_exit_code_2(huashi, dates_run, case):
    arguments, complaint = WRONG[case]
    arguments = [str(dates_run.folder) if a == "RUN" else a for a in arguments]
    code, out, err = huashi(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("huashi: ")
    assert err.count("\n") == 1
    assert complaint in err
