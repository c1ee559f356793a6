"""Put the tables of README and docs in order: each is made from a file in ``benchmarks/results``.

    python -m benchmarks.tables

A table stands between ``<!-- results: NAME -->`` and ``<!-- end -->``.
"""

import re
import statistics
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from benchmarks.harness import saved
from huashi._files import write_atomically
from huashi.recipes.pooling_digits import summary

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
    for _, group in groupby(rows, key=lambda row: (row["case"], row["shape"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        table.append(
            [
                ours["case"].replace("_", " "),
                " × ".join(map(str, ours["shape"])),
                {"both": "forward + backward"}.get(ours["pass"], "forward"),
                *(
                    f"{by_name[name]['median_us']:,.0f}" if name in by_name else "–"
                    for name in names
                ),
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


def pooling(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each contender in contiguous float32, and how many times as fast ours is."""
    rows = [row for row in rows if (row.get("layout"), row.get("dtype")) == PLAIN]
    names = list(dict.fromkeys(row["contender"] for row in rows))
    names.sort(key="huashi".__eq__)  # ours last
    head = "case", "pool", "shape", *(f"{name}, ms" for name in names)
    table = [[*head, "times eager", "forward + backward, times eager"]]
    for case in dict.fromkeys(row["case"] for row in rows):
        of_case = [row for row in rows if row["case"] == case]
        runs = {(row["pass"], row["contender"]): row for row in of_case}
        ours, both = (runs.get((passes, "huashi")) for passes in ("inference", "forward+backward"))
        forward = [runs.get(("inference", name)) for name in names]
        table.append(
            [
                case.replace("-", " "),
                f"`{of_case[0]['pool']}`",
                " × ".join(map(str, of_case[0]["shape"])),
                *(f"{row['median_us'] / 1e3:,.2f}" if row else "–" for row in forward),
                *(f"**{_times(row['times_peer'])}**" if row else "–" for row in (ours, both)),
            ]
        )
    return table


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"  # a loss is not rounded away


def pooling_summary(rows: list[dict]) -> list[list[str]]:
    """Geometric means over the cases, for each pass, layout and dtype."""
    rows = [row for row in rows if "pass" in row]
    table = [
        [
            "pass, layout, dtype",
            "cases",
            "times eager",
            "slower than eager",
            "least, times eager",
            "times compiled",
            "share of copy bandwidth",
            "kept for backward, eager / huashi",
        ]
    ]
    kinds = dict.fromkeys((row["pass"], row["layout"], row["dtype"]) for row in rows)
    for kind in sorted(kinds, key=lambda kind: (kind[0] != "inference", kind[2] != "float32")):
        same = [row for row in rows if (row["pass"], row["layout"], row["dtype"]) == kind]
        by_name = {
            name: {row["case"]: row for row in same if row["contender"] == name}
            for name in ("eager", "compiled", "huashi")
        }
        ours, eager, compiled = (by_name[name] for name in ("huashi", "eager", "compiled"))
        times = [row["times_peer"] for row in ours.values()]
        against = [
            compiled[case]["median_us"] / ours[case]["median_us"]
            for case in ours
            if case in compiled
        ]
        share = [row["gb_per_s"] / row["copy_gb_per_s"] for row in ours.values()]
        kept = [
            eager[case]["kept_bytes"] / ours[case]["kept_bytes"]
            for case in ours
            if ours[case].get("kept_bytes") and eager[case].get("kept_bytes")
        ]
        table.append(
            [
                f"{kind[0].replace('+', ' + ')}, {kind[1].replace('_', ' ')}, {kind[2]}",
                str(len(ours)),
                f"**{statistics.geometric_mean(times):.2f}**",
                str(sum(time < 1 for time in times)),
                f"{min(times):.2f}",
                f"{statistics.geometric_mean(against):.2f}" if against else "–",
                f"{statistics.geometric_mean(share):.0%}",
                f"{statistics.geometric_mean(kept):.1f}" if kept else "–",
            ]
        )
    return table


def pooling_model(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of a whole model with torch's pools and with ours."""
    table = [["model", "layout", "pass", "torch, ms", "accelerated, ms", "times torch"]]
    for _, group in groupby(rows, key=lambda row: (row["model"], row["layout"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["accelerated"]
        table.append(
            [
                ours["model"],
                ours["layout"].replace("_", " "),
                ours["pass"].replace("+", " + "),
                *(f"{by_name[name]['median_us'] / 1e3:,.1f}" for name in ("torch", "accelerated")),
                f"**{ours['times_peer']:.2f}**",
            ]
        )
    return table


def pooling_digits(rows: list[dict]) -> list[list[str]]:
    """By kind of pool, means over the seeds and their spread."""
    kinds = summary(rows)
    return [list(kinds[0]), *([str(cell) for cell in kind.values()] for kind in kinds)]


def pooling_digits_note(rows: list[dict]) -> str:
    seeds = len({row["seed"] for row in rows})
    one = rows[0]
    return (
        f"{seeds} seeds, mean ± standard deviation; {one['train_examples']} digits to train on, "
        f"{one['test_examples']:,} for the test. One thread of "
    )


def pooling_error(rows: list[dict]) -> list[list[str]]:
    """What pools make of errors of one size, in three windows."""
    windows = 2, 8, 32
    sides = " / ".join(map(str, windows))
    head = f"windows of {sides} pixels", "filters", "mean", "max", "stochastic, expected"
    table = [[*head, "maps of 16 with mean below max"]]
    found = {
        (row["error"], row["measure"], row["filters"], row["pool"], row["window"]): row
        for row in rows
        if row["size"] in (0.0, 0.05)
    }
    for error, measure in (
        ("", "neighbourhood"),
        *(("pixels", measure) for measure in ("scatter", "shift")),
        *(
            (error, measure)
            for error in ("weights", "bias")
            for measure in ("shift", "absolute shift")
        ),
        ("", "level"),
    ):
        for filters in ("oriented", "random"):
            cells = {
                pool: [found[error, measure, filters, pool, window] for window in windows]
                for pool in head[2:]
            }
            table.append(
                [
                    f"error of {error}: {measure}" if error else f"no error: {measure}",
                    filters,
                    *(" / ".join(f"{row['median']:.3f}" for row in c) for c in cells.values()),
                    " / ".join(str(row["below max"]) for row in cells["mean"]),
                ]
            )
    return table


def proximal_cost(rows: list[dict]) -> list[list[str]]:
    """What the proximal step adds to a training step, in milliseconds and as a share."""
    table = [
        [
            "groups and penalty",
            "zero groups",
            "forward + backward, ms",
            "AdamW, ms",
            "proximal step, ms",
            "share of the training step",
            "copy of its bytes, ms",
        ]
    ]
    return table + [
        [
            row["case"],
            f"{row['zero']:,} of {row['groups']:,}",
            f"{row['forward_backward_ms']:.0f}",
            f"{row['adamw_ms']:.1f}",
            f"{row['proximal_ms']:.1f}",
            f"**{row['share']:.1%}**",
            f"{row['limit_ms']:.1f}",
        ]
        for row in rows
    ]


def slim(rows: list[dict]) -> list[list[str]]:
    """By task and contender, means over the seeds ± the standard deviation of a seed."""
    table = [
        [
            "task, contender",
            "seeds",
            "test accuracy, %",
            "points lost",
            "parameters",
            "fewer FLOPs, %",
            "times as fast, batch 1",
            "times as fast, batch 64",
        ]
    ]
    for name in dict.fromkeys((row["task"], row["contender"]) for row in rows):
        same = [row for row in rows if (row["task"], row["contender"]) == name]

        def spread(key: str, digits: int = 2, same: list[dict] = same) -> str:
            values = [row[key] for row in same]
            shown = f"{statistics.mean(values):,.{digits}f}"
            if len(values) == 1:
                return shown
            return f"{shown} ± {statistics.stdev(values):,.{digits}f}"

        cells = spread("test"), spread("lost"), spread("parameters", 0), spread("fewer_flops", 1)
        fast = spread("times_dense_1"), spread("times_dense_64")
        table.append([", ".join(name), str(len(same)), *cells, *fast])
    return table


def order_statistics(rows: list[dict]) -> list[list[str]]:
    """Milliseconds of each contender."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    table = [["pool", "shape", "pass", *(f"{name}, ms" for name in names), "times unfold"]]
    for _, group in groupby(rows, key=lambda row: (row["case"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        table.append(
            [
                ours["case"],
                " × ".join(map(str, ours["shape"])),
                ours["pass"].replace("+", " + "),
                *(f"{by_name[name]['median_us'] / 1e3:,.1f}" for name in names),
                f"**{_times(ours['times_peer'])}**",
            ]
        )
    return table


def slim_path(rows: list[dict]) -> list[list[str]]:
    """By strength of the penalty: what a small network scores, and how fast it is."""
    names = [
        "strength",
        "test, %",
        "zero groups",
        "parameters",
        "fewer FLOPs, %",
        "times as fast, batch 1",
        "times as fast, batch 64",
    ]
    cells = [
        [f"{row[name]:,}" if name == "parameters" else row[name] for name in names] for row in rows
    ]
    return [names, *([str(cell) for cell in row] for row in cells)]


def training_parts(rows: list[dict]) -> list[list[str]]:
    """Microseconds of each contender beside what has to be computed and moved."""
    names = [name for name in dict.fromkeys(row["contender"] for row in rows) if name != "huashi"]
    names.append("huashi")
    head = ["forward + backward", "shape", *(f"{name}, µs" for name in names)]
    table = [[*head, "times torch", "GFLOP/s (product)", "GB/s (copy)"]]
    for _, group in groupby(rows, key=lambda row: row["case"]):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        times = [by_name.get(name, {"median_us": None})["median_us"] for name in names]
        rate = ours["mflop"] * 1e3 / ours["median_us"]
        table.append(
            [
                ours["case"],
                " × ".join(map(str, ours["shape"])),
                *("–" if time is None else f"{time:,.0f}" for time in times),
                f"**{ours['times_peer']:.1f}**",
                f"{rate:.1f} ({ours['product_gflop_per_s']:.0f})",
                f"{ours['gb_per_s']:.1f} ({ours['copy_gb_per_s']:.1f})",
            ]
        )
    return table


def translate(rows: list[dict]) -> list[list[str]]:
    """What each model scores within its minutes, the best first."""
    head = ["model", "parameters", "minutes", "steps", "BLEU", "chrF", "exact match, %"]
    return [head] + [
        [
            row["model"],
            f"{row['parameters']:,}",
            f"{row['minutes']:g}",
            f"{row['steps']:,}",
            f"**{row['BLEU']:.1f}**",
            f"{row['chrF']:.1f}",
            f"{row['exact match, %']:.1f}",
        ]
        for row in sorted(rows, key=lambda row: -row["BLEU"])
    ]


def translate_note(rows: list[dict]) -> str:
    return f"Signature `{rows[0]['BLEU signature']}`. {_threads(rows)} for each, of "


def sequences(rows: list[dict]) -> list[list[str]]:
    """What each recipe scores, as it is."""
    head = ["recipe", "model", "parameters", "minutes", "steps", "test"]
    return [head] + [
        [
            f"`{row['recipe']}`",
            row["model"],
            f"{row['parameters']:,}",
            f"{row['minutes']:g}",
            f"{row['steps']:,}",
            f"{row['measure']} **{row['score']:.2f}**",
        ]
        for row in rows
    ]


def training_speed(rows: list[dict]) -> list[list[str]]:
    """Target tokens a second by size of the batch, and how many times each peer ours is."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    peers = [name for name in names if not name.startswith("huashi")]
    head = ["batch, positions", "dropout", *(f"{name}, tokens/s" for name in names)]
    table = [head + [f"times {peer}" for peer in peers]]
    for case in dict.fromkeys((row["batch_tokens"], row["dropout"]) for row in rows):
        same = {
            row["contender"]: row for row in rows if (row["batch_tokens"], row["dropout"]) == case
        }
        rates = [f"{same[name]['tokens_per_s']:,}" for name in names]
        ratios = [f"**{same['huashi'][f'times_{peer}']:.2f}**" for peer in peers]
        table.append([f"{case[0]:,}", f"{case[1]:g}", *rates, *ratios])
    return table


def corpus_memory(rows: list[dict]) -> list[list[str]]:
    """Greatest memory after each phase, with its seconds."""
    phases = [name for name, value in rows[0].items() if isinstance(value, dict)]
    table = [["corpus, MB", "pairs", *(f"{name}: peak MiB (s)" for name in phases)]]
    for row in rows:
        cells = [f"{row[name]['peak_mib']:,} ({row[name]['seconds']:,.0f})" for name in phases]
        table.append([f"{row['megabytes']:,}", f"{row['pairs']:,}", *cells])
    return table


def state_vector(rows: list[dict]) -> list[list[str]]:
    """By length, what each model scores in each task."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    table = [["task, words", *models]]
    for task in dict.fromkeys(row["task"] for row in rows):
        same = [row for row in rows if row["task"] == task]
        measure = "right, %" if task == "copy" else "BLEU"
        for words in dict.fromkeys(row["words"] for row in same):
            found = {row["model"]: row[measure] for row in same if row["words"] == words}
            cells = [f"{found[model]:.1f}" if model in found else "–" for model in models]
            table.append([f"{task} ({measure}), {words:g}", *cells])
    return table


PLAIN = "contiguous", "float32"
TABLES: dict[str, Callable[[list[dict]], list[list[str]]]] = {
    "attention-start": attention_start,
    "corpus-memory": corpus_memory,
    "dates": dates,
    "entmax-cpu": times,
    "entmax-cuda": times,
    "entmax-family-cpu": times,
    "entmax-family-cuda": times,
    "entmax-limits": limits,
    "order-statistics": order_statistics,
    "pooling": pooling,
    "pooling-digits": pooling_digits,
    "pooling-error": pooling_error,
    "pooling-summary": pooling_summary,
    "pooling-model": pooling_model,
    "proximal-cost": proximal_cost,
    "slim": slim,
    "slim-path": slim_path,
    "sequences": sequences,
    "state-vector": state_vector,
    "training-parts": training_parts,
    "training-speed": training_speed,
    "translate": translate,
}
SOURCES = {"pooling": "pooling-cpu", "pooling-summary": "pooling-cpu"}  # where names differ
NOTES = {
    "dates": dates_note,
    "pooling-digits": pooling_digits_note,
    "pooling-error": lambda rows: "Medians of 16 maps, errors of size 0.05. One thread of ",
    "attention-start": lambda rows: "One thread of ",
    "slim-path": lambda rows: "One thread of ",
    "corpus-memory": lambda rows: "One thread of ",
    "sequences": lambda rows: f"{_threads(rows)} for each, of ",
    "translate": translate_note,
    "slim": lambda rows: "One thread, all contenders of a seed interleaved; of ",
    "entmax-limits": lambda rows: "",
}


def _threads(rows: list[dict]) -> str:
    return "One thread" if rows[0]["threads"] == 1 else f"{rows[0]['threads']} threads"


def _table(name: str) -> str:
    rows = saved(SOURCES.get(name, name))
    if not rows:
        return "Not measured yet.\n"
    head, *body = TABLES[name](rows)
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    one = rows[0]
    note = NOTES.get(name, lambda rows: f"{_threads(rows)} of ")(rows)
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
