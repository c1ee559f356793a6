"""Training on pairs of texts, from a corpus to a scored run: what recipes of such share."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from huashi import report
from huashi._seeds import torch_seed
from huashi.recipes._fabric import fabric_on
from huashi.recipes._idle_options import refuse_idle
from huashi.recipes._init_from import (
    check_another,
    check_origin,
    grown_tokenizers,
    take_over,
    target_kind,
)
from huashi.recipes._models import model_named
from huashi.recipes._scored_pairs import (
    check_not_empty,
    check_positions,
    check_tagged,
    check_trainable,
    read_through,
    short_enough,
)
from huashi.run import Progress, Run, open_run
from huashi.run.folder import TRAINED
from huashi.run.task import TRANSLATION
from huashi.seq2seq.architecture import describe
from huashi.seq2seq.inference.loading import tokenizers_of
from huashi.seq2seq.inference.translator import Translator
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.metrics import (
    check_bleu_tokenizer,
    scores_by_length,
    sentence_cost,
    text_scores,
)
from huashi.seq2seq.text.tokenizer import Tokenizer
from huashi.seq2seq.training import Objective, Order, Store, fit, steps, write_store
from huashi.seq2seq.training.batches import count_longer
from huashi.seq2seq.training.corpora import check_direction, tokenizers_for
from huashi.seq2seq.training.data import Links, Step, tokenized
from huashi.seq2seq.training.store import fingerprints, prepared, tell_changes, vocabularies
from huashi.seq2seq.training.validation import likelihood, translation_scores

METRICS = {"bleu": "BLEU", "chrf": "chrF", "exact": "exact match, %", "loss": "loss"}
NOT_OF_THE_TEXT = (
    "training", "model", "dropout", "architecture", "metric", "bleu_tokenizer", "beam"
)  # fmt: skip
"""Fields of a configuration that do not say how texts become tokens."""
HELD_OUT = "held_out.json"
"""The file of a run that says by which rule pairs were held out."""
Part = Literal["train", "validation", "test"]


class Corpus(NamedTuple):
    """What a training reads; pairs come anew at each call."""

    files: Sequence[Path]
    """What the training is made of."""
    pairs: Callable[[Part], Iterator[Pair]]
    """Those of a part, as they are asked for."""
    tags: Sequence[str] = ()
    """Words of the sources that are one token each."""
    links: Iterable[Links] | None = None
    """Alignments of the training pairs, one each."""
    validation: Sequence[Path] = ()
    """Files to validate on; where there are none, pairs of the training are held out."""
    test: Sequence[Path] = ()
    """Files to test on, where there are some."""


class Data(NamedTuple):
    """The corpus as tokens."""

    store: Store
    validation: list[Pair]
    test: list[Pair]
    tokenizers: tuple[Tokenizer, Tokenizer]


def train(name: str, config: Any, corpus: Corpus) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped.

    Args:
        name: of the recipe.
        config: its configuration, with a ``folder``, a :class:`Training`, and how to make
            tokens, model and validation.
        corpus: what to read.
    """
    check_another("init_from", config.init_from, config.folder)
    if config.bleu_tokenizer is not None:
        check_bleu_tokenizer("bleu_tokenizer", config.bleu_tokenizer)
    architecture, lr = model_named(
        config.model, config.architecture, dropout=config.dropout, joint=config.joint
    )
    settings = replace(config.training, lr=config.training.lr or lr)
    fabric = fabric_on(settings.accelerator, settings.precision)
    fabric.launch()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    progress = Progress(f"train {name}", settings.steps, quiet=not fabric.is_global_zero)
    with fabric.rank_zero_first():
        run = Run.start(
            config.folder,
            name,
            config,
            describe(architecture),
            task=TRANSLATION,
            steps="training.steps",
        )
        if run.results is not None:
            tell_changes(run, files_of(corpus), progress)
            return run
        if not run.has_trained:
            refuse_idle(config.training)
        data = prepare(config, corpus, run, progress)

    torch.manual_seed(torch_seed(settings.seed))
    model = architecture.build(*map(len, data.tokenizers))
    for part, pairs in (("validation", data.validation), ("test", data.test)):
        sources = [pair.source for pair in pairs]
        check_positions(part, sources, data.tokenizers[0], model, ends=architecture.source_end)
    if config.init_from is not None and not run.has_trained:
        origin = open_run(config.init_from, TRANSLATION)
        progress.note(take_over(origin, model, data.tokenizers))
    objective = Objective(model, settings, sentence_cost(data.tokenizers[1], settings.risk_cost))
    order = Order(settings.batch_tokens, settings.max_length, buffer=settings.buffer)
    source_end = architecture.source_end
    validation = [
        (data.tokenizers[0].encode(pair.source), data.tokenizers[1].encode(pair.target))
        for pair in data.validation
    ]

    def steps_after(done: int) -> Iterator[Step]:
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
        scores = translation_scores(
            translator, data.validation, beam=1, tokenizer=config.bleu_tokenizer
        )
        numbers = {name: float(scores[name]) for name in ("BLEU", "chrF", "exact match, %")}
        return likelihood(model, validation, source_end=source_end) | numbers

    fit(run, objective, steps_after, validate, METRICS[config.metric], fabric)
    if fabric.is_global_zero:
        progress.note("testing")
        results = evaluate(run, config, corpus, device=fabric.device)
        write_report(run, results)
        run.complete(results)
    fabric.barrier()
    return run


def files_of(corpus: Corpus) -> dict[str, Sequence[Path]]:
    """The files of a corpus, by their names in the ``origin`` of a store."""
    return {"files": corpus.files, "validation": corpus.validation, "test": corpus.test}


def prepare(config: Any, corpus: Corpus, run: Run, progress: Progress) -> Data:
    """Tokenizers and token ids of the corpus, made in the run folder or found there.

    Raises:
        ValueError: the corpus is not that which an interrupted run began with, a pair is damaged,
            validation or test are in other languages or empty, or ``init_from`` is no run to begin
            with.
    """
    files = files_of(corpus)
    made_of: dict[str, Any] = {name: fingerprints(of)["files"] for name, of in files.items()}
    spread = not corpus.validation and spreads_held_out(run.folder)
    if spread:
        made_of["held_out"] = "spread"
        run.keep(HELD_OUT, json.dumps({"held_out": "spread"}))
    made_of["settings"] = {k: v for k, v in run.config.items() if k not in NOT_OF_THE_TEXT}
    if config.init_from is not None and not run.has_trained:
        made_of["init_from"] = vocabularies(open_run(config.init_from, TRANSLATION))
    store = prepared(run, made_of, files)
    if not corpus.validation:
        check_not_empty(corpus.files, *map(corpus.pairs, ("train", "validation")))
    validation = read_through("validation", corpus.pairs("validation"))
    test = read_through("test", corpus.pairs("test")) if corpus.test else validation
    if config.init_from is not None and not run.has_trained:
        check_origin(open_run(config.init_from, TRANSLATION), run.model)
    if store is not None:
        tokenizers = tokenizers_of(run)
    else:
        if not run.has_trained:
            run.path("target_tokenizer.json").unlink(missing_ok=True)
        held_out = 0 if corpus.validation else len(validation)
        check_trainable(corpus.pairs("train"), held_out)
        progress.note("learning the vocabulary")
        if config.init_from is not None:
            tokenizers = grown_tokenizers(config, corpus.pairs, corpus.tags)
        else:
            tokenizers = tokenizers_for(
                corpus.pairs("train"),
                config.tokenizer,
                config.vocabulary_size,
                joint=config.joint,
                target_kind=target_kind(config),
                tags=corpus.tags,
            )
        for side, tokenizer in zip(("", "target_"), tokenizers[: 2 - config.joint], strict=False):
            run.keep(f"{side}tokenizer.json", tokenizer.to_json())
        progress.note("writing token ids")
        store = write_store(
            run.path("train.tokens"),
            tokenized(corpus.pairs("train"), *tokenizers, corpus.links),
            sides=("source", "target") + ("links",) * (corpus.links is not None),
            vocabulary_size=max(map(len, tokenizers)),
            origin=made_of | vocabularies(run),
        )
    most = config.training.max_length
    left_out = count_longer(store, most)
    progress.note(
        f"{len(store):,} pairs, {left_out:,} of them longer than {most} tokens and left out"
    )
    for part, pairs in (("validation", validation), ("test", test)):
        check_tagged(part, pairs, tokenizers[0], corpus.tags)
        if config.joint:
            name = f"{part}_source and {part}_target"
            check_direction(name, pairs, store, tokenizers[0])
        longer = len(pairs) - len(short_enough(pairs, tokenizers, most))
        if longer and (corpus.test or part == "validation"):
            fate = "left out" if part == "validation" else "translated all the same"
            progress.note(
                f"of {len(pairs):,} pairs of the {part} {longer:,} are longer than {most} tokens "
                f"and {fate}"
            )
    validation = short_enough(validation, tokenizers, most)
    if not validation:
        raise ValueError(f"max_length must leave a pair to validate on, got {most}: all are longer")
    return Data(store, validation, test if corpus.test else validation, tokenizers)


def spreads_held_out(folder: Path) -> bool:
    """Whether a run holds out pairs of all corpora, not only of the first 50,000 pairs.

    Those that an earlier version has trained do not: pairs of the training must not be their test.
    """
    has_trained = any((folder / name).exists() for name in TRAINED)
    return (folder / HELD_OUT).exists() or not has_trained


def evaluate(
    run: Run, config: Any, corpus: Corpus, *, device: str | torch.device = "cpu"
) -> dict[str, Any]:
    """Score the best model of a run on the test of its corpus.

    Returns:
        ``scores``: exact match, BLEU, chrF and TER with sacrebleu's signatures, and CER;
        ``lengths``: BLEU by length of the source; ``examples``: ten sources and what the model made
        of them.
    """
    pairs = read_through("test", corpus.pairs("test"))
    translator = Translator.load(run, device=device)
    if not corpus.test:  # what would have been left out of the training too
        tokenizers = translator.tokenizer, translator.target_tokenizer
        pairs = short_enough(pairs, tokenizers, config.training.max_length)
    found = translator.translate([pair.source for pair in pairs], beam=config.beam)
    tokenizer = config.bleu_tokenizer
    scores = text_scores(found, [pair.target for pair in pairs], tokenizer=tokenizer)
    return {
        "scores": [{"measure": name, "value": value} for name, value in scores.items()],
        "lengths": scores_by_length(found, pairs, tokenizer=tokenizer),
        "examples": [
            {"source": pair.source, "reference": pair.target, "found": text}
            for pair, text in list(zip(pairs, found, strict=True))[:10]
        ],
    }


def write_report(run: Run, results: dict[str, Any]) -> Path:
    """Make the run's ``report.html`` from its metrics and results."""
    translator = Translator.load(run)
    shown = [example["source"] for example in results["examples"][:3]]
    found = [best for [best] in translator.search(shown)]
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
            "Attention": report.attention_pictures(shown, found),
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
