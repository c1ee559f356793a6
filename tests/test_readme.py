"""What README and docs say: the commands run, the examples give what they show, the tables are true."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tables import filled, pages

ROOT = Path(__file__).parent.parent
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^[^\n]*`([\w.]+\.py)`[^`]*^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
HUASHI = re.compile(r"(?:(?P<typed>.*) \| )?huashi (?P<arguments>[^|>]*)")
OTHERS = re.compile(r"FOLDER|runs/(?!dates\b)")  # what only a reader has
PAGES = {page.relative_to(ROOT).as_posix(): page for page in pages()}


@pytest.fixture
def with_run(dates_run, tmp_path, monkeypatch):
    """A folder in which ``runs/dates`` is a small finished run."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "dates").symlink_to(dates_run.folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(page):
    """Each ``$ command`` of a page with the lines shown under it."""
    for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = piece.partition("\n")
            yield command.split("  #")[0].strip(), shown


@pytest.mark.parametrize("page", PAGES)
def test_commands_run_and_print_what_is_shown(page, with_run, huashi):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def by_shell(command):
        result = subprocess.run(
            command, shell=True, cwd=with_run, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        return result.stdout

    for name, content in FILE.findall(PAGES[page].read_text(encoding="utf-8")):
        (with_run / name).write_text(content, encoding="utf-8")
    for command, shown in commands(PAGES[page]):
        words = shlex.split(command)
        if words[0] == "make":
            by_shell(f"make -C {shlex.quote(str(ROOT))} --dry-run {shlex.join(words[1:])}")
            continue
        if words[:2] == ["huashi", "train"] or OTHERS.search(command):
            command += " --help"  # trainings are tested elsewhere; here, that the fields exist
        elif words[0] in ("git", "cd", "pip", "python", "torchrun"):
            continue
        if last := HUASHI.fullmatch(command):  # here, without the seconds of a process
            typed = by_shell(last["typed"]) if last["typed"] else ""
            code, out, err = huashi(*shlex.split(last["arguments"]), stdin=typed)
            assert code == 0, f"{command}\n{err}"
        else:
            out = by_shell(command)
        if shown.strip():
            assert out == shown, command


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_give_what_they_show(page, with_run):
    result = doctest.testfile(
        str(PAGES[page]),
        module_relative=False,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert result.failed == 0


def test_the_readme_has_both():
    assert len(list(commands(ROOT / "README.md"))) >= 4
    assert (ROOT / "README.md").read_text(encoding="utf-8").count(">>> ") >= 5


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_made_from_results(page):
    """``python -m benchmarks.tables`` puts them in order."""
    text = PAGES[page].read_text(encoding="utf-8")
    assert filled(text) == text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = PAGES[page].read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[\w-]*)?\)", text):
        assert (PAGES[page].parent / target).exists(), target
