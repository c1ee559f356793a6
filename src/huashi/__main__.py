"""The command line: ``huashi recipes``, ``train``, ``evaluate``, ``predict``, ``slim``, ``path``,
``bench``, ``warm-up``.

Every command is a function below; tyro makes options, types and help texts from its signature and
docstring. A wrong input is one line on standard error and exit code 2.
"""

import contextlib
import functools
import importlib
import io
import itertools
import os
import pkgutil
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from tyro import conf
from tyro.extras import SubcommandApp

import huashi.recipes
from huashi._files import atomic_file, write_atomically
from huashi._lines import as_they_come
from huashi.run import Run
from huashi.seq2seq.decoding import Decoding

_TRAIN = "Train a recipe, or go on with an interrupted run."
_PATH = "Accuracy against latency of a recipe's network, by strength of its penalty."
_BENCH = "Time Huashi beside torch on this machine."
_RUN = Annotated[Path, conf.arg(metavar="RUN")]
_DECODING = Annotated[Decoding, conf.arg(name="")]  # its fields are options of the command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: with 0, with 2 for a wrong input, with 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        command = _parse(arguments)
        command()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, OSError) as error:
        sys.exit(_say(str(error)))
    except KeyboardInterrupt:
        if arguments[:1] in (["train"], ["path"]):
            print(f"Stopped; to go on: huashi {shlex.join(arguments)}", file=sys.stderr)
        sys.exit(130)


def recipes() -> None:
    """List the recipes: experiments that train, test and report from one file each."""
    table = Table("recipe", "what it does", box=None)
    for name in _recipe_names():
        table.add_row(name, _first_line(_recipe(name)))
    Console().print(table)


def train(recipe: ModuleType, config: Any) -> None:
    """Train a recipe; the same command goes on with a run that was interrupted."""
    run = recipe.train(config)
    _print_tables(recipe.tables(run.results))
    print(f"report: {run.path('report.html')}")


def evaluate(run: _RUN, /, *, data: Path | None = None, beam: int = 5, device: str = "cpu") -> None:
    """Score a run: on its recipe's own test, or on pairs of yours.

    Args:
        run: folder of a finished run.
        data: pairs of source and target, .tsv or .jsonl, also .gz or .zst; - for tab-separated
            values on standard input.
        beam: hypotheses kept alive, with --data; 1 is greedy search.
        device: where to compute, such as cpu or cuda.
    """
    opened = Run(run)
    if data is None:
        recipe = _recipe(opened.recipe)
        _print_tables(recipe.tables(recipe.evaluate(opened, device=device)))
        return
    from huashi.seq2seq.corpus import read_pairs
    from huashi.seq2seq.metrics import text_scores
    from huashi.seq2seq.translator import Translator

    pairs = list(read_pairs(data))
    if not pairs:
        raise ValueError(f"{data} must hold at least one pair, got none")
    translator = Translator.load(opened, device=device)
    found = translator.translate([pair.source for pair in pairs], beam=beam)
    scores = text_scores(found, [pair.target for pair in pairs])
    _print_tables([[{"measure": name, "value": value} for name, value in scores.items()]])


def predict(
    run: _RUN,
    input: Annotated[Path, conf.arg(metavar="[INPUT]")] = Path("-"),
    /,
    decoding: _DECODING = Decoding(),  # noqa: B008  (frozen)
    *,
    output: Path | None = None,
    scores: bool = False,
    prefixes: Path | None = None,
    phrases: Path | None = None,
    choices: Path | None = None,
    ensemble: tuple[Path, ...] = (),
    ensemble_mean: Literal["probabilities", "log_probabilities"] = "probabilities",
    language_model: Path | None = None,
    language_model_weight: float = 0.2,
    explain: Path | None = None,
    device: str = "cpu",
) -> None:
    """Translate lines of text, in order, as they come.

    A line out is the translation; with --scores its score and a tab stand before it, and with
    --nbest above 1 the number of the line it belongs to and a tab before that.

    Args:
        run: folder of a finished run.
        input: a text file, a source a line, also .gz or .zst; - for standard input.
        decoding: how to look for translations.
        output: write here instead of standard output; the file appears once it is complete.
        scores: write the score, a mean log-probability, before each translation.
        prefixes: a file with a line for each source: how its translation begins.
        phrases: a file with a line for each source: what its translation contains, with tabs
            between.
        choices: a file with a translation a line: there are no others.
        ensemble: folders of more runs with the same tokenizer, to translate together with.
        ensemble_mean: what of their outputs is averaged.
        language_model: folder of a run of a language model, whose log-probabilities are added.
        language_model_weight: times this.
        explain: write a picture of the search for the first line here, for the next lines into
            files beside it with -2, -3 and so on in their names.
        device: where to compute, such as cpu or cuda.
    """
    from huashi.seq2seq.corpus import read_lines
    from huashi.seq2seq.translator import Translator

    if explain is not None and decoding.method != "beam":
        raise ValueError(f"method must be 'beam' for a picture, got {decoding.method!r}")
    translator = Translator.load(
        run,
        *ensemble,
        mean=ensemble_mean,
        language_model=language_model,
        language_model_weight=language_model_weight,
        device=device,
    )
    lines_of = {"prefixes": prefixes, "phrases": phrases}
    wishes = {name: read_lines(path) for name, path in lines_of.items() if path is not None}
    only = None if choices is None else list(read_lines(choices))
    number = 0
    with atomic_file(output) if output else contextlib.nullcontext(sys.stdout.buffer) as file:
        groups = as_they_come(read_lines(input), at_most=256)
        for lines in _counted(groups, shown=output is not None or not sys.stdout.isatty()):
            given: dict[str, Any] = {
                name: _next_lines(rest, len(lines), name) for name, rest in wishes.items()
            }
            if "phrases" in given:
                given["phrases"] = [[p for p in line.split("\t") if p] for line in given["phrases"]]
            keys = range(number, number + len(lines))
            found = translator.search(lines, decoding, choices=only, keys=keys, **given)
            for source, translations in zip(lines, found, strict=True):
                number += 1
                for one in translations:
                    cells = [str(number)] if decoding.nbest > 1 else []
                    cells += [f"{one.score:.4f}"] if scores else []
                    file.write("\t".join([*cells, one.text]).encode() + b"\n")
                if explain is not None and source:
                    i = number - 1 - keys[0]
                    wished = {name: items[i] for name, items in given.items()}
                    picture = _picture(translator, source, decoding, choices=only, **wished)
                    write_atomically(_numbered(explain, number), picture)
            file.flush()


def _next_lines(lines: Iterator[str], count: int, name: str) -> list[str]:
    found = list(itertools.islice(lines, count))
    if len(found) < count:
        raise ValueError(f"{name} must have a line for each source, got fewer")
    return found


def _picture(translator: Any, source: str, decoding: Decoding, **wished: Any) -> bytes:
    """The picture of one search."""
    from huashi import report

    wished = {name.replace("prefixes", "prefix"): value for name, value in wished.items()}
    considered, found = translator.explain(source, decoding, **wished)
    return report.beam_picture(considered, found[0].tokens)


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def slim(
    run: _RUN,
    /,
    *,
    folder: Path | None = None,
    round_to: int = 8,
    fine_tune: int | None = None,
) -> None:
    """Take the zero channels out of a trained network: a smaller one with the same outputs.

    The new run folder holds model.safetensors, with the sizes of the layers as JSON in its header,
    and model.pt2, a program that torch runs without Huashi.

    Args:
        run: folder of a finished run of a recipe whose name begins with slim.
        folder: of the new run; by default that of the run with -slim at its end.
        round_to: channels that stay in a layer are a multiple of this, as hardware likes it.
        fine_tune: steps to train the small network on without a penalty; 0 for none, by default as
            the run was configured.
    """
    from huashi.recipes import _slimming

    opened = Run(run)
    if opened.recipe not in _slim_names():
        raise ValueError(
            f"{run} must be a run of {' or '.join(_slim_names())}, got {opened.recipe}"
        )
    folder = folder or run.with_name(f"{run.absolute().name}-slim")
    new = _slimming.slim(
        _recipe(opened.recipe), opened, folder, round_to=round_to, fine_tune=fine_tune
    )
    _print_tables(_slimming.tables(new.results or {}))
    print(f"model: {new.path('model.safetensors')}\nreport: {new.path('report.html')}")


def path(recipe: ModuleType, config: Any, strengths: tuple[float, ...], point_steps: int) -> None:
    """Train along a path of strengths; the same command goes on with one that was interrupted."""
    from huashi.recipes import _slimming

    name = recipe.__name__.rpartition(".")[2]
    run = _slimming.path(recipe, name, config, strengths, point_steps)
    _print_tables([(run.results or {})["points"]])
    print(f"report: {run.path('report.html')}")


def bench_pooling(
    *,
    case: tuple[str, ...] = (),
    rounds: int | None = None,
    device: str = "cpu",
    dtype: tuple[str, ...] = ("float32", "bfloat16"),
    compile: bool = False,
) -> None:
    """Time the pools of known networks by torch and by Huashi, once both are found to agree.

    A ratio above 1 says how many times as fast Huashi is. GB/s is what the pool has to read and
    write over its time, beside it as a share of what a copy of 256 MiB reaches. Ctrl-C ends the
    measurement, and shows what there is.

    Args:
        case: names of cases, such as resnet-stem or global-max; all by default.
        rounds: turns of each contender, of which the median counts; by default 3 to 15, by time.
        device: where to compute, cpu or cuda.
        dtype: of float32, bfloat16, float64 and float16.
        compile: also time torch's pool under torch.compile, which compiles each line for seconds.
    """
    from huashi import bench
    from huashi._checks import check_positive

    bench.check_device(device)
    settings = bench.settings_of(case, dtype)
    if rounds is not None:
        check_positive("rounds", rounds)
    options = {"rounds": rounds, "compiled": compile}
    rows = []
    try:
        for setting in bench.tracked(settings, " ".join):
            rows += [bench.measure_pool(setting, device, **options)]
    finally:
        _print_tables([rows])


def warm_up(*, dtypes: tuple[str, ...] = ("float32", "bfloat16")) -> None:
    """Compile the CPU kernels ahead of their first call, once for all processes to come.

    The machine code is kept on disk and serves until Huashi, Numba or the processor changes.

    Args:
        dtypes: of float32, bfloat16, float64, float16, and of int8, uint8, int16, int32 and int64,
            which only maxima and minima take.
    """
    from huashi import bench

    begun = time.perf_counter()
    calls = bench.kernel_calls(dtypes)
    for _, call in bench.tracked(calls, lambda call: call[0]):
        call()
    seconds = time.perf_counter() - begun
    folders = bench.cache_folders()
    print(f"{len(calls)} calls of kernels in {seconds:.1f} s; the machine code is kept in")
    print("\n".join(map(str, folders)) if folders else "memory only: no folder can be written")


def _parse(arguments: list[str]) -> Callable[[], None]:
    """The command that ``arguments`` ask for, with everything it needs.

    Raises:
        ValueError: in one line, what is wrong with them.
    """
    app, training, benching = SubcommandApp(), SubcommandApp(), SubcommandApp()
    paths = SubcommandApp()
    app.command(_deferred(recipes))
    if arguments[:1] == ["train"]:  # importing recipes takes seconds: only where they are asked for
        for name in _recipe_names():
            training.command(name=name)(_training(_recipe(name)))
        app.command(training, name="train", help=_TRAIN)
    else:
        app.command(name="train", help=_TRAIN)(lambda: None)
    app.command(_deferred(evaluate))
    app.command(_deferred(predict))
    app.command(_deferred(slim))
    if arguments[:1] == ["path"]:
        for name in _slim_names():
            paths.command(name=name)(_path(_recipe(name)))
        app.command(paths, name="path", help=_PATH)
    else:
        app.command(name="path", help=_PATH)(lambda: None)
    benching.command(name="pooling")(_deferred(bench_pooling))
    app.command(benching, name="bench", help=_BENCH)
    app.command(_deferred(warm_up))
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return app.cli(prog="huashi", args=arguments, config=(conf.FlagCreatePairsOff,))
    except SystemExit as stop:
        if stop.code:
            raise ValueError(_one_line(complaint.getvalue())) from None
        raise


def _deferred(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """``command`` for tyro: called, it only remembers its arguments."""

    @functools.wraps(command)
    def remember(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(command, *args, **kwargs)

    return remember


def _training(recipe: ModuleType) -> Callable[..., Callable[[], None]]:
    """The command ``huashi train NAME``, whose options are the fields of the recipe's Config."""

    def command(config: Any) -> Callable[[], None]:
        return functools.partial(train, recipe, config)

    command.__annotations__["config"] = Annotated[recipe.Config, conf.arg(name="")]
    command.__doc__ = _first_line(recipe)
    return command


def _path(recipe: ModuleType) -> Callable[..., Callable[[], None]]:
    """The command ``huashi path NAME``: its own options, and the fields of the recipe's Config."""
    name = recipe.__name__.rpartition(".")[2]

    def command(
        config: Any, *, strengths: tuple[float, ...], point_steps: int
    ) -> Callable[[], None]:
        """Placeholder.

        Args:
            strengths: of the group lasso, rising; 0 is before them.
            point_steps: steps of each of them.
        """
        return functools.partial(path, recipe, config, strengths, point_steps)

    command.__annotations__["config"] = Annotated[recipe.Config, conf.arg(name="")]
    command.__defaults__ = (recipe.Config(folder=Path("runs", f"{name}-path")),)
    command.__kwdefaults__ = {"strengths": recipe.PATH, "point_steps": recipe.POINT_STEPS}
    command.__doc__ = (command.__doc__ or "").replace("Placeholder.", _PATH)
    return command


def _one_line(complaint: str) -> str:
    """Tyro's boxed complaint in one line, with what it suggests."""
    _, *lines = (line.strip("│╭╮╰╯ ") for line in complaint.splitlines())  # less the title
    first, *others = filter(None, re.split(r"\s*[─-]{3,}\s*", " ".join(lines).strip()))
    for other in others:
        if other.startswith("Available subcommands"):
            return f"{first}. {other}"
        if suggested := re.match(r"Perhaps you meant:? +(--[\w-]+)", other):
            return f"{first}. Perhaps you meant: {suggested[1]}"
    return first


def _say(problem: str) -> int:
    print(f"huashi: {' '.join(problem.split())}", file=sys.stderr)
    return 2


def _recipe_names() -> list[str]:
    """The modules in the folder of recipes; the folder is the only registry."""
    modules = pkgutil.iter_modules(huashi.recipes.__path__)
    return [module.name for module in modules if not module.name.startswith("_")]


def _recipe(name: str) -> ModuleType:
    if name not in _recipe_names():
        raise ValueError(
            f"there is no recipe {name!r} here; there are {', '.join(_recipe_names())}"
        )
    return importlib.import_module(f"huashi.recipes.{name}")


def _slim_names() -> list[str]:
    """The recipes that train a network to zero channels."""
    return [name for name in _recipe_names() if name.startswith("slim_")]


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0]


def _print_tables(tables: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    console = Console()
    if not console.is_terminal:  # whatever reads this wants whole lines
        console = Console(width=max(console.width, 160))
    for rows in filter(None, tables):
        table = Table(*rows[0], box=None, pad_edge=False)
        for row in rows:
            table.add_row(*map(str, row.values()))
        console.print(table, "")


def _counted(groups: Iterator[list[str]], *, shown: bool) -> Iterator[list[str]]:
    """``groups``, their lines counted on standard error where that is a terminal."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield from groups
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} lines"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None)
        for group in groups:
            yield group
            progress.advance(task, len(group))


if __name__ == "__main__":
    main()
