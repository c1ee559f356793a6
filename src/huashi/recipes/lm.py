r"""Language models of characters, words or subwords, recurrent or otherwise.

    huashi train lm --text shakespeare.txt
    huashi sample runs/lm --prompt "ROMEO:"

Of running text the model learns windows drawn at random (Karpathy 2015); it is scored by bits per
character, which texts in any tokens have in common. With ``--unit line`` every line is a sentence
by itself, from begin to end, as ``huashi predict --language-model`` wants it; the vocabulary of the
translator comes by ``--tokenizer-of``.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from tyro import conf

from huashi import report
from huashi._checks import check_choice, check_count, check_dropout
from huashi._field_docs import with_field_docs
from huashi._seeds import torch_seed
from huashi.recipes._fabric import fabric_on
from huashi.recipes._idle_options import refuse_given, refuse_idle
from huashi.recipes._init_from import check_another, check_origin, grown_tokenizer, take_over
from huashi.recipes._models import LANGUAGE_MODELS, model_named
from huashi.recipes._text_scores import check_lines, named, scores, words_are
from huashi.run import Progress, Run, open_run
from huashi.run.task import LANGUAGE_MODEL
from huashi.seq2seq.architecture import build, describe
from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.inference.loading import tokenizers_of
from huashi.seq2seq.text import running
from huashi.seq2seq.text.corpus import read_lines
from huashi.seq2seq.text.tokenizer import UNKNOWN, Kind, Tokenizer, train_tokenizer
from huashi.seq2seq.training import Objective, Order, Store, Training, fit, steps, write_store
from huashi.seq2seq.training.batches import count_longer
from huashi.seq2seq.training.data import CHUNK, Step, windows
from huashi.seq2seq.training.store import fingerprints, prepared, tell_changes, vocabularies

VALIDATION, SHARE = 0.95, 0.05  # where of a text the validation ends, and how much it is
VALIDATED = 2000
"""Pieces of the text that a validation reads at most."""


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
    init_from: Path | None = None
    """A run of the same architecture whose weights this one begins with; its vocabulary is kept,
    and grows by words or characters that it lacks, up to --vocabulary-size."""
    training: Annotated[Training, conf.arg(name="")] = field(
        default_factory=lambda: Training(
            steps=2000, schedule="cosine", label_smoothing=0.0, warmup=100, validate_every=500
        )
    )
    """How it is trained; each field is an option of its own."""

    def __post_init__(self) -> None:
        check_count("context", self.context)
        check_count("vocabulary_size", self.vocabulary_size)
        if self.dropout is not None:
            check_dropout(self.dropout)
        check_choice("unit", self.unit, ("text", "line"))
        check_choice("model", self.model, LANGUAGE_MODELS)
        if self.init_from is not None and self.tokenizer_of is not None:
            raise ValueError(
                "tokenizer_of must not be given with init_from, whose vocabulary is taken over, "
                f"got {self.tokenizer_of}"
            )
        if not self.text:
            raise ValueError("text must name at least one file, got none")


def train(config: Config) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped."""
    check_another("init_from", config.init_from, config.folder)
    check_another("tokenizer_of", config.tokenizer_of, config.folder)
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
            tell_changes(run, files_of(config), progress)
            return run
        if not run.has_trained:
            check_acts(config)
        store, tokenizer, scored = prepare(config, run, progress)

    torch.manual_seed(torch_seed(settings.seed))
    model = architecture.build(len(tokenizer))
    check_lines(config, scored, tokenizer, model)
    if config.init_from is not None and not run.has_trained:
        origin = open_run(config.init_from, LANGUAGE_MODEL)
        progress.note(take_over(origin, model, (tokenizer, tokenizer)))
    validation = scored["validation"][:VALIDATED]
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
        return scores(model, tokenizer, config, validation)[0]

    metric = "bits per character"
    fit(run, Objective(model, settings), steps_after, validate, metric, fabric)
    if fabric.is_global_zero:
        progress.note("testing")
        results = evaluate(run, device=fabric.device)
        write_report(run, results)
        run.complete(results)
    fabric.barrier()
    return run


def check_acts(config: Config) -> None:
    """Raise where an option could not act beside the others.

    Raises:
        ValueError: naming it.
    """
    refuse_idle(config.training)
    if config.training.minimum_risk:
        raise ValueError(
            "minimum_risk must be 0 for a language model, whose samples have no reference, got "
            f"{config.training.minimum_risk}"
        )
    idle = {} if config.unit == "text" else {"context": "with unit line"}
    if config.tokenizer_of is not None:
        idle |= dict.fromkeys(("tokenizer", "vocabulary_size"), "with tokenizer_of")
    refuse_given(config, idle)
    if config.unit == "text":
        refuse_given(config.training, dict.fromkeys(("max_length", "buffer"), "with unit text"))


def files_of(config: Config) -> dict[str, Sequence[Path]]:
    """The files of the text, by their names in the ``origin`` of a store."""
    return {"files": config.text, "validation": config.validation, "test": config.test}


def prepare(
    config: Config, run: Run, progress: Progress
) -> tuple[Store, Tokenizer, dict[str, list[str]]]:
    """The vocabulary, the token ids of the training part, and the text of the others.

    Vocabulary and ids are made, or found in the run folder.

    Raises:
        ValueError: the text is not that which an interrupted run began with, or is too short.
    """
    files = files_of(config)
    made_of: dict[str, Any] = {name: fingerprints(of)["files"] for name, of in files.items()}
    names = ("text", "unit", "tokenizer", "vocabulary_size")
    made_of["settings"] = {name: run.config[name] for name in names}
    if config.tokenizer_of is not None:
        made_of["tokenizer_of"] = vocabularies(open_run(config.tokenizer_of))
    if config.init_from is not None and not run.has_trained:
        origin = open_run(config.init_from, LANGUAGE_MODEL)
        made_of["init_from"] = vocabularies(origin)
        check_origin(origin, run.model)
    store = prepared(run, made_of, files)
    scored = {part: list(part_of(config, part)) for part in ("validation", "test")}
    for part, pieces in scored.items():
        if not pieces:
            raise ValueError(f"{part} must hold text, got none in {named(config, part)}")
    if store is not None:
        return store, Tokenizer.load(run.path("tokenizer.json")), scored
    if next(part_of(config, "train"), None) is None:
        raise ValueError(f"text must hold text, got none in {' '.join(map(str, config.text))}")
    if config.tokenizer_of is None:
        progress.note("learning the vocabulary")
        pieces = part_of(config, "train")
        if config.init_from is None:
            tokenizer = train_tokenizer(pieces, config.tokenizer, config.vocabulary_size)
        else:
            tokenizer = grown_tokenizer(config, pieces)
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
    if config.unit == "line" and (longer := count_longer(store, config.training.max_length)):
        progress.note(
            f"of {len(store):,} lines {longer:,} are longer than {config.training.max_length} "
            "tokens and left out of the training"
        )
    return store, tokenizer, scored


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
    if config.validation and config.test:
        yield from _pieces(config, config.text)
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
        ``scores``: bits per character and perplexity of a token and of a word, of how many, what
        is counted, and the share of unknown tokens, which a word out of the vocabulary is. What is
        counted is what the model predicts: words are what spaces part, and the ends of lines and
        sentences, but for those of running text in a model of words, which has no token for them;
        the first token of a running text, which nothing predicts, is not counted. ``samples``:
        three texts, of a model of running text.

    Raises:
        ValueError: there is no text in the files, or in running text less than two tokens.
    """
    config = run.configuration(Config)
    pieces = list(_pieces(config, text) if text else part_of(config, "test"))
    if not pieces:
        raise ValueError(f"{' '.join(map(str, text or config.test))} must hold text, got none")
    tokenizer = Tokenizer.load(run.path("tokenizer.json"))
    model = build(run.model, len(tokenizer))
    run.load_model(model)
    model = model.to(device).eval()
    found, counts = scores(model, tokenizer, config, pieces)
    bits = found["bits per character"] * counts.characters
    for unit in ("token", "word"):
        of_them = getattr(counts, f"{unit}s")
        found[f"perplexity of a {unit}"] = 2 ** min(bits / max(of_them, 1), 1000)
    numbers = found | counts._asdict()
    rows: list[dict[str, Any]] = [
        {"measure": name, "value": round(value, 4)} for name, value in numbers.items()
    ]
    rows.append({"measure": "counted as words", "value": words_are(config, tokenizer)})
    ids = [token for piece in tokenizer.encode_batch(pieces) for token in piece]
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


def _pieces(config: Config, files: Sequence[Path]) -> Iterator[str]:
    for path in files:
        for line in read_lines(path):
            if config.unit == "line":
                if line.strip():
                    yield line
                continue
            yield from running.pieces(f"{line}\n")


def _tokenized(pieces: Iterator[str], tokenizer: Tokenizer) -> Iterator[tuple[list[int]]]:
    while chunk := list(itertools.islice(pieces, CHUNK)):
        yield from ((ids,) for ids in tokenizer.encode_batch(chunk))
