"""Recipes by their names and files, and runs as arguments of commands."""

import ast
import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro import conf

import huashi.recipes
from huashi.commands._user_code import execute_file
from huashi.recipes import Recipe, check_recipe
from huashi.run import RecipeFile, Run

RUN = Annotated[Path, conf.arg(metavar="RUN")]
"""A run folder, as an argument of a command."""


def recipe_names(*having: str) -> list[str]:
    """The modules in the folder of recipes, the only registry; those that define these names."""
    modules = pkgutil.iter_modules(huashi.recipes.__path__)
    names = [module.name for module in modules if not module.name.startswith("_")]
    return [name for name in names if not having or set(having) <= _defined(_source(name))]


def is_file(recipe: str) -> bool:
    """Whether a recipe is given as a file of the user's own, not by its name."""
    return recipe.endswith(".py")


def recipe_named(name: str) -> Recipe:
    """The recipe of that name, or that file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no such recipe, or the file is none.
    """
    if is_file(name):
        return load_recipe(Path(name))
    if name not in recipe_names():
        raise ValueError(f"there is no recipe {name!r} here; there are {', '.join(recipe_names())}")
    return check_recipe(importlib.import_module(f"huashi.recipes.{name}"), name)


def recipe_of(run: Run, given: Path | None = None) -> Recipe:
    """The recipe that a run was trained by, which is executed.

    Args:
        run: the run.
        given: its file; by default where it was when the run was trained, if it has not changed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has changed since, or stands in the run folder, which may be anybody's.
    """
    if given is not None:
        return load_recipe(given)
    if run.file is None:
        return recipe_named(run.recipe)
    path = run.file.path
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}, the recipe of {run.folder}: give its file by --recipe"
        )
    if path.resolve().is_relative_to(run.folder.resolve()):
        raise ValueError(f"{path} is part of the run itself: to execute it, give it by --recipe")
    if RecipeFile.of(path).sha256 != run.file.sha256:
        raise ValueError(
            f"{path} has changed since {run.folder} was trained: to evaluate by it as it is now, "
            "give it by --recipe"
        )
    return load_recipe(path)


def load_recipe(path: Path) -> Recipe:
    """Execute a recipe's file; modules beside it can be imported by it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no Python, lacks a module that it imports, or is no recipe.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no recipe {path}")
    path = path.resolve()
    try:
        module = execute_file(path, "recipe")
    except SyntaxError as error:
        raise ValueError(f"{error.filename}:{error.lineno}: {error.msg}") from None
    except ImportError as error:
        raise ValueError(f"{path} cannot be imported: {error}") from None
    return check_recipe(module, str(path))


def summary_of(recipe: str) -> str:
    """The first line of a recipe's docstring, which is read but not executed."""
    return (ast.get_docstring(_source(recipe)) or "").strip().partition("\n")[0]


def _source(name: str) -> ast.Module:
    [folder] = huashi.recipes.__path__
    return ast.parse(Path(folder, f"{name}.py").read_bytes())


def _defined(module: ast.Module) -> set[str]:
    """The names that a module assigns at its top."""
    assigned = [node.targets for node in module.body if isinstance(node, ast.Assign)]
    targets: Sequence[Any] = [target for some in assigned for target in some]
    return {target.id for target in targets if isinstance(target, ast.Name)}
