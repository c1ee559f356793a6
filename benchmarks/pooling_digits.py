"""The recipe ``pooling_digits`` as a user runs it, with five seeds: what each kind of pool scores.

python -m benchmarks.pooling_digits --seeds 0 1 2 3 4
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.harness import machine, save
from huashi.recipes import pooling_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    seeds = tuple(parser.parse_args().seeds)
    with tempfile.TemporaryDirectory() as folder:
        config = pooling_digits.Config(folder=Path(folder) / "run", seeds=seeds)
        results = pooling_digits.train(config).results
    examples = {
        "train_examples": config.train_examples,
        "test_examples": pooling_digits.DIGITS - config.train_examples,
    }
    common = examples | {"training_seconds": results["training_seconds"]} | machine("cpu")
    save("pooling-digits", [pair | common for pair in results["pairs"]])


def table(rows: list[dict]) -> list[list[str]]:
    """By kind of pool, means over the seeds and their spread."""
    kinds = pooling_digits.summary(rows)
    return [list(kinds[0]), *([str(cell) for cell in kind.values()] for kind in kinds)]


def note(rows: list[dict]) -> str:
    seeds = len({row["seed"] for row in rows})
    one = rows[0]
    return (
        f"{seeds} seeds, mean ± standard deviation; {one['train_examples']} digits to train on, "
        f"{one['test_examples']:,} for the test. One thread of "
    )


if __name__ == "__main__":
    main()
