"""The recipe ``translate`` on Multi30k, English to German, within minutes on this machine.

    python -m benchmarks.translate --models transformer convs2s --minutes 40

A model at a time, so that each has the whole machine. Its run folder stays in benchmarks/scratch:
the same command goes on with one that was interrupted, and leaves alone one that is complete.
"""

import argparse
import os
from pathlib import Path

from benchmarks.harness import machine, save, saved
from huashi.recipes import translate
from huashi.seq2seq import Translator
from huashi.seq2seq.training import Training

DATA = Path(__file__).parents[1] / "../shared/data/multi30k"
SCRATCH = Path(__file__).parent / "scratch"
MODELS = "rnn", "transformer", "convs2s", "slicenet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    for model in args.models:
        rows = [row for row in saved("translate") if row["model"] != model]
        save("translate", [*rows, measured(model, args)])


def measured(model: str, args: argparse.Namespace) -> dict:
    """What one model scores, and how it came there."""
    files = {
        f"{part}{side}": (args.data / f"{name}.{language}.gz",)
        for part, name in (("", "train"), ("validation_", "val"), ("test_", "test_2016_flickr"))
        for side, language in (("source", "en"), ("target", "de"))
    }
    run = translate.train(
        translate.Config(
            **files,
            model=model,
            folder=SCRATCH / f"translate-{model}",
            training=Training(
                steps=1_000_000,
                minutes=args.minutes,
                batch_tokens=2000,
                warmup=400,
                validate_every=1000,
                average=5,
                threads=args.threads,
            ),
        )
    )
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    validations = [row for row in run.metrics() if row["split"] == "validation"]
    row = {
        "model": model,
        "parameters": sum(p.numel() for p in Translator.load(run).model.parameters()),
        "minutes": args.minutes,
        "steps": validations[-1]["step"],
        **{name: scores[name] for name in ("BLEU", "chrF", "exact match, %", "BLEU signature")},
        "curve": [[row["seconds"], row["step"], row["loss"], row["BLEU"]] for row in validations],
        "lengths": run.results["lengths"],
    }
    print({name: value for name, value in row.items() if name not in ("curve", "lengths")})
    return row | machine("cpu") | {"threads": args.threads}


if __name__ == "__main__":
    main()
