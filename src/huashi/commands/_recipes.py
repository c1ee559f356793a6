"""Recipes by their names, and runs as arguments of commands."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Annotated

from tyro import conf

import huashi.recipes

RUN = Annotated[Path, conf.arg(metavar="RUN")]
"""A run folder, as an argument of a command."""


def recipe_names() -> list[str]:
    """The modules in the folder of recipes; the folder is the only registry."""
    modules = pkgutil.iter_modules(huashi.recipes.__path__)
    return [module.name for module in modules if not module.name.startswith("_")]


def recipe_named(name: str) -> ModuleType:
    if name not in recipe_names():
        raise ValueError(f"there is no recipe {name!r} here; there are {', '.join(recipe_names())}")
    return importlib.import_module(f"huashi.recipes.{name}")


def slim_names() -> list[str]:
    """The recipes that train a network to zero channels."""
    return [name for name in recipe_names() if name.startswith("slim_")]


def first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0]
