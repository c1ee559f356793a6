"""Commands for any recipe: ``huashi recipes``, ``train`` and ``evaluate``."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from huashi._checks import check_device
from huashi.commands._recipes import RUN, recipe_names, recipe_of, summary_of
from huashi.commands._tables import print_tables
from huashi.recipes import Recipe
from huashi.run import Run, open_run
from huashi.run.task import LANGUAGE_MODEL
from huashi.seq2seq.text.metrics import BleuTokenizer, check_bleu_tokenizer, text_scores


def recipes() -> None:
    """List the recipes: experiments that train, test and report from one file each."""
    table = Table("recipe", "what it does", box=None)
    for name in recipe_names():
        table.add_row(name, summary_of(name))
    Console().print(table)


def train(recipe: Recipe, config: Any) -> None:
    """Train a recipe; the same command goes on with a run that was interrupted."""
    run = recipe.train(config)
    if not isinstance(run, Run):
        raise ValueError(f"train of a recipe must return its run, got {run!r}")
    if run.results is None:
        raise ValueError(f"{run.folder} must be complete after train, got one without results")
    print_tables(recipe.tables(run.results))
    report = run.path("report.html")
    print(f"report: {report}" if report.exists() else f"run: {run.folder}")


def evaluate(
    run: RUN,
    /,
    *,
    data: Path | None = None,
    columns: tuple[int, int] | None = None,
    fields: tuple[str, str] | None = None,
    beam: int | None = None,
    bleu_tokenizer: BleuTokenizer | None = None,
    device: str = "cpu",
    recipe: Path | None = None,
) -> None:
    """Score a run: on its recipe's own test, or on pairs of yours, or a text for a language model.

    Args:
        run: folder of a finished run.
        data: pairs of source and target, .tsv or .jsonl, also .gz or .zst; - for tab-separated
            values on standard input. For a run of lm a text.
        columns: of source and target in a .tsv file, counted from 0; by default the first two.
        fields: of source and target in a .jsonl file; by default source and target.
        beam: hypotheses kept alive, with --data; 1 is greedy search, 5 the default. A recipe's own
            test has its own.
        bleu_tokenizer: how BLEU splits words, with --data; by default as the script of the targets
            needs it.
        device: where to compute, such as cpu or cuda.
        recipe: the file of the run's recipe, if it is one of your own that was moved or changed.
    """
    check_device("device", device)
    opened = open_run(run)
    if data is None and opened.recipe == "imported":
        raise ValueError(f"data must be given for {run}, which was imported and has no test")
    of_pairs = {
        "columns": columns,
        "fields": fields,
        "beam": beam,
        "bleu_tokenizer": bleu_tokenizer,
    }
    given = {name: value for name, value in of_pairs.items() if value is not None}
    if data is None:
        for name, value in given.items():
            raise ValueError(f"{name} must not be given without data, got {value}")
        found = recipe_of(opened, recipe)
        print_tables(found.tables(found.evaluate(opened, device=device)))
        return
    if recipe is not None:
        raise ValueError(f"recipe must not be given with data, got {recipe}")
    if opened.task == LANGUAGE_MODEL:
        for name, value in given.items():
            raise ValueError(f"{name} must not be given for a language model, got {value}")
        _evaluate_text(opened, data, device)
        return
    from huashi.seq2seq.inference.translator import Translator
    from huashi.seq2seq.training.corpora import Files, check_direction, check_places, pairs_of
    from huashi.seq2seq.training.store import Store

    if bleu_tokenizer is not None:
        check_bleu_tokenizer("bleu_tokenizer", bleu_tokenizer)
    files = [Files(data, None)]
    check_places(files, columns, fields)
    pairs = list(pairs_of(files, columns, fields))
    if not pairs:
        raise ValueError(f"{data} must hold at least one pair, got none")
    translator = Translator.load(opened, device=device)
    if opened.path("train.tokens").is_dir() and translator.has_one_vocabulary:
        store = Store(opened.path("train.tokens"))
        check_direction(str(data), pairs, store, translator.tokenizer)
    found = translator.translate([pair.source for pair in pairs], beam=5 if beam is None else beam)
    scores = text_scores(found, [pair.target for pair in pairs], tokenizer=bleu_tokenizer)
    print_tables([[{"measure": name, "value": value} for name, value in scores.items()]])


def _evaluate_text(run: Run, data: Path, device: str) -> None:
    """Score a language model on a text."""
    from huashi.recipes import lm

    if run.recipe != "lm":
        raise ValueError(f"data must be given for a run of lm only, got one of {run.recipe}")
    found = lm.evaluate(run, device=device, text=[data])
    print_tables([found["scores"]])
