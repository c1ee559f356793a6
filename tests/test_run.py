"""The life of a run as a process: interrupted, killed, gone on with, complete."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from huashi.__main__ import main

COMMAND = [
    sys.executable, "-m", "huashi", "train", "dates", "--locales", "de", "en-US", "--held-out", "gl",
    "--examples", "600", "--test-examples", "40", "--embedding-size", "8", "--hidden-size", "16",
    "--dropout", "0.3", "--steps", "60", "--batch-tokens", "400", "--validate-every", "20",
    "--save-every", "10",
]  # fmt: skip
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def train(folder):
    """Here, without the seconds that a process takes to begin."""
    threads = torch.get_num_threads()
    main([*COMMAND[3:], "--folder", str(folder)])
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    train(folder)
    return folder


def stop_half_way(folder, number):
    """Train, send a signal after the second checkpoint that is new; return the exit code."""
    with subprocess.Popen(
        [*COMMAND, "--folder", folder],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        checkpoint, seen = folder / "checkpoint.safetensors", 0
        last = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        while seen < 2:
            assert process.poll() is None, process.stderr.read()
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != last:
                seen, last = seen + 1, checkpoint.stat().st_mtime_ns
            time.sleep(0.001)
        process.send_signal(number)
        _, stderr = process.communicate()
    assert not (folder / "results.json").exists()
    return process.returncode, stderr.decode()


def without_seconds(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def assert_same_run(folder, wanted):
    for name in ("checkpoint.safetensors", "model.safetensors", "tokenizer.json"):
        assert (folder / name).read_bytes() == (wanted / name).read_bytes(), name
    assert without_seconds(folder) == without_seconds(wanted)
    results = [json.loads((f / "results.json").read_text()) for f in (folder, wanted)]
    assert results[0]["splits"] == results[1]["splits"]


def test_interrupted_by_ctrl_c_and_then_killed_it_goes_on_bit_for_bit(tmp_path, undisturbed):
    folder = tmp_path / "run"
    code, stderr = stop_half_way(folder, signal.SIGINT)
    assert code == 130
    assert "saved at step" in stderr
    assert "Stopped; to go on: huashi train dates --locales de en-US" in stderr
    assert "Traceback" not in stderr
    code, _ = stop_half_way(folder, signal.SIGKILL)
    assert code == -signal.SIGKILL
    train(folder)
    assert_same_run(folder, undisturbed)


def test_a_finished_run_is_not_trained_again(undisturbed, capsys):
    before = (undisturbed / "checkpoint.safetensors").stat().st_mtime_ns
    train(undisturbed)
    assert "report: " in capsys.readouterr().out
    assert (undisturbed / "checkpoint.safetensors").stat().st_mtime_ns == before
