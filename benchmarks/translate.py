"""The recipe ``translate`` as it is on Multi30k, English to German, within minutes.

    python -m benchmarks.translate --models transformer convs2s --minutes 45 --threads 1

A model after the other; two commands can train two of them side by side, a thread each. The run
folders stay in benchmarks/scratch: the same command goes on with one that was interrupted, and
leaves alone one that is complete. Products of matrices are in bfloat16, weights and all else in
float32.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import machine, save, saved, threads_of
from huashi.recipes import translate
from huashi.seq2seq import Translator

DATA = Path(__file__).parents[1] / "../shared/data/multi30k"
SCRATCH = Path(__file__).parent / "scratch"
MODELS = "rnn", "transformer", "convs2s", "slicenet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--steps", type=int, help="in which the rate falls to zero")
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    for model in args.models:
        row = measured(model, args)
        save("translate", [*(old for old in saved("translate") if old["model"] != model), row])


def measured(model: str, args: argparse.Namespace) -> dict:
    """What one model scores, and how it came there."""
    files = {
        f"{part}{side}": (args.data / f"{name}.{language}.gz",)
        for part, name in (("", "train"), ("validation_", "val"), ("test_", "test_2016_flickr"))
        for side, language in (("source", "en"), ("target", "de"))
    }
    config = translate.Config(**files, model=model, folder=SCRATCH / f"translate-{model}")
    training = replace(
        config.training,
        steps=args.steps or config.training.steps,
        minutes=args.minutes,
        precision=args.precision,
        threads=args.threads,
    )
    run = translate.train(replace(config, training=training))
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    validations = [row for row in run.metrics() if row["split"] == "validation"]
    row = {
        "model": model,
        "parameters": sum(p.numel() for p in Translator.load(run).model.parameters()),
        "steps": validations[-1]["step"],
        "minutes": round(validations[-1]["seconds"] / 60, 1),
        **{name: scores[name] for name in ("BLEU", "chrF", "exact match, %", "BLEU signature")},
        "curve": [[row["seconds"], row["step"], row["loss"], row["BLEU"]] for row in validations],
        "lengths": run.results["lengths"],
    }
    print({name: value for name, value in row.items() if name not in ("curve", "lengths")})
    return row | machine("cpu") | {"threads": args.threads, "precision": args.precision}


def table(rows: list[dict]) -> list[list[str]]:
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


def note(rows: list[dict]) -> str:
    return f"Signature `{rows[0]['BLEU signature']}`. {threads_of(rows)} for each, of "


if __name__ == "__main__":
    main()
