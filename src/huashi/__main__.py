"""The command line ``huashi``: its commands are the functions of :mod:`huashi.commands`.

tyro makes options, types and help texts from their signatures and docstrings. A wrong input is one
line on standard error and exit code 2.
"""

import contextlib
import functools
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from tyro import conf
from tyro.extras import SubcommandApp

from huashi.commands._recipes import first_line, recipe_named, recipe_names, slim_names
from huashi.commands.machine import bench_pooling, warm_up
from huashi.commands.networks import path, slim
from huashi.commands.runs import evaluate, recipes, train
from huashi.commands.text import import_, predict, sample

_TRAIN = "Train a recipe, or go on with an interrupted run."
_PATH = "Accuracy against latency of a recipe's network, by strength of its penalty."
_BENCH = "Time Huashi beside torch on this machine."


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


def _parse(arguments: list[str]) -> Callable[[], None]:
    """The command that ``arguments`` ask for, with everything it needs.

    Raises:
        ValueError: in one line, what is wrong with them.
    """
    app, training, benching = SubcommandApp(), SubcommandApp(), SubcommandApp()
    paths = SubcommandApp()
    app.command(_deferred(recipes))
    if arguments[:1] == ["train"]:  # importing recipes takes seconds: only where they are asked for
        for name in recipe_names():
            training.command(name=name)(_training(recipe_named(name)))
        app.command(training, name="train", help=_TRAIN)
    else:
        app.command(name="train", help=_TRAIN)(lambda: None)
    app.command(_deferred(evaluate))
    app.command(_deferred(predict))
    app.command(_deferred(sample))
    app.command(name="import")(_deferred(import_))
    app.command(_deferred(slim))
    if arguments[:1] == ["path"]:
        for name in slim_names():
            paths.command(name=name)(_path(recipe_named(name)))
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
    command.__doc__ = first_line(recipe)
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


if __name__ == "__main__":
    main()
