r"""Language models of characters, words or subwords, recurrent or otherwise.

    huashi train lm --text shakespeare.txt
    huashi sample runs/lm --prompt "ROMEO:"

Of running text the model learns windows drawn at random (Karpathy 2015); it is scored by bits per
character, which texts in any tokens have in common. With ``--unit line`` every line is a sentence
by itself, from begin to end, as ``huashi predict --language-model`` wants it; the vocabulary of the
translator comes by ``--tokenizer-of``.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal
from unicodedata import normalize

import torch
from tyro import conf

from huashi import report
from huashi._checks import check_choice, check_positive
from huashi._field_docs import with_field_docs
from huashi._seeds import torch_seed
from huashi.recipes._fabric import fabric_on
from huashi.recipes._models import LANGUAGE_MODELS, model_named
from huashi.run import Progress, Run, open_run
from huashi.run.task import LANGUAGE_MODEL
from huashi.seq2seq.architecture import build, describe
from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.inference.loading import tokenizers_of
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.text.corpus import read_lines
from huashi.seq2seq.text.tokenizer import UNKNOWN, Kind, Tokenizer, train_tokenizer
from huashi.seq2seq.training import Objective, Order, Store, Training, fit, steps, write_store
from huashi.seq2seq.training.data import CHUNK, Step, windows
from huashi.seq2seq.training.store import fingerprints, prepared, vocabularies
from huashi.seq2seq.training.validation import likelihood

VALIDATION, SHARE = 0.95, 0.05  # where of a text the validation ends, and how much it is
VALIDATED = 2000
"""Pieces of the text that a validation reads at most."""
LONG = 10_000
"""Characters of a piece of running text at most."""


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a language model on a text."""

    text: tuple[Path, ...]
    """Files of text to train on."""
    validation: tuple[Path, ...] = ()
    """Files to validate on; by default a twentieth of the text, before that of the test."""
    test: tuple[Path, ...] = ()
    """Files to test on at the end; by default the last twentieth of the text."""
    folder: Path = Path("runs/lm")
    """The run folder; one that was interrupted is resumed."""
    unit: Literal["text", "line"] = "text"
    """Running text, or sentences of a line each."""
    tokenizer: Kind = "character"
    """How text becomes tokens: character, word, bpe or unigram."""
    vocabulary_size: int = 4000
    """The most tokens of the vocabulary."""
    tokenizer_of: Path | None = None
    """A run whose vocabulary of outputs is taken over."""
    context: int = 128
    """Tokens of a window of running text."""
    model: Literal["rnn", "transformer"] = "rnn"
    """The kind of decoder."""
    dropout: float | None = None
    """Of the model; by default what was tuned for it."""
    architecture: Path | None = None
    """A JSON file that describes another architecture, in the place of --model."""
    training: Annotated[Training, conf.arg(name="")] = field(
        default_factory=lambda: Training(
            steps=2000, schedule="cosine", label_smoothing=0.0, warmup=100, validate_every=500
        )
    )

    def __post_init__(self) -> None:
        check_positive("context", self.context)
        check_positive("vocabulary_size", self.vocabulary_size)
        check_choice("unit", self.unit, ("text", "line"))
        check_choice("model", self.model, LANGUAGE_MODELS)
        if not self.text:
            raise ValueError("text must name at least one file, got none")


def train(config: Config) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped."""
    architecture, lr = model_named(
        config.model, config.architecture, dropout=config.dropout, models=LANGUAGE_MODELS
    )
    settings = replace(config.training, lr=config.training.lr or lr)
    fabric = fabric_on(settings.accelerator, settings.precision)
    fabric.launch()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    progress = Progress("train lm", settings.steps, quiet=not fabric.is_global_zero)
    with fabric.rank_zero_first():
        run = Run.start(
            config.folder,
            "lm",
            config,
            describe(architecture),
            task=LANGUAGE_MODEL,
            steps="training.steps",
        )
        if run.results is not None:
            return run
        store, tokenizer = prepare(config, run, progress)

    torch.manual_seed(torch_seed(settings.seed))
    model = architecture.build(len(tokenizer))
    validation = list(itertools.islice(part_of(config, "validation"), VALIDATED))
    shares: dict[str, Any] = {"rank": fabric.global_rank, "processes": fabric.world_size}

    def steps_after(done: int) -> Iterator[Step]:
        if config.unit == "text":
            rows = max(settings.batch_tokens // config.context, 1)
            return windows(
                store,
                (0, store.tokens),
                context=config.context,
                rows=rows * settings.accumulate,
                seed=settings.seed,
                skip=done,
                **shares,
            )
        order = Order(settings.batch_tokens, settings.max_length, buffer=settings.buffer)
        shares["accumulate"] = settings.accumulate
        return steps(store, order, seed=settings.seed, skip=done, **shares)

    def validate(model: Any) -> dict[str, float]:
        return _scores(model, tokenizer, config, validation)

    metric = "bits per character"
    fit(run, Objective(model, settings), steps_after, validate, metric, fabric)
    if fabric.is_global_zero:
        progress.note("testing")
        results = evaluate(run, device=fabric.device)
        write_report(run, results)
        run.complete(results)
    fabric.barrier()
    return run


def prepare(config: Config, run: Run, progress: Progress) -> tuple[Store, Tokenizer]:
    """The vocabulary and the token ids of the training part, made or found in the run folder.

    Raises:
        ValueError: the text is not that which an interrupted run began with, or is too short.
    """
    files = {"files": config.text, "validation": config.validation, "test": config.test}
    made_of: dict[str, Any] = {name: fingerprints(of)["files"] for name, of in files.items()}
    names = ("text", "unit", "tokenizer", "vocabulary_size")
    made_of["settings"] = {name: run.config[name] for name in names}
    if config.tokenizer_of is not None:
        made_of["tokenizer_of"] = vocabularies(open_run(config.tokenizer_of))
    store = prepared(run, made_of, files)
    if store is not None:
        return store, Tokenizer.load(run.path("tokenizer.json"))
    if config.tokenizer_of is None:
        progress.note("learning the vocabulary")
        pieces = part_of(config, "train")
        tokenizer = train_tokenizer(pieces, config.tokenizer, config.vocabulary_size)
    else:
        tokenizer = tokenizers_of(open_run(config.tokenizer_of))[1]
    run.keep("tokenizer.json", tokenizer.to_json())
    store = write_store(
        run.path("train.tokens"),
        _tokenized(part_of(config, "train"), tokenizer),
        sides=("target",),
        vocabulary_size=len(tokenizer),
        origin=made_of | vocabularies(run),
    )
    progress.note(f"{store.tokens:,} tokens of {len(tokenizer):,} kinds")
    return store, tokenizer


def part_of(config: Config, part: Literal["train", "validation", "test"]) -> Iterator[str]:
    """The pieces of a part of the text, read as they are asked for.

    A piece is a line, with its end where the text is running, and a long line many pieces.

    Raises:
        ValueError: the text has too few pieces.
    """
    own = {"train": (), "validation": config.validation, "test": config.test}
    if own[part]:
        yield from _pieces(config, own[part])
        return
    count = sum(1 for _ in _pieces(config, config.text))
    if count < 20:
        raise ValueError(f"text must have 20 lines or 200,000 characters at least, got {count}")
    end = 1.0 if config.test else VALIDATION
    start = end if config.validation else end - SHARE
    ends = {"train": (0.0, start), "validation": (start, end), "test": (end, 1.0)}
    first, last = (int(round(share, 2) * count) for share in ends[part])
    yield from itertools.islice(_pieces(config, config.text), first, last)


def evaluate(
    run: Run, *, device: str | torch.device = "cpu", text: Sequence[Path] = ()
) -> dict[str, Any]:
    """Score the best model of a run on its test, or on another text.

    Args:
        run: of this recipe.
        device: where to compute.
        text: files to score it on.

    Returns:
        ``scores``: bits per character and perplexity of a token and of a word, of how many, and
        the share of unknown tokens, which a word out of the vocabulary is; words are what spaces
        part, and the end of each line; ``samples``: three texts, of a model of running text.

    Raises:
        ValueError: there is no text in the files.
    """
    config = run.configuration(Config)
    pieces = list(_pieces(config, text) if text else part_of(config, "test"))
    if not pieces:
        raise ValueError(f"{' '.join(map(str, text or config.test))} must hold text, got none")
    tokenizer = Tokenizer.load(run.path("tokenizer.json"))
    model = build(run.model, len(tokenizer))
    run.load_model(model)
    model = model.to(device).eval()
    found = _scores(model, tokenizer, config, pieces)
    ids = [token for piece in tokenizer.encode_batch(pieces) for token in piece]
    counts = _counts(config, pieces, len(ids))
    bits = found["bits per character"] * counts["characters"]
    for unit in ("token", "word"):
        found[f"perplexity of a {unit}"] = 2 ** min(bits / counts[f"{unit}s"], 1000)
    rows = [{"measure": name, "value": round(value, 4)} for name, value in (found | counts).items()]
    unknown = 100 * ids.count(UNKNOWN) / max(len(ids), 1)
    rows.append({"measure": "unknown tokens, %", "value": round(unknown, 2)})
    samples = []
    if config.unit == "text":
        writer = LanguageModel(model, tokenizer, config.context)
        prompt = next(text for text in ("\n", *pieces) if tokenizer.encode(text))
        samples = writer.sample(prompt, tokens=300, samples=3, temperature=0.8, generator=0)
    return {"scores": rows, "samples": [{"sample": text} for text in samples]}


def write_report(run: Run, results: dict[str, Any]) -> Path:
    """Make the run's ``report.html`` from its metrics and results."""
    samples = "".join(f"<pre>{escape(row['sample'])}</pre>" for row in results["samples"])
    return report.write_report(
        run.folder,
        "Language model",
        {
            "Scores": report.table_html(results["scores"]),
            "Samples": samples or "<p>of sentences none</p>",
            "Learning curves": {"Loss and validation": report.learning_curves(run.metrics())},
            "Configuration": report.table_html(
                [{"field": name, "value": value} for name, value in run.config.items()]
            ),
        },
    )


def tables(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What of the results is worth printing."""
    try:
        return [results["scores"], results["samples"]]
    except (KeyError, TypeError):
        raise ValueError("results.json must hold scores and samples of a language model") from None


def _scores(
    model: EncoderDecoder, tokenizer: Tokenizer, config: Config, pieces: list[str]
) -> dict[str, float]:
    """Bits per character; of sentences, whose ends are told too, also the loss of a token."""
    if config.unit == "text":
        writer = LanguageModel(model, tokenizer, config.context)
        return {"bits per character": writer.bits_per_character("".join(pieces))}
    found = likelihood(model, [((), ids) for ids in tokenizer.encode_batch(pieces)])
    tokens = sum(len(ids) + 1 for ids in tokenizer.encode_batch(pieces))
    characters = sum(len(normalize("NFC", line)) + 1 for line in pieces)
    return found | {"bits per character": found["loss"] * tokens / math.log(2) / characters}


def _counts(config: Config, pieces: Sequence[str], tokens: int) -> dict[str, int]:
    """Characters, tokens and words of a text; the end of a sentence by itself is one of each."""
    ends = len(pieces) if config.unit == "line" else 0
    lines = sum(piece.count("\n") for piece in pieces)
    return {
        "characters": sum(len(normalize("NFC", piece)) for piece in pieces) + ends,
        "tokens": tokens + ends,
        "words": sum(len(piece.split()) for piece in pieces) + lines + ends,
    }


def _pieces(config: Config, files: Sequence[Path]) -> Iterator[str]:
    for path in files:
        for line in read_lines(path):
            if config.unit == "line":
                if line.strip():
                    yield line
                continue
            text = f"{line}\n"
            for first in range(0, len(text), LONG):
                yield text[first : first + LONG]


def _tokenized(pieces: Iterator[str], tokenizer: Tokenizer) -> Iterator[tuple[list[int]]]:
    while chunk := list(itertools.islice(pieces, CHUNK)):
        yield from ((ids,) for ids in tokenizer.encode_batch(chunk))
