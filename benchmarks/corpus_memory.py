"""Memory and time of preparing and training on corpora of growing size, up to 2 GB.

    python -m benchmarks.corpus_memory --megabytes 20 200 2000

Each size is a process of its own, whose greatest resident memory is told after each phase: the
vocabulary learned, the token ids written, 200 steps of a small model taken, and the batches of a
whole epoch planned. Sentences are drawn from 5,000 words, the likely ones more often.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from benchmarks.harness import machine, save
from huashi.recipes import translate
from huashi.recipes._models import model_named
from huashi.recipes._translation import prepare
from huashi.run import Progress, Run
from huashi.seq2seq.training import Order, Training, fit, steps
from huashi.seq2seq.training.batches import epoch
from huashi.seq2seq.training.objective import Objective

LINES = 100_000  # of a piece, which is written again and again with its lines in another order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="*", default=[20, 200, 2000])
    parser.add_argument("--corpus", type=Path, help="measure this one, in this process")
    args = parser.parse_args()
    if args.corpus is not None:
        print(json.dumps(measured(args.corpus)))
        return
    rows = []
    for size in args.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            pairs = write_corpus(Path(folder), size)
            command = [sys.executable, "-m", "benchmarks.corpus_memory", "--corpus", folder]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(run.stdout.splitlines()[-1])
        rows.append({"megabytes": size, "pairs": pairs} | found | machine("cpu"))
        print(rows[-1], flush=True)
        save("corpus-memory", rows)


def measured(folder: Path) -> dict:
    """Greatest memory and seconds of each phase."""
    begun, row = time.perf_counter(), {}

    def note(phase: str) -> None:
        nonlocal begun
        seconds = time.perf_counter() - begun
        row[phase] = {"peak_mib": peak_memory(), "seconds": round(seconds, 1)}
        begun = time.perf_counter()

    config = translate.Config(
        source=(folder / "source",),
        target=(folder / "target",),
        folder=folder / "run",
        tokenizer="word",
        vocabulary_size=6000,
        model="rnn",
        training=Training(
            steps=200, batch_tokens=1000, max_length=40, lr=1e-3, validate_every=10**6
        ),
    )
    run = Run.start(config.folder, "translate", config, {})
    corpus = translate.corpus(config)
    data = prepare(config, corpus, run, Progress("", 0, quiet=True))
    note("tokens written")
    model = model_named("rnn")[0].build(*map(len, data.tokenizers))
    order = Order(1000, 40)
    fit(
        run,
        Objective(model, config.training),
        lambda done: steps(data.store, order, seed=0, skip=done),
        lambda model: {"loss": 0.0},
        "loss",
        Fabric(accelerator="cpu", devices=1),
    )
    note("200 steps")
    batches = sum(1 for _ in epoch(data.store, order, np.random.default_rng(0)))
    row["batches"] = batches
    note("an epoch planned")
    return row


def peak_memory() -> int:
    """The greatest resident memory of this process, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


def write_corpus(folder: Path, megabytes: int) -> int:
    """Two files of about half as many megabytes each; return the number of pairs."""
    draw = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(5000)])
    chances = 1 / np.arange(10, 5010)
    lengths = draw.integers(4, 20, size=LINES)
    drawn = draw.choice(words, size=lengths.sum(), p=chances / chances.sum())
    lines = np.array([" ".join(part) for part in np.split(drawn, lengths.cumsum()[:-1])])
    pairs = written = 0
    with (folder / "source").open("w") as source, (folder / "target").open("w") as target:
        while written < megabytes * 10**6:
            order = draw.permutation(LINES)
            text = "\n".join(lines[order]) + "\n"
            source.write(text)
            target.write("\n".join(lines[order[::-1]]) + "\n")
            written += 2 * len(text)
            pairs += LINES
    return pairs


def table(rows: list[dict]) -> list[list[str]]:
    """Greatest memory after each phase, with its seconds."""
    phases = [name for name, value in rows[0].items() if isinstance(value, dict)]
    lines = [["corpus, MB", "pairs", *(f"{name}: peak MiB (s)" for name in phases)]]
    for row in rows:
        cells = [f"{row[name]['peak_mib']:,} ({row[name]['seconds']:,.0f})" for name in phases]
        lines.append([f"{row['megabytes']:,}", f"{row['pairs']:,}", *cells])
    return lines


def note(rows: list[dict]) -> str:
    return "One thread of "


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
