r"""Translation between any two languages, from two files of sentences to a scored run.

    huashi train translate --source train.en --target train.de \
        --validation-source val.en --validation-target val.de \
        --test-source test.en --test-target test.de --model transformer
    echo "A dog runs." | huashi predict runs/translate

Sources and targets stand line by line in two files, or side by side in one (.tsv, .jsonl); .gz and
.zst are read as they are. Several corpora with a tag each make one model for several languages: a
source says by its first word what it is to become (Johnson 2016, arXiv 1611.04558). The defaults
are for tens of thousands of sentences and two cores: they were tuned on Multi30k.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from tyro import conf

from huashi._checks import check_choice, check_count, check_dropout
from huashi._field_docs import with_field_docs
from huashi.recipes import _translation
from huashi.recipes._models import MODELS, Model
from huashi.recipes._translation import METRICS, Corpus, Part, tables, write_report
from huashi.run import Run
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.metrics import BleuTokenizer
from huashi.seq2seq.text.tokenizer import Kind
from huashi.seq2seq.training import Training
from huashi.seq2seq.training.corpora import (
    Files,
    check_places,
    count_pairs,
    files_of,
    held_out,
    links_of,
    pairs_of,
)
from huashi.seq2seq.training.data import Links

__all__ = ["Config", "evaluate", "tables", "train", "write_report"]

Paths = tuple[Path, ...]


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a translator on two files, or more."""

    source: Paths
    """Files of sources to train on; each alone, with both sides in it, if there is no target."""
    target: Paths = ()
    """Files of targets, line by line those of the sources."""
    tags: tuple[str, ...] = ()
    """A tag for each file of sources, such as <2de>, that every source of it gets."""
    columns: tuple[int, int] | None = None
    """Columns of source and target in .tsv files, counted from 0; by default the first two, and
    what stands in others is not read."""
    fields: tuple[str, str] | None = None
    """Fields of source and target in .jsonl files; by default source and target."""
    alignments: Paths = ()
    """For --guided-alignment: a file for each file of sources, with a line for each pair, such as
    0-0 1-2: source token - target token, counted from 0 without the tag."""
    validation_source: Paths = ()
    """Files to validate on; by default every fiftieth pair of each corpus is held out, at most
    1,000 in all."""
    validation_target: Paths = ()
    """Their targets."""
    validation_tags: tuple[str, ...] = ()
    """A tag for each of them."""
    test_source: Paths = ()
    """Files to test on at the end; by default those of the validation."""
    test_target: Paths = ()
    """Their targets."""
    test_tags: tuple[str, ...] = ()
    """A tag for each of them."""
    folder: Path = Path("runs/translate")
    """The run folder; one that was interrupted is resumed."""

    tokenizer: Kind = "bpe"
    """How texts become tokens: bpe, unigram, word or character."""
    target_tokenizer: Kind | None = None
    """How targets do, with --no-joint; by default as sources do."""
    vocabulary_size: int = 4000
    """The most tokens of a vocabulary."""
    joint: bool = True
    """One vocabulary for both languages; with --no-joint one of each."""
    model: Model = "transformer"
    """The kind of encoder and decoder."""
    dropout: float | None = None
    """Of the model; by default what was tuned for it."""
    architecture: Path | None = None
    """A JSON file that describes another architecture, in the place of --model."""
    init_from: Path | None = None
    """A run of the same architecture whose weights this one begins with; its vocabulary is kept,
    and grows by tags and by words or characters that it lacks, up to --vocabulary-size."""
    metric: Literal["bleu", "chrf", "exact", "loss"] = "bleu"
    """What of the validation says which weights are best."""
    bleu_tokenizer: BleuTokenizer | None = None
    """How BLEU splits words; by default as the script of the targets needs it."""
    beam: int = 5
    """Of the test; the validation is by greedy search."""
    training: Annotated[Training, conf.arg(name="")] = field(
        default_factory=lambda: Training(
            steps=6000,
            batch_tokens=2000,
            schedule="cosine",
            warmup=400,
            validate_every=500,
            average=5,
        )
    )
    """How it is trained; each field is an option of its own."""

    def __post_init__(self) -> None:
        check_count("vocabulary_size", self.vocabulary_size)
        check_count("beam", self.beam)
        check_choice("model", self.model, MODELS)
        check_choice("metric", self.metric, METRICS)
        if self.joint and self.target_tokenizer is not None:
            raise ValueError(
                "target_tokenizer must not be given with one vocabulary for both languages "
                f"(--no-joint), got {self.target_tokenizer}"
            )
        if self.dropout is not None:
            check_dropout(self.dropout)
        for name in ("", "validation_", "test_"):
            self.files(name)
        every = [one for name in ("", "validation_", "test_") for one in self.files(name)]
        check_places(every, self.columns, self.fields)
        if self.alignments and len(self.alignments) != len(self.source):
            raise ValueError(
                f"alignments must be {len(self.source)}, one for each source file, got "
                f"{len(self.alignments)}"
            )
        if bool(self.alignments) != bool(self.training.guided_alignment):
            raise ValueError(
                "alignments must be given with --guided-alignment above 0, and only so"
            )

    def files(self, name: str = "") -> list[Files]:
        """Those to train on, or those of ``validation_`` or ``test_``."""
        source, target, tags = (getattr(self, name + x) for x in ("source", "target", "tags"))
        return files_of(name, source, target, tags)

    def pairs(self, name: str = "") -> Iterator[Pair]:
        """What is in them."""
        return pairs_of(self.files(name), self.columns, self.fields)


def train(config: Config) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped."""
    spread = _translation.spreads_held_out(config.folder)
    return _translation.train("translate", config, corpus(config, spread=spread))


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the best model of a run on its test files, or on its validation without any."""
    config = run.configuration(Config)
    spread = _translation.spreads_held_out(run.folder)
    return _translation.evaluate(run, config, corpus(config, spread=spread), device=device)


def corpus(config: Config, *, spread: bool = True) -> Corpus:
    """The pairs of the files; what is not given is held out of the training.

    Args:
        config: it names the files.
        spread: hold out pairs of all corpora; False for a run of an earlier version.
    """

    @functools.cache
    def sizes() -> list[int] | None:
        return count_pairs(config.files()) if spread else None

    def pairs(part: Part) -> Iterator[Pair]:
        training = config.pairs()
        if part == "train":
            return training if config.validation_source else held_out(training, sizes(), kept=True)
        if part == "test" and config.test_source:
            return config.pairs("test_")
        if config.validation_source:
            return config.pairs("validation_")
        return held_out(training, sizes(), kept=False)

    def links() -> Iterator[Links]:
        lines = links_of(config.alignments, config.files())
        yield from lines if config.validation_source else held_out(lines, sizes(), kept=True)

    return Corpus(
        files=[*_paths(config.files()), *config.alignments],
        pairs=pairs,
        tags=config.tags,
        links=links() if config.alignments else None,
        validation=_paths(config.files("validation_")),
        test=_paths(config.files("test_")),
    )


def _paths(corpora: list[Files]) -> list[Path]:
    return [path for one in corpora for path in (one.source, one.target) if path is not None]
