"""Dates in fifty locales, as the CLDR writes them, to ISO 8601.

    huashi train dates
    echo "Donnerstag, 3. Mai 1979" | huashi predict runs/dates      # 1979-05-03

A character-level recurrent encoder-decoder with attention. The data are made here, from the locale
data that Babel carries: dates of 1900-2099 in four styles, in a locale's own digits and by its own
calendar where it has them. Half of the sources begin with the tag of their locale (``<es>``), since
3/5/1979 means two things. Test dates are unseen, and five locales are never trained on.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional as F

from huashi import report
from huashi._checks import (
    LARGEST,
    check_below,
    check_dropout,
    check_not_negative,
    check_positive,
    check_threads,
)
from huashi._field_docs import with_field_docs
from huashi._seeds import torch_seed
from huashi.recipes._cldr import Example, Writing, ambiguous, examples, writings
from huashi.recipes._fabric import fabric_on
from huashi.run import Progress, Run
from huashi.run.task import TRANSLATION
from huashi.seq2seq.architecture import Architecture, describe
from huashi.seq2seq.attention import AttentionShape, Mapping, Score
from huashi.seq2seq.inference.translator import Translator
from huashi.seq2seq.models.rnn import RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.text.corpus import Pair, collate, shuffled_batches
from huashi.seq2seq.text.tokenizer import PAD, train_tokenizer
from huashi.training import StepResult, TrainingSettings, fit, rise_and_fall

# fmt: off
LOCALES = (  # BCP 47
    "ar-EG", "bg", "bn", "ca", "cs", "da", "de", "el", "en-GB", "en-US", "es", "et", "eu", "fa",
    "fi", "fr", "ga", "he", "hi", "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "mr",
    "nl", "pl", "pt-BR", "ro", "ru", "sl", "sr", "sv", "sw", "ta", "th", "tr", "uk", "vi", "zh",
    "zh-Hant",
)
# fmt: on
HELD_OUT = ("gl", "mk", "ms", "nb", "sk")
YEARS = (1900, 2099)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Config:
    """Train the date normaliser."""

    folder: Path = Path("runs/dates")
    """The run folder; one that was interrupted is resumed."""
    seed: int = 0
    """Seed of the data, the weights and the order of training."""
    locales: tuple[str, ...] = LOCALES
    """Locales to train on, as BCP 47 tags."""
    held_out: tuple[str, ...] = HELD_OUT
    """Locales to test on only."""
    examples: int = 200_000
    """Dates written for training."""
    calendar_weight: float = 6.0
    """How many times its share a date in a calendar of the locale's own has in training: there the
    year is not copied but worked out."""
    test_examples: int = 4000
    """Dates written for the test, and a quarter as many in locales that were held out."""

    embedding_size: int = 64
    """Features of a character."""
    hidden_size: int = 160
    """Units of the decoder; a direction of the encoder has half as many."""
    layers: int = 1
    """Recurrent layers."""
    cell: Literal["gru", "lstm"] = "gru"
    """Kind of recurrence."""
    score: Score = "scaled_dot"
    """Score of the attention. Whether ``dot`` finds the source soon is a matter of the seed."""
    mapping: Mapping = "softmax"
    """From scores to attention weights."""
    attend: Literal["after", "before"] = "after"
    """Attend after the recurrence (Luong) or before it (Bahdanau)."""
    input_feeding: bool = True
    """Feed the last attentional state to the next step; with --no-input-feeding do not."""
    dropout: float = 0.0
    """Probability of dropping a feature."""

    steps: int = 3000
    """Optimiser steps."""
    batch_tokens: int = 1100
    """Positions of a batch on either side, padding counted."""
    lr: float = 3e-3
    """Highest learning rate; it rises for 100 steps and falls to 0 in a straight line."""
    clip: float = 1.0
    """Greatest norm of the gradient."""
    validate_every: int = 1000
    """Steps from one validation, on 1,000 dates, to the next."""
    save_every: int = 500
    """Steps from one checkpoint to the next."""

    accelerator: str = "auto"
    """Where to train: auto, cpu, cuda, mps."""
    threads: int = 1
    """Threads on the CPU: for so small a model more of them wait for one another more than they
    work, most of all on a busy machine."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the training."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, (int, float)) and name not in ("seed", "dropout", "input_feeding"):
                check_positive(name, value)
                check_below(name, value, LARGEST)
        check_threads(self.threads)
        check_dropout(self.dropout)
        check_not_negative("seed", self.seed)
        for locale in (*self.locales, *self.held_out):
            writings(locale)
        if not self.locales:
            raise ValueError("locales must name at least one, got none")
        if both := set(self.locales) & set(self.held_out):
            raise ValueError(f"held_out must hold none of the locales, got {', '.join(both)}")


def train(config: Config) -> Run:
    """Train, test, and write the report; go on where an interrupted run stopped."""
    size = {
        "cell": config.cell,
        "embedding_size": config.embedding_size,
        "hidden_size": config.hidden_size,
        "layers": config.layers,
        "dropout": config.dropout,
    }
    architecture = Architecture(
        encoder=RNNEncoderShape(**size),
        decoder=RNNDecoderShape(
            **size,
            attention=AttentionShape(score=config.score, mapping=config.mapping),
            attend=config.attend,
            input_feeding=config.input_feeding,
        ),
    )
    fabric = fabric_on(config.accelerator, config.precision)
    run = Run.start(
        config.folder, "dates", config, describe(architecture), task=TRANSLATION, steps="steps"
    )
    if run.results is not None:
        return run

    torch.set_num_threads(config.threads)
    torch.manual_seed(torch_seed(config.seed))
    progress = Progress("train dates", config.steps)
    progress.note(f"writing {config.examples:,} dates in {len(config.locales)} locales")
    data = corpus(config)
    tokenizer = train_tokenizer(
        (text for example in data["train"] for text in example.pair),
        "character",
        tags=[f"<{locale}>" for locale in config.locales],
    )
    run.keep("tokenizer.json", tokenizer.to_json())
    sources, targets = (
        tokenizer.encode_batch(side) for side in zip(*(e.pair for e in data["train"]), strict=True)
    )
    lengths = [(len(s) + 1, len(t) + 1) for s, t in zip(sources, targets, strict=True)]
    if config.batch_tokens < (longest := max(map(max, lengths))):
        raise ValueError(f"batch_tokens must be >= {longest}, got {config.batch_tokens}")

    model = architecture.build(len(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr)
    network, optimizer = fabric.setup(model, optimizer)

    def batches_after(done: int) -> Iterator[list[int]]:
        return shuffled_batches(lengths, config.batch_tokens, seed=config.seed, skip=done)

    def take(indices: list[int], step: int) -> StepResult:
        batch = collate([sources[i] for i in indices], [targets[i] for i in indices])
        source, target = fabric.to_device((batch.source, batch.target))
        logits = network(source, batch.lengths, target[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(network, optimizer, max_norm=config.clip)
        optimizer.step()
        return StepResult(loss, source.numel() + target.numel())

    def validate(model: Any, step: int) -> dict[str, float]:
        return {"exact_match": exact_match(Translator(model, tokenizer), data["validation"])}

    seconds = fit(
        run,
        model,
        optimizer,
        settings=TrainingSettings(
            steps=config.steps,
            validate_every=config.validate_every,
            save_every=config.save_every,
        ),
        fabric=fabric,
        batches_after=batches_after,
        take=take,
        validate=validate,
        metric="exact_match",
        rate=lambda step: config.lr * rise_and_fall(step, warmup=100, steps=config.steps),
        seeded=False,
        checkpoint=model,
    )
    progress.note("testing on dates and locales that were held out")
    results = {"training_seconds": seconds, **evaluate(run, device=fabric.device)}
    write_report(run, results)
    run.complete(results)
    return run


def evaluate(run: Run, *, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the best model of a run, on a device, on dates that it was not trained on.

    Returns:
        ``splits``: exact match in percent by kind of source; ``locales``: the same by locale;
        ``examples``: ten of the dates with what the model made of them.
    """
    translator = Translator.load(run, device=device)
    config = run.configuration(Config)
    data = corpus(config, training=False)
    examples = [*data["test"], *data["held out"]]
    scored = list(zip(examples, _rights(translator, examples, beam=5), strict=True))
    clear = [(e, right) for e, right in scored if not e.ambiguous]
    unseen = [(e, right) for e, right in clear if e.writing.locale in config.locales]
    held_out = [(e, right) for e, right in clear if e.writing.locale in config.held_out]
    splits = {
        "unseen dates": unseen,
        "- with the tag of the locale": [s for s in unseen if s[0].tagged],
        "- without a tag": [s for s in unseen if not s[0].tagged],
        "- numeric, with a tag": [s for s in unseen if s[0].tagged and _is_numeric(s[0])],
        "- numeric, without a tag": [s for s in unseen if not s[0].tagged and _is_numeric(s[0])],
        "- in the locale's own digits": [s for s in unseen if s[0].writing.own_digits],
        "- in the locale's own calendar": [s for s in unseen if s[0].writing.own_calendar],
        "unseen dates in held-out locales, without a tag": held_out,
        "- numeric": [s for s in held_out if _is_numeric(s[0])],
        "- in words": [s for s in held_out if not _is_numeric(s[0])],
        "ambiguous by construction, in none of the above": [s for s in scored if s[0].ambiguous],
    }
    by_locale = {
        locale: [s for s in clear if s[0].writing.locale == locale]
        for locale in (*config.locales, *config.held_out)
    }
    one_a_locale = {e.writing.locale: e.pair for e, _ in unseen}
    return {
        "splits": [
            {"dates": name, "examples": len(part), "exact match, %": _percent(part)}
            for name, part in splits.items()
            if part
        ],
        "locales": {locale: _percent(part) for locale, part in by_locale.items() if part},
        "examples": _look_at(translator, list(one_a_locale.values())[:10]),
    }


def write_report(run: Run, results: dict[str, Any]) -> Path:
    """Make the run's ``report.html`` from its metrics and results."""
    translator = Translator.load(run)
    sources = [example["source"] for example in results["examples"][:4]]
    found = [best for [best] in translator.search(sources)]
    return report.write_report(
        run.folder,
        "Dates to ISO 8601",
        {
            "Exact match": report.table_html(results["splits"]),
            "Ten unseen dates": report.table_html(results["examples"]),
            "Learning curves": {"Loss and exact match": report.learning_curves(run.metrics())},
            "Attention": report.attention_pictures(sources, found),
            "By locale": {
                "Exact match on unseen dates; in red the locales never trained on": report.dots(
                    results["locales"], "exact match, %", run.config["held_out"]
                )
            },
            "Configuration": report.table_html(
                [{"field": name, "value": value} for name, value in run.config.items()]
            ),
        },
    )


def tables(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What of the results is worth printing."""
    try:
        return [results["splits"], results["examples"]]
    except (KeyError, TypeError):
        raise ValueError("results.json must hold splits and examples of dates") from None


def corpus(config: Config, *, training: bool = True) -> dict[str, list[Example]]:
    """The examples of a run by split, the same for the same configuration.

    Args:
        config: seed and sizes.
        training: write the training split too, which is most of the work.
    """
    known = [way for locale in config.locales for way in writings(locale)]
    unknown = [way for locale in config.held_out for way in writings(locale)]
    confused = ambiguous([*known, *unknown])
    first, last = date(YEARS[0], 1, 1), date(YEARS[1], 12, 31)
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    random.Random(config.seed).shuffle(days)
    part = len(days) // 20
    test, validation, rest = days[:part], days[part : 2 * part], days[2 * part :]

    def written(split: str, days: Sequence[date], ways: Sequence[Writing], **options: Any) -> list:
        return examples(random.Random(f"{config.seed} {split}"), days, ways, confused, **options)

    trained = {
        "count": config.examples if training else 0,
        "calendar_weight": config.calendar_weight,
    }
    return {
        "train": written("train", rest, known, **trained),
        "validation": written("validation", validation, known, count=1000),
        "test": written("test", test, known, count=config.test_examples),
        "held out": written(
            "held out", test, unknown, count=config.test_examples // 4, tag_share=0
        ),
    }


def exact_match(translator: Translator, examples: Sequence[Example]) -> float:
    """The share of the unambiguous examples that greedy search gets right."""
    clear = [example for example in examples if not example.ambiguous]
    return sum(_rights(translator, clear, beam=1)) / max(len(clear), 1)


def _rights(translator: Translator, examples: Sequence[Example], beam: int) -> list[bool]:
    found = translator.translate([example.pair.source for example in examples], beam=beam)
    return [text == example.pair.target for text, example in zip(found, examples, strict=True)]


def _look_at(translator: Translator, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    found = translator.search([pair.source for pair in pairs])
    return [
        {
            "source": pair.source,
            "date": pair.target,
            "found": best.text,
            "score": round(best.score, 4),
            "": "right" if best.text == pair.target else "WRONG",
        }
        for pair, [best] in zip(pairs, found, strict=True)
    ]


def _percent(scored: Sequence[tuple[Example, bool]]) -> float:
    return round(100 * sum(right for _, right in scored) / len(scored), 2)


def _is_numeric(example: Example) -> bool:
    return example.writing.style == "numeric"
