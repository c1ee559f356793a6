"""The recipe ``dates`` as a user runs it, with several seeds: accuracy by kind of date, and time.

python -m benchmarks.dates --seeds 0 1 2
"""

import argparse
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


if __name__ == "__main__":
    main()
