"""How much a state vector of fixed width holds: recurrent models with and without attention.

    python -m benchmarks.state_vector

The textbook has it that a fixed vector bounds what a sentence can hold, and that attention lifts
the bound. Three models, alike but for that: a state of 64 and of 256 without attention, and of 64
with it. ``copy``: random sequences of up to 40 symbols of 20 have to be said again; the share of
symbols in their place, by length. ``multi30k``: BLEU by length of the source.
"""

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import machine, save, saved
from huashi.recipes import translate
from huashi.seq2seq import (
    Architecture,
    AttentionShape,
    RNNDecoderShape,
    RNNEncoderShape,
    Translator,
)
from huashi.seq2seq.architecture import describe
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.metrics import scores_by_length
from huashi.seq2seq.training import Training

DATA = Path(__file__).parents[1] / "../shared/data/multi30k"
SCRATCH = Path(__file__).parent / "scratch"
MODELS = {"64": (64, False), "256": (256, False), "64 with attention": (64, True)}
STEPS = {"copy": 3000, "multi30k": 6000}
LONGEST, SYMBOLS = 40, "abcdefghijklmnopqrst"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=STEPS, nargs="*", default=list(STEPS))
    parser.add_argument("--models", choices=MODELS, nargs="*", default=list(MODELS))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for task in args.task:
        for name in args.models:
            rows = measured(task, name, args)
            others = [r for r in saved("state-vector") if (r["task"], r["model"]) != (task, name)]
            save("state-vector", [*others, *rows])


def measured(task: str, name: str, args: argparse.Namespace) -> list[dict]:
    """One row for each group of lengths."""
    folder = SCRATCH / f"state-{task}-{name.replace(' ', '-')}"
    folder.mkdir(parents=True, exist_ok=True)
    config = replace(
        copy_config(folder) if task == "copy" else multi30k_config(folder),
        architecture=architecture_file(folder, *MODELS[name]),
        folder=folder / "run",
    )
    training = Training(
        steps=STEPS[task],
        batch_tokens=2000,
        schedule="cosine",
        warmup=200,
        lr=3e-3,
        label_smoothing=0.0,
        validate_every=1000,
        threads=args.threads,
    )
    run = translate.train(replace(config, training=training))
    pairs = list(translate.corpus(config).pairs("test"))
    found = Translator.load(run).translate([pair.source for pair in pairs], beam=1)
    rows = by_length(found, pairs) if task == "copy" else scores_by_length(found, pairs)
    common = {"task": task, "model": name, "steps": STEPS[task]}
    for row in rows:
        print(common | row, flush=True)
    return [common | row | machine("cpu") | {"threads": args.threads} for row in rows]


def architecture_file(folder: Path, width: int, attention: bool) -> Path:
    """The description of a model, as the recipe reads it."""
    size = {"embedding_size": 64, "hidden_size": width, "dropout": 0.1}
    architecture = Architecture(
        encoder=RNNEncoderShape(**size),
        decoder=RNNDecoderShape(
            attention=AttentionShape() if attention else None, input_feeding=False, **size
        ),
    )
    path = folder / "architecture.json"
    path.write_text(json.dumps(describe(architecture)))
    return path


def copy_config(folder: Path) -> translate.Config:
    """Sequences to be said again: 40,000 to learn from, ten of each length for the test."""
    draw = random.Random(0)

    def write(name: str, lengths: list[int]) -> Path:
        texts = [" ".join(draw.choices(SYMBOLS, k=length)) for length in lengths]
        (folder / name).write_text("".join(f"{text}\t{text}\n" for text in texts))
        return folder / name

    train = write("train.tsv", [draw.randint(1, LONGEST) for _ in range(40_000)])
    validation = write("validation.tsv", [draw.randint(1, LONGEST) for _ in range(200)])
    test = write("test.tsv", [length for length in range(1, LONGEST + 1) for _ in range(10)])
    return translate.Config(
        source=(train,),
        validation_source=(validation,),
        test_source=(test,),
        tokenizer="word",
        metric="loss",
    )


def multi30k_config(folder: Path) -> translate.Config:
    """English to German, as ``benchmarks.translate`` has it."""
    files = {
        f"{part}{side}": (DATA / f"{name}.{language}.gz",)
        for part, name in (("", "train"), ("validation_", "val"), ("test_", "test_2016_flickr"))
        for side, language in (("source", "en"), ("target", "de"))
    }
    return translate.Config(**files)


def by_length(found: list[str], pairs: list[Pair]) -> list[dict]:
    """The share of symbols in their place, in groups of five lengths."""
    rows = []
    for first in range(1, LONGEST + 1, 5):
        group = [
            (text.split(), pair.target.split())
            for text, pair in zip(found, pairs, strict=True)
            if first <= len(pair.target.split()) < first + 5
        ]
        right = sum(a == b for text, wanted in group for a, b in zip(text, wanted, strict=False))
        symbols = sum(len(wanted) for _, wanted in group)
        rows.append({"words": first + 2, "right, %": round(100 * right / symbols, 1)})
    return rows


def table(rows: list[dict]) -> list[list[str]]:
    """By length, what each model scores in each task."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = [["task, words", *models]]
    for task in dict.fromkeys(row["task"] for row in rows):
        same = [row for row in rows if row["task"] == task]
        measure = "right, %" if task == "copy" else "BLEU"
        for words in dict.fromkeys(row["words"] for row in same):
            found = {row["model"]: row[measure] for row in same if row["words"] == words}
            cells = [f"{found[model]:.1f}" if model in found else "–" for model in models]
            lines.append([f"{task} ({measure}), {words:g}", *cells])
    return lines


if __name__ == "__main__":
    main()
