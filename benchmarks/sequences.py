"""The recipes ``scan`` and ``lm`` as they are: what they score, in how many minutes.

    python -m benchmarks.sequences --recipes scan lm --threads 1

SCAN's simple split by exact match; the last twentieth of the plays of tinyshakespeare by bits per
character. Run folders stay in benchmarks/scratch: the same command goes on with what was
interrupted, and leaves alone what is complete.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import machine, save, saved, threads_of
from huashi.recipes import lm, scan
from huashi.run import Run
from huashi.seq2seq import LanguageModel, Translator

DATA = Path(__file__).parents[1] / "../shared/data"
SCRATCH = Path(__file__).parent / "scratch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", choices=RECIPES, nargs="*", default=list(RECIPES))
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    for name in args.recipes:
        train, config, measure = RECIPES[name]()
        settings = {"precision": args.precision, "threads": args.threads}
        training = replace(config.training, **settings)
        run = train(replace(config, folder=SCRATCH / name, training=training))
        row = measured(run, measure) | machine("cpu") | settings
        save("sequences", [*(old for old in saved("sequences") if old["recipe"] != name), row])


def scan_simple() -> tuple[Callable[..., Run], Any, str]:
    train, test = (DATA / f"scan/tasks_{part}_simple.txt.gz" for part in ("train", "test"))
    return scan.train, scan.Config(train=train, test=test), "exact match, %"


def shakespeare() -> tuple[Callable[..., Run], Any, str]:
    config = lm.Config(text=(DATA / "tinyshakespeare/input.txt.gz",))
    return lm.train, config, "bits per character"


RECIPES = {"scan": scan_simple, "lm": shakespeare}


def measured(run: Run, measure: str) -> dict:
    """The score of the test, and the validations that led there."""
    validations = [row for row in run.metrics() if row["split"] == "validation"]
    [score] = (row["value"] for row in run.results["scores"] if row["measure"] == measure)
    loaded = LanguageModel.load(run) if run.recipe == "lm" else Translator.load(run)
    row = {
        "recipe": run.recipe,
        "model": run.config["model"],
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "steps": validations[-1]["step"],
        "minutes": round(validations[-1]["seconds"] / 60, 1),
        "measure": measure,
        "score": score,
    }
    print(row, flush=True)
    return row | {"curve": [[one["step"], one[measure]] for one in validations]}


def table(rows: list[dict]) -> list[list[str]]:
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


def note(rows: list[dict]) -> str:
    return f"{threads_of(rows)} for each, of "


if __name__ == "__main__":
    main()
