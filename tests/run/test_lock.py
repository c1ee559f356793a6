"""One process at a time trains into a run folder."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from huashi.run import Run

START = """
import os, sys, time
from tests.run.test_lock import Config
from huashi.run import Run
run = Run.start(sys.argv[1], "toy", Config(), {})
print(os.getpid(), flush=True)
time.sleep(60)
"""


@dataclass(frozen=True)
class Config:
    steps: int = 3


@pytest.fixture
def other(tmp_path):
    """Another process that has begun a run in ``tmp_path / "run"``."""
    command = [sys.executable, "-c", START, tmp_path / "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert int(process.stdout.readline()) == process.pid
        yield process
        process.kill()


def start(folder):
    return Run.start(folder, "toy", Config(), {})


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path, other):
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=rf"run must be .* in use by process {other.pid} on \S+"):
        start(folder)
    assert Run(folder).config == {"steps": 3}  # reading is not refused
    other.kill()  # which leaves its file behind
    other.wait()
    run = start(folder)
    run.complete({"score": 1})
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "results.json"]


def test_a_copy_by_hard_links_is_refused_with_the_reason(tmp_path, other):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "lock"):
        os.link(tmp_path / "run" / name, copy / name)
    with pytest.raises(ValueError, match="its lock is a hard link to that of another folder"):
        start(copy)


def test_a_process_may_start_again_what_it_has_begun(tmp_path):
    first = start(tmp_path)
    second = start(tmp_path)
    assert (tmp_path / "lock").exists()
    second.complete({})
    assert not (tmp_path / "lock").exists()
    del first


def test_it_may_also_move_it(tmp_path):
    first = start(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert start(tmp_path / "there").config == first.config


def test_a_run_that_nobody_holds_any_more_is_free(tmp_path):
    run = start(tmp_path)
    assert (tmp_path / "lock").exists()
    del run
    assert not (tmp_path / "lock").exists()


def test_a_folder_with_nothing_but_a_lock_is_a_new_one(tmp_path):
    (tmp_path / "lock").write_text("process 1 on elsewhere")
    start(tmp_path)


def test_a_finished_run_is_not_locked(tmp_path, other):
    folder = tmp_path / "run"
    (folder / "results.json").write_text("{}")
    assert start(folder).results == {}


def test_a_lock_of_another_in_the_place_of_a_moved_folder_stays(tmp_path):
    first = start(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "there")
    second = start(tmp_path / "run")
    del first
    assert (tmp_path / "run" / "lock").exists()
    del second
    assert not (tmp_path / "run" / "lock").exists()


def test_a_system_without_locks_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("huashi.run.lock.fcntl", None)
    with pytest.warns(UserWarning, match="cannot be locked: this system has no locks of files"):
        assert start(tmp_path).config == {"steps": 3}
