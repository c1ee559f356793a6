"""Put the tables of README and docs in order: each is made from a file in ``benchmarks/results``.

    python -m benchmarks.tables

A table stands between ``<!-- results: NAME -->`` and ``<!-- end -->``.
"""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    attention_start,
    corpus_memory,
    dates,
    entmax,
    entmax_limits,
    order_statistics,
    pooling,
    pooling_digits,
    pooling_error,
    pooling_model,
    proximal_cost,
    sequences,
    slim,
    state_vector,
    training_parts,
    training_speed,
    translate,
)
from benchmarks.harness import saved, threads
from huashi._files import write_atomically

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """``text`` with every table made anew from its results."""
    return BLOCK.sub(lambda found: found[1] + _table(found[2]) + found[3], text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


TABLES: dict[str, Callable[[list[dict]], list[list[str]]]] = {
    "attention-start": attention_start.table,
    "corpus-memory": corpus_memory.table,
    "dates": dates.table,
    "entmax-cpu": entmax.table,
    "entmax-cuda": entmax.table,
    "entmax-family-cpu": entmax.table,
    "entmax-family-cuda": entmax.table,
    "entmax-limits": entmax_limits.table,
    "order-statistics": order_statistics.table,
    "pooling": pooling.table,
    "pooling-digits": pooling_digits.table,
    "pooling-error": pooling_error.table,
    "pooling-summary": pooling.summary,
    "pooling-model": pooling_model.table,
    "proximal-cost": proximal_cost.table,
    "slim": slim.table,
    "slim-path": slim.path_table,
    "sequences": sequences.table,
    "state-vector": state_vector.table,
    "training-parts": training_parts.table,
    "training-speed": training_speed.table,
    "translate": translate.table,
}
SOURCES = {"pooling": "pooling-cpu", "pooling-summary": "pooling-cpu"}  # where names differ
NOTES = {
    "dates": dates.note,
    "pooling-digits": pooling_digits.note,
    "pooling-error": pooling_error.note,
    "attention-start": attention_start.note,
    "slim-path": slim.path_note,
    "corpus-memory": corpus_memory.note,
    "sequences": sequences.note,
    "translate": translate.note,
    "slim": slim.note,
    "entmax-limits": entmax_limits.note,
}


def _table(name: str) -> str:
    rows = saved(SOURCES.get(name, name))
    if not rows:
        return "Not measured yet.\n"
    head, *body = TABLES[name](rows)
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    one = rows[0]
    note = NOTES.get(name, lambda rows: f"{threads(rows)} of ")(rows)
    return (
        "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        + f"\n\n{note}{one['machine']} with {one['cores']} cores, torch {one['torch']}, "
        + f"Python {one['python']}, {one['date']}.\n"
    )


def main() -> None:
    for page in pages():
        write_atomically(page, filled(page.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
