"""How soon a recurrent model finds its source: by score of the attention and start of the weights.

    python -m benchmarks.attention_start

The date normaliser on three locales, 800 steps, exact match on unseen dates. ``dot`` and
``scaled_dot`` are scores; ``torch`` is the start that torch gives recurrent weights, ``orthogonal``
the one that Huashi does.
"""

import argparse
import tempfile
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from benchmarks.harness import machine, save
from huashi.recipes import dates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3])
    rows = []
    for seed in parser.parse_args().seeds:
        for score, start in (
            ("scaled_dot", "orthogonal"),
            ("dot", "orthogonal"),
            ("scaled_dot", "torch"),
        ):
            as_torch = patch("huashi.seq2seq.models.rnn._initialise", lambda recurrence: None)
            with (
                tempfile.TemporaryDirectory() as folder,
                as_torch if start == "torch" else nullcontext(),
            ):
                config = dates.Config(
                    folder=Path(folder) / "run",
                    seed=seed,
                    score=score,
                    locales=("de", "en-US", "es"),
                    held_out=(),
                    examples=6000,
                    test_examples=400,
                    embedding_size=32,
                    hidden_size=128,
                    lr=8e-3,
                    batch_tokens=500,
                    steps=800,
                )
                exact = dates.train(config).results["splits"][0]["exact match, %"]
            row = {"score": score, "start": start, "seed": seed, "exact match, %": exact}
            print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
            rows.append(row | machine("cpu"))
    save("attention-start", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Exact match of each seed, a row for each score and start."""
    seeds = sorted({row["seed"] for row in rows})
    lines = [["score", "start", *(f"seed {seed}, %" for seed in seeds)]]
    ways = dict.fromkeys((row["score"], row["start"]) for row in rows)
    for way in ways:
        same = {row["seed"]: row for row in rows if (row["score"], row["start"]) == way}
        lines.append([*way, *(f"{same[seed]['exact match, %']:.1f}" for seed in seeds)])
    return lines


def note(rows: list[dict]) -> str:
    return "One thread of "


if __name__ == "__main__":
    main()
