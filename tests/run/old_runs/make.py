"""Makes the runs beside it, in this folder, by the code of the commit whose runs they stand for.

git worktree add ../old 131ea16
cd tests/run/old_runs && PYTHONPATH=../../../../old/src python make.py
"""

import json
import os
import shutil
import signal
from pathlib import Path

from huashi.recipes import dates, translate
from huashi.run import Run
from huashi.seq2seq import Translator
from huashi.seq2seq.training import Training

WORDS = {"one": "eins", "two": "zwei", "three": "drei"}
SOURCES = {"dates": ["3. Mai 1979", "May 3, 1979"], "translate": ["one two", "three"]}
LOG = Run.log
KEPT = ("config", "tokenizer", "metrics", "checkpoint", "model", "results", "train")


def small():
    pairs = [(a, b) for a in WORDS for b in WORDS] * 12
    lines = [f"{a} {b}\t{WORDS[a]} {WORDS[b]}\n" for a, b in pairs]
    Path("corpus.tsv").write_text("".join(lines))
    Path("rnn.json").write_text(
        json.dumps(
            {
                "encoder": {"kind": "rnn", "embedding_size": 4, "hidden_size": 8},
                "decoder": {"kind": "rnn", "embedding_size": 4, "hidden_size": 8},
            }
        )
    )
    yield (
        dates,
        dates.Config(
            folder=Path("dates"),
            locales=("de", "en-US"),
            held_out=("gl",),
            examples=300,
            test_examples=20,
            embedding_size=4,
            hidden_size=8,
            steps=24,
            batch_tokens=200,
            validate_every=8,
            save_every=8,
            accelerator="cpu",
        ),
    )
    yield (
        translate,
        translate.Config(
            source=(Path("corpus.tsv"),),
            folder=Path("translate"),
            tokenizer="word",
            architecture=Path("rnn.json"),
            training=Training(
                steps=100,
                batch_tokens=120,
                max_length=4,
                warmup=5,
                lr=2e-2,
                validate_every=50,
                save_every=50,
                threads=1,
                accelerator="cpu",
            ),
        ),
    )


def stop(self, **row):
    """Log a line; after that of the first validation the training is interrupted."""
    LOG(self, **row)
    if row["split"] == "validation":
        os.kill(os.getpid(), signal.SIGINT)


def main():
    for recipe, config in small():
        whole = recipe.train(config)
        name = whole.folder.name
        predicted = {
            source: [best.tokens, best.score]
            for source in SOURCES[name]
            for [best] in Translator.load(whole).search([source], beam=1, max_length=12)
        }
        shutil.move(whole.folder, f"{name}-whole")

        Run.log = stop
        try:
            recipe.train(config)
        except KeyboardInterrupt:
            Run.log = LOG
        shutil.move(config.folder, f"{name}-half")
        for path in [*Path(f"{name}-whole").iterdir(), *Path(f"{name}-half").iterdir()]:
            if not path.name.startswith(KEPT):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        Path(f"{name}-whole", "checkpoint.safetensors").unlink()
        Path(f"{name}-whole", "predicted.json").write_text(json.dumps(predicted, indent=2) + "\n")


if __name__ == "__main__":
    main()
