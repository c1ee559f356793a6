"""Put the tables of README and docs in order: each is made from a file in ``benchmarks/results``.

    python -m benchmarks.tables

A table stands between ``<!-- results: NAME -->`` and ``<!-- end -->``; with ``NAME: A; B`` it has
only the rows that begin with A or B. It belongs to the script of that name, or to the one whose
name the table's begins with: ``pooling-summary`` to ``pooling``.
There ``table(rows)`` gives its lines, the head first, and ``note(rows)``, where there is one, the
beginning of the sentence below, which goes on with the machine. A script with more than one table,
or results of another name, says so in ``TABLES = {name: (results, table), ...}``, with the note as
a third entry where there is one. A script without a table says why in ``NO_TABLE``.
"""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from benchmarks.harness import saved, threads_of
from huashi._files import write_atomically

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- results: ([\w-]+)(?:: (.+?))? -->\n).*?(<!-- end -->)", re.DOTALL)


def default_note(rows: list[dict]) -> str:
    return f"{threads_of(rows)} of "


class Table(NamedTuple):
    """How a table is made."""

    results: str
    """The name of the file of its rows."""
    lines: Callable[[list[dict]], list[list[str]]]
    note: Callable[[list[dict]], str] = default_note


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """``text`` with every table made anew from its results."""
    return BLOCK.sub(lambda found: found[1] + made(found[2], found[3]) + found[4], text)


def made(name: str, only: str | None = None) -> str:
    """A table and the note below it.

    Args:
        name: of the table.
        only: what the first column has of the rows to show, apart by ``;``.

    Raises:
        ValueError: there is no such table or row.
    """
    table = tables_of(script_of(name))[name]
    rows = saved(table.results)
    if not rows:
        return "Not measured yet.\n"
    head, *body = table.lines(rows)
    if only is not None:
        wanted = only.split("; ")
        missing = set(wanted) - {line[0] for line in body}
        if missing:
            raise ValueError(f"{name} must have the rows that a page shows, got none for {missing}")
        body = [line for line in body if line[0] in wanted]
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    one = rows[0]
    return (
        "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        + f"\n\n{table.note(rows)}{one['machine']} with {one['cores']} cores, "
        + f"torch {one['torch']}, Python {one['python']}, {one['date']}.\n"
    )


def script_of(name: str) -> ModuleType:
    """The script whose name is the longest beginning of a table's.

    Raises:
        ValueError: there is none.
    """
    words = name.split("-")
    for count in range(len(words), 0, -1):
        stem = "_".join(words[:count])
        if (Path(__file__).parent / f"{stem}.py").exists():
            return importlib.import_module(f"benchmarks.{stem}")
    raise ValueError(f"a table must begin with the name of a script in benchmarks, got {name}")


def tables_of(script: ModuleType) -> dict[str, Table]:
    """The tables of a script by name."""
    if hasattr(script, "TABLES"):
        return {name: Table(*parts) for name, parts in script.TABLES.items()}
    if not hasattr(script, "table"):
        return {}
    name = script.__name__.rpartition(".")[2].replace("_", "-")
    return {name: Table(name, script.table, getattr(script, "note", default_note))}


def main() -> None:
    for page in pages():
        write_atomically(page, filled(page.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
