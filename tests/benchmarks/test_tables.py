"""Every table of README and docs has a script, and every script that keeps results has its table."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.harness import RESULTS

FOLDER = Path(tables.__file__).parent
SCRIPTS = [path.stem for path in FOLDER.glob("*.py") if path.stem not in ("harness", "tables")]
MARKERS = {
    name for page in tables.pages() for _, name, *_ in tables.BLOCK.findall(page.read_text())
}
PEERS = ("entmax", "onnx", "onnxruntime", "torch_pruning", "sklearn", "transformers", "joeynmt")

WITHOUT_PEERS = f"""
import sys
sys.modules.update(dict.fromkeys({PEERS}))  # as if they were not installed
from benchmarks import tables
for page in tables.pages():
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text) == text
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_a_table_or_says_why_not(script):
    module = importlib.import_module(f"benchmarks.{script}")
    found = tables.tables_of(module)
    assert bool(found) != bool(getattr(module, "NO_TABLE", ""))
    for name in found:
        assert tables.script_of(name) is module


@pytest.mark.parametrize("name", sorted(MARKERS))
def test_a_marker_has_a_table(name):
    assert name in tables.tables_of(tables.script_of(name))
    assert "Not measured yet" not in tables.made(name)


def test_results_are_shown():
    shown = {tables.tables_of(tables.script_of(name))[name].results for name in MARKERS}
    assert {path.stem for path in RESULTS.glob("*.jsonl")} == shown


def test_a_marker_without_a_script_is_refused():
    with pytest.raises(ValueError, match="name of a script in benchmarks, got no-such-thing"):
        tables.filled("<!-- results: no-such-thing -->\n<!-- end -->")


def test_a_page_shows_some_rows():
    whole, some = tables.made("pooling"), tables.made("pooling", "spp 13; global avg")
    lines = whole.splitlines()
    shown = [line for line in lines if line.startswith(("| spp 13 |", "| global avg |"))]
    assert some.splitlines() == [*lines[:2], *shown, *lines[-2:]]
    with pytest.raises(ValueError, match=r"rows that a page shows, got none for \{'spp 14'\}"):
        tables.filled("<!-- results: pooling: spp 13; spp 14 -->\n<!-- end -->")


def test_a_benchmark_is_one_file(monkeypatch, tmp_path):
    """A script with ``table`` alone is found by its name; the note below has a default."""
    (tmp_path / "new_thing.py").touch()
    monkeypatch.setattr(tables, "__file__", str(tmp_path / "tables.py"))
    script = type(sys)("benchmarks.new_thing")
    script.table = lambda rows: [["what", "ms"], *([row["what"], "1"] for row in rows)]
    monkeypatch.setitem(sys.modules, "benchmarks.new_thing", script)
    here = {"machine": "M", "cores": 2, "torch": "2", "python": "3", "date": "today", "threads": 2}
    monkeypatch.setattr(tables, "saved", lambda name: [here | {"what": name}])
    assert tables.filled("<!-- results: new-thing -->\nold\n<!-- end -->").splitlines()[1:-1] == [
        "| what | ms |",
        "| --- | --: |",
        "| new-thing | 1 |",
        "",
        "2 threads of M with 2 cores, torch 2, Python 3, today.",
    ]


def test_tables_need_none_of_the_peers():
    subprocess.run([sys.executable, "-c", WITHOUT_PEERS], check=True)
