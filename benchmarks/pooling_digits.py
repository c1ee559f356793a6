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


if __name__ == "__main__":
    main()
