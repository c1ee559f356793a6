"""The commands of ``huashi``. What a command needs is imported once it is the one asked for."""

import ast
import functools
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from tyro import conf

from huashi.commands._recipes import is_file, recipe_named, recipe_names, summary_of


class Command(NamedTuple):
    """A command: a function whose signature and docstring are its options and its help."""

    help: Callable[[], str]
    """Its docstring, without an import."""
    load: Callable[[], Callable[..., Callable[[], None]]]
    """Import it: a function that only remembers the arguments that it is given."""


class Group(NamedTuple):
    """Commands after a common word."""

    help: str
    commands: Callable[[Sequence[str]], dict[str, "Command"]]
    """Those there are, given the words after the common one."""


def commands() -> dict[str, Command | Group]:
    """All commands by their names, in the order of the help."""
    return {
        "recipes": _function("runs", "recipes"),
        "train": Group(TRAIN, _trainings),
        "evaluate": _function("runs", "evaluate"),
        "predict": _function("text", "predict"),
        "sample": _function("text", "sample"),
        "import": _function("text", "import_"),
        "cost": _function("networks", "cost"),
        "slim": _function("networks", "slim"),
        "path": Group(PATH, _paths),
        "bench": Group(BENCH, lambda words: {"pooling": _function("machine", "bench_pooling")}),
        "warm-up": _function("machine", "warm_up"),
    }


TRAIN = "Train a recipe, or go on with an interrupted run."
PATH = "Accuracy against latency of a recipe's network, by strength of its penalty."
BENCH = "Time Huashi beside torch on this machine."


def _trainings(words: Sequence[str]) -> dict[str, Command]:
    """A command for each recipe, or for the file of one that is given."""
    if words and is_file(words[0]):
        return {words[0]: Command(lambda: TRAIN, lambda: _training(words[0]))}
    return {
        name: Command(functools.partial(summary_of, name), functools.partial(_training, name))
        for name in recipe_names()
    }


def _paths(words: Sequence[str]) -> dict[str, Command]:
    return {
        name: Command(lambda: PATH, functools.partial(_path, name))
        for name in recipe_names("PATH", "POINT_STEPS")
    }


def _training(name: str) -> Callable[..., Callable[[], None]]:
    """The command ``huashi train NAME``, whose options are the fields of the recipe's Config."""
    from huashi.commands.runs import train

    recipe = recipe_named(name)

    def command(config: Any) -> Callable[[], None]:
        return functools.partial(train, recipe, config)

    command.__annotations__["config"] = Annotated[recipe.Config, conf.arg(name="")]
    command.__doc__ = (recipe.__doc__ or "").strip().partition("\n")[0]
    return command


def _path(name: str) -> Callable[..., Callable[[], None]]:
    """The command ``huashi path NAME``: its own options, and the fields of the recipe's Config."""
    from huashi.commands.networks import path

    recipe: Any = recipe_named(name)

    def command(
        config: Any, *, strengths: tuple[float, ...], point_steps: int
    ) -> Callable[[], None]:
        return functools.partial(path, recipe, name, config, strengths, point_steps)

    command.__annotations__["config"] = Annotated[recipe.Config, conf.arg(name="")]
    command.__defaults__ = (recipe.Config(folder=Path("runs", f"{name}-path")),)
    command.__kwdefaults__ = {"strengths": recipe.PATH, "point_steps": recipe.POINT_STEPS}
    command.__doc__ = f"""{PATH}

        Args:
            strengths: of the group lasso, rising; 0 is before them.
            point_steps: steps of each of them.
        """
    return command


def _function(module: str, name: str) -> Command:
    """The command that a function of a module beside this one is."""

    def help_text() -> str:
        tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_bytes())
        found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
        return ast.get_docstring(found[0]) or ""

    def load() -> Callable[..., Callable[[], None]]:
        function = getattr(importlib.import_module(f"huashi.commands.{module}"), name)

        @functools.wraps(function)
        def remember(*args: Any, **kwargs: Any) -> Callable[[], None]:
            return functools.partial(function, *args, **kwargs)

        return remember

    return Command(help_text, load)
