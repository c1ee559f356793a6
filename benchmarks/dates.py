"""The recipe ``dates`` as a user runs it, with several seeds: accuracy by kind of date, and time.

python -m benchmarks.dates --seeds 0 1 2
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.harness import machine, save
from huashi.recipes import dates
from huashi.seq2seq import Translator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    rows = []
    for seed in parser.parse_args().seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = dates.train(dates.Config(folder=Path(folder) / "dates", seed=seed))
            model, results = Translator.load(run).model, run.results
        common = {
            "seed": seed,
            "parameters": sum(p.numel() for p in model.parameters()),
            "training_seconds": results["training_seconds"],
        }
        for split in results["splits"]:
            rows.append(common | split | machine("cpu"))
            print(
                "  ".join(f"{key}={value}" for key, value in (common | split).items()), flush=True
            )
        save("dates", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Exact match, its mean over the seeds and the worst of them."""
    lines = [["dates", "examples", "exact match, %", "worst seed"]]
    by_kind = {}
    for row in rows:
        by_kind.setdefault(row["dates"], []).append(row)
    for kind, same in by_kind.items():
        scores = [row["exact match, %"] for row in same]
        examples = [row["examples"] for row in same]
        shown = (
            f"{min(examples)}" if len(set(examples)) == 1 else f"{min(examples)}-{max(examples)}"
        )
        lines.append([kind, shown, f"{statistics.mean(scores):.2f}", f"{min(scores):.2f}"])
    return lines


def note(rows: list[dict]) -> str:
    seconds = sorted({row["training_seconds"] for row in rows})
    seeds = len({row["seed"] for row in rows})
    return (
        f"{rows[0]['parameters']:,} parameters, {seeds} seeds, trained in "
        f"{seconds[0]:.0f} to {seconds[-1]:.0f} s on one thread of "
    )


if __name__ == "__main__":
    main()
