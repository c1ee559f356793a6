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

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from tyro import conf

from huashi import report
from huashi._checks import check_choice, check_not_negative, check_positive
from huashi.recipes._fabric import fabric_on
from huashi.recipes._models import MODELS, Model, model_named
from huashi.run import Progress, Run
from huashi.seq2seq.architecture import describe
from huashi.seq2seq.corpus import Pair, read_lines
from huashi.seq2seq.metrics import scores_by_length, sentence_cost, text_scores
from huashi.seq2seq.tokenizer import Kind, Tokenizer
from huashi.seq2seq.training import Objective, Order, Store, Training, fit, steps, write_store
from huashi.seq2seq.training.batches import count_longer
from huashi.seq2seq.training.corpora import (
    Corpus,
    check_direction,
    corpora_of,
    held_out,
    pairs_of,
    token_counts,
    tokenizers_for,
)
from huashi.seq2seq.training.data import tokenized
from huashi.seq2seq.training.store import fingerprints
from huashi.seq2seq.training.validation import likelihood, translation_scores
from huashi.seq2seq.translator import Translator, tokenizers_of

Paths = tuple[Path, ...]
METRICS = {"bleu": "BLEU", "chrf": "chrF", "exact": "exact match, %", "loss": "loss"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Train a translator on two files, or more."""

    source: Paths
    """Files of sources to train on; each alone, with both sides in it, if there is no target."""
    target: Paths = ()
    """Files of targets, line by line those of the sources."""
    tags: tuple[str, ...] = ()
    """A tag for each file of sources, such as <2de>, that every source of it gets."""
    alignments: Paths = ()
    """For --guided-alignment: files with a line for each pair, such as 0-0 1-2, of tokens."""
    validation_source: Paths = ()
    """Files to validate on; by default every fiftieth training pair is held out, at most 1,000."""
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
    vocabulary_size: int = 4000
    """The most tokens of a vocabulary."""
    joint: bool = True
    """One vocabulary for both languages."""
    model: Model = "transformer"
    """The kind of encoder and decoder."""
    dropout: float | None = None
    """Of the model; by default what was tuned for it."""
    architecture: Path | None = None
    """A JSON file that describes another architecture, in the place of --model."""
    metric: Literal["bleu", "chrf", "exact", "loss"] = "bleu"
    """What of the validation says which weights are best."""
    beam: int = 5
    """Of the test; the validation is by greedy search."""
    training: Annotated[Training, conf.arg(name="")] = field(default_factory=Training)

    def __post_init__(self) -> None:
        check_positive("vocabulary_size", self.vocabulary_size)
        check_positive("beam", self.beam)
        check_choice("model", self.model, MODELS)
        check_choice("metric", self.metric, METRICS)
        if self.dropout is not None:
            check_not_negative("dropout", self.dropout)
        for name in ("", "validation_", "test_"):
            self.corpora(name)
        if bool(self.alignments) != bool(self.training.guided_alignment):
            raise ValueError(
                "alignments must be given with --guided-alignment above 0, and only so"
            )

    def corpora(self, name: str = "") -> list[Corpus]:
        """The files to train on, or those of ``validation_`` or ``test_``."""
        source, target, tags = (getattr(self, name + x) for x in ("source", "target", "tags"))
        return corpora_of(name, source, target, tags)


class Data(NamedTuple):
    """What a training reads."""

    store: Store
    validation: list[Pair]
    tokenizers: tuple[Tokenizer, Tokenizer]


def train(config: Config) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped."""
    architecture, lr = model_named(config.model, config.architecture, dropout=config.dropout)
    settings = replace(config.training, lr=config.training.lr or lr)
    fabric = fabric_on(settings.accelerator, settings.precision)
    fabric.launch()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    progress = Progress("train translate", settings.steps, quiet=not fabric.is_global_zero)
    with fabric.rank_zero_first():
        run = Run.start(config.folder, "translate", config, describe(architecture))
        if run.results is not None:
            return run
        data = prepare(config, run, progress)

    torch.manual_seed(settings.seed)
    model = architecture.build(*map(len, data.tokenizers))
    objective = Objective(model, settings, sentence_cost(data.tokenizers[1], settings.risk_cost))
    order = Order(settings.batch_tokens, settings.max_length, buffer=settings.buffer)
    source_end = architecture.source_end
    validation = [
        (data.tokenizers[0].encode(pair.source), data.tokenizers[1].encode(pair.target))
        for pair in data.validation
    ]

    def steps_after(done: int) -> Iterator[Any]:
        return steps(
            data.store,
            order,
            seed=settings.seed,
            skip=done,
            accumulate=settings.accumulate,
            rank=fabric.global_rank,
            processes=fabric.world_size,
            source_end=source_end,
        )

    def validate(model: Any) -> dict[str, float]:
        translator = Translator(model, *data.tokenizers, source_end=source_end)
        scores = translation_scores(translator, data.validation, beam=1)
        numbers = {name: float(scores[name]) for name in ("BLEU", "chrF", "exact match, %")}
        return likelihood(model, validation, source_end=source_end) | numbers

    fit(run, objective, steps_after, validate, METRICS[config.metric], fabric)
    if fabric.is_global_zero:
        progress.note("testing")
        results = evaluate(run, device=fabric.device)
        write_report(run, results)
        run.complete(results)
    fabric.barrier()
    return run


def prepare(config: Config, run: Run, progress: Progress) -> Data:
    """Tokenizers and token ids of the corpora, made in the run folder or found there.

    Raises:
        ValueError: the corpora are not those that an interrupted run began with, a pair is damaged,
            or validation or test are in other languages.
    """
    training = config.corpora()
    hold_out = not config.validation_source

    def pairs() -> Iterator[Pair]:
        return held_out(pairs_of(training), kept=True) if hold_out else pairs_of(training)

    files = [path for corpus in training for path in corpus[:2] if path is not None]
    origin = {"files": list(fingerprints([*files, *config.alignments]).values())}
    folder = run.path("train.tokens")
    if folder.is_dir():
        store, tokenizers = Store(folder), tokenizers_of(run)
        if store.origin != origin:
            names = ", ".join(map(str, files))
            raise ValueError(
                f"{run.folder} must go on with the files that it began with, got {names} changed"
            )
    else:
        progress.note("learning the vocabulary")
        tokenizers = tokenizers_for(
            pairs(), config.tokenizer, config.vocabulary_size, joint=config.joint, tags=config.tags
        )
        for name, tokenizer in zip(("", "target_"), tokenizers[: 2 - config.joint], strict=False):
            run.keep(f"{name}tokenizer.json", tokenizer.to_json())
        links = (line for path in config.alignments for line in read_lines(path))
        progress.note("writing token ids")
        store = write_store(
            folder,
            tokenized(pairs(), *tokenizers, links if config.alignments else None),
            sides=("source", "target", "links") if config.alignments else ("source", "target"),
            vocabulary_size=max(map(len, tokenizers)),
            origin=origin,
        )
    left_out = count_longer(store, config.training.max_length)
    progress.note(
        f"{len(store):,} pairs, {left_out:,} of them longer than {config.training.max_length} "
        "tokens and left out"
    )
    out = held_out(pairs_of(training), kept=False) if hold_out else None
    validation = list(out or pairs_of(config.corpora("validation_")))
    data = Data(store, validation, tokenizers)
    _check_languages(config, data)
    return data


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the best model of a run on its test files, or on its validation without any.

    Returns:
        ``scores``: BLEU, chrF and exact match with sacrebleu's signatures; ``lengths``: BLEU by
        length of the source; ``examples``: ten sources and what the model made of them.
    """
    config = run.configuration(Config)
    pairs = _test_pairs(config)
    translator = Translator.load(run, device=device)
    found = translator.translate([pair.source for pair in pairs], beam=config.beam)
    scores = text_scores(found, [pair.target for pair in pairs])
    return {
        "scores": [{"measure": name, "value": value} for name, value in scores.items()],
        "lengths": scores_by_length(found, pairs),
        "examples": [
            {"source": pair.source, "reference": pair.target, "found": text}
            for pair, text in list(zip(pairs, found, strict=True))[:10]
        ],
    }


def write_report(run: Run, results: dict[str, Any]) -> Path:
    """Make the run's ``report.html`` from its metrics and results."""
    translator = Translator.load(run)
    shown = [example["source"] for example in results["examples"][:3]]
    attention = {
        f"{source} → {best.text}": report.attention_picture(
            best.source_tokens, best.tokens, best.alignment
        )
        for source, [best] in zip(shown, translator.search(shown), strict=True)
        if best.alignment is not None
    }
    lengths = [(row["words"], row["BLEU"]) for row in results["lengths"]]
    return report.write_report(
        run.folder,
        "Translation",
        {
            "Scores": report.table_html(results["scores"]),
            "Ten sentences of the test": report.table_html(results["examples"]),
            "Learning curves": {"Loss and validation": report.learning_curves(run.metrics())},
            "By length": {
                "BLEU by words of the source": report.trade_off(
                    {"BLEU": lengths}, "words of the source", "BLEU"
                )
            },
            "Attention": attention,
            "Configuration": report.table_html(
                [{"field": name, "value": value} for name, value in run.config.items()]
            ),
        },
    )


def tables(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What of the results is worth printing."""
    try:
        return [results["scores"], results["lengths"], results["examples"]]
    except (KeyError, TypeError):
        raise ValueError(
            "results.json must hold scores, lengths and examples of a translation"
        ) from None


def _test_pairs(config: Config) -> list[Pair]:
    for name in ("test_", "validation_"):
        if corpora := config.corpora(name):
            return list(pairs_of(corpora))
    return list(held_out(pairs_of(config.corpora()), kept=False))


def _check_languages(config: Config, data: Data) -> None:
    """Raise if validation or test are in other languages than the training."""
    if not config.joint:  # in another vocabulary frequencies tell nothing of a language
        return
    [tokenizer, _] = data.tokenizers
    counts = [token_counts(data.store, side, len(tokenizer)) for side in range(2)]
    for name in ("validation", "test"):
        pairs = itertools.islice(pairs_of(config.corpora(f"{name}_")), 1000)
        check_direction(
            f"{name}_source and {name}_target",
            [tuple(tokenizer.encode_batch(list(pair))) for pair in pairs],
            (counts[0], counts[1]),
        )
