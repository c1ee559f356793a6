"""Put the tables of README and docs in order: each is made from a file in ``benchmarks/results``.

    python -m benchmarks.tables

A table stands between ``<!-- results: NAME -->`` and ``<!-- end -->``.
"""

import json
import re
import statistics
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from benchmarks.harness import RESULTS
from huashi._files import write_atomically

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """``text`` with every table made anew from its results."""
    return BLOCK.sub(lambda found: found[1] + _table(found[2]) + found[3], text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def dates(rows: list[dict]) -> list[list[str]]:
    """Exact match, its mean over the seeds and the worst of them."""
    table = [["dates", "examples", "exact match, %", "worst seed"]]
    by_kind = {}
    for row in rows:
        by_kind.setdefault(row["dates"], []).append(row)
    for kind, same in by_kind.items():
        scores = [row["exact match, %"] for row in same]
        examples = [row["examples"] for row in same]
        shown = (
            f"{min(examples)}" if len(set(examples)) == 1 else f"{min(examples)}-{max(examples)}"
        )
        table.append([kind, shown, f"{statistics.mean(scores):.2f}", f"{min(scores):.2f}"])
    return table


def dates_note(rows: list[dict]) -> str:
    seconds = sorted({row["training_seconds"] for row in rows})
    seeds = len({row["seed"] for row in rows})
    return (
        f"{rows[0]['parameters']:,} parameters, {seeds} seeds, trained in "
        f"{seconds[0]:.0f} to {seconds[-1]:.0f} s on one thread of "
    )


def attention_start(rows: list[dict]) -> list[list[str]]:
    """Exact match of each seed, a row for each score and start."""
    seeds = sorted({row["seed"] for row in rows})
    table = [["score", "start", *(f"seed {seed}, %" for seed in seeds)]]
    ways = dict.fromkeys((row["score"], row["start"]) for row in rows)
    for way in ways:
        same = {row["seed"]: row for row in rows if (row["score"], row["start"]) == way}
        table.append([*way, *(f"{same[seed]['exact match, %']:.1f}" for seed in seeds)])
    return table


def times(rows: list[dict]) -> list[list[str]]:
    """Microseconds of each contender, and how many times as fast as the peer ours is."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    table = [["case", "shape", "pass", *(f"{n}, µs" for n in names), "times entmax", "GB/s (copy)"]]
    for _, group in groupby(rows, key=lambda row: (row["case"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        table.append(
            [
                ours["case"].replace("_", " "),
                " × ".join(map(str, ours["shape"])),
                {"both": "forward + backward"}.get(ours["pass"], "forward"),
                *(f"{by_name[name]['median_us']:,.0f}" for name in names),
                f"**{ours['times_peer']:.1f}**",
                f"{ours['gb_per_s']:.1f} ({ours['copy_gb_per_s']:.1f})",
            ]
        )
    return table


def limits(rows: list[dict]) -> list[list[str]]:
    """Nanoseconds an entry and GB/s, by number of threads."""
    threads = sorted({row["threads"] for row in rows})
    table = [
        [
            "2048 × 32000, float32",
            *(f"{n} thread{'s' * (n > 1)}, ns an entry (GB/s)" for n in threads),
        ]
    ]
    for what in dict.fromkeys(row["what"] for row in rows):
        same = {row["threads"]: row for row in rows if row["what"] == what}
        table.append(
            [what, *(f"{same[n]['ns_per_entry']:.2f} ({same[n]['gb_per_s']:.1f})" for n in threads)]
        )
    return table


TABLES: dict[str, Callable[[list[dict]], list[list[str]]]] = {
    "attention-start": attention_start,
    "dates": dates,
    "entmax-cpu": times,
    "entmax-cuda": times,
    "entmax-limits": limits,
}
NOTES = {
    "dates": dates_note,
    "attention-start": lambda rows: "One thread of ",
    "entmax-limits": lambda rows: "",
}


def _table(name: str) -> str:
    rows = [json.loads(line) for line in (RESULTS / f"{name}.jsonl").read_text().splitlines()]
    head, *body = TABLES[name](rows)
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    one = rows[0]
    note = NOTES.get(name, lambda rows: f"{one['threads']} threads of ")(rows)
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
