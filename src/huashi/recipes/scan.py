r"""Commands in simple English to sequences of actions: SCAN (Lake & Baroni 2018, arXiv 1711.00350).

    huashi train scan --train tasks_train_simple.txt.gz --test tasks_test_simple.txt.gz
    echo "jump twice after walk" | huashi predict runs/scan     # I_WALK I_JUMP I_JUMP

A line is ``IN: jump twice OUT: I_JUMP I_JUMP``. What counts is that all of an output is right.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from tyro import conf

from huashi._checks import check_choice, check_dropout
from huashi._field_docs import with_field_docs
from huashi.recipes import _translation
from huashi.recipes._models import MODELS, Model
from huashi.recipes._translation import Corpus, Part, tables, write_report
from huashi.run import Run
from huashi.seq2seq.text.corpus import Pair, read_lines
from huashi.seq2seq.training import Training
from huashi.seq2seq.training.corpora import held_out

__all__ = ["Config", "evaluate", "tables", "train", "write_report"]


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a reader of commands."""

    train: Path
    """The file of the training; every fiftieth line of it is for the validation."""
    test: Path
    """The file of the test."""
    folder: Path = Path("runs/scan")
    """The run folder; one that was interrupted is resumed."""
    model: Model = "rnn"
    """The kind of encoder and decoder."""
    dropout: float | None = None
    """Of the model; by default what was tuned for it."""
    architecture: Path | None = None
    """A JSON file that describes another architecture, in the place of --model."""
    init_from: Path | None = None
    """A run of the same architecture whose weights this one begins with; its vocabularies are
    kept, and grow by words that they lack."""
    training: Annotated[Training, conf.arg(name="")] = field(
        default_factory=lambda: Training(
            steps=1500, schedule="linear", warmup=100, label_smoothing=0.0, validate_every=250
        )
    )
    """How it is trained; each field is an option of its own."""

    tokenizer = "word"
    vocabulary_size = 100
    target_tokenizer = None
    joint = False
    metric = "exact"
    bleu_tokenizer = None
    beam = 5

    def __post_init__(self) -> None:
        check_choice("model", self.model, MODELS)
        if self.dropout is not None:
            check_dropout(self.dropout)


def train(config: Config) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped."""
    return _translation.train("scan", config, corpus(config))


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the best model of a run on its test."""
    config = run.configuration(Config)
    return _translation.evaluate(run, config, corpus(config), device=device)


def corpus(config: Config) -> Corpus:
    """The commands and actions of the files."""

    def pairs(part: Part) -> Iterator[Pair]:
        if part == "test":
            return read_tasks(Path(config.test))
        tasks = list(read_tasks(Path(config.train)))
        return held_out(tasks, [len(tasks)], kept=part == "train")

    return Corpus(files=[Path(config.train)], pairs=pairs, test=[Path(config.test)])


def read_tasks(path: Path) -> Iterator[Pair]:
    """The pairs of a file of SCAN.

    Raises:
        ValueError: naming file and line, a line is not such a pair.
    """
    for number, line in enumerate(read_lines(path), 1):
        source, found, target = line.removeprefix("IN: ").partition(" OUT: ")
        if not (line.startswith("IN: ") and found and source.strip() and target.strip()):
            raise ValueError(f"{path}:{number}: line must be 'IN: ... OUT: ...', got {line[:60]!r}")
        yield Pair(source, target)
