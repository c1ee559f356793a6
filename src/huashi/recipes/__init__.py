"""Experiments that train, test and report, one file each; a file of your own is a recipe too.

What such a file has to have is :class:`Recipe`; for ``huashi slim`` and ``huashi path`` it is
:class:`SlimRecipe`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Protocol

import torch

from huashi.run import Run

REQUIRED = ("Config", "train", "evaluate", "tables")


class Recipe(Protocol):
    """What the file of a recipe has, beside a docstring whose first line says what it does."""

    Config: Any
    """A frozen dataclass: its fields are the options of ``huashi train``, their docstrings the
    help. One of them is ``folder``, of the run."""

    def train(self, config: Any, /) -> Run:
        """Train, test and complete the run, or go on with one that was interrupted.

        The run is begun by :meth:`huashi.run.Run.start`, which in a file of your own gets
        ``__file__`` as the name of the recipe, and ends with :meth:`huashi.run.Run.complete`.
        """
        ...

    def evaluate(self, run: Run, /, *, device: str | torch.device) -> Mapping[str, Any]:
        """Score the model of a run once more; what it finds can be written as JSON."""
        ...

    def tables(self, results: Any, /) -> Sequence[Sequence[Mapping[str, Any]]]:
        """The tables to print of what was found: each a list of rows, from column to value."""
        ...


class SlimRecipe(Recipe, Protocol):
    """A recipe whose network learns to have zero channels."""

    PATH: tuple[float, ...]
    """Strengths of the penalty for ``huashi path``, rising."""
    POINT_STEPS: int
    """Steps at each of them."""

    def read(self, config: Any, /) -> Any:
        """The images, as :class:`huashi.recipes._slim.Data`."""
        ...


def check_recipe(module: Any, name: str) -> Recipe:
    """The module, if it has what a recipe has.

    Args:
        module: of the recipe.
        name: its file, for the error.

    Raises:
        ValueError: something is missing, or its ``Config`` is no dataclass.
    """
    if missing := [part for part in REQUIRED if not hasattr(module, part)]:
        raise ValueError(
            f"{name} must have {', '.join(REQUIRED[:-1])} and {REQUIRED[-1]} to be a recipe, got "
            f"no {', '.join(missing)}"
        )
    if not (isinstance(module.Config, type) and is_dataclass(module.Config)):
        raise ValueError(f"Config of {name} must be a dataclass, got {module.Config!r}")
    if "folder" not in module.Config.__dataclass_fields__:
        raise ValueError(f"Config of {name} must have a field folder, of the run, got none")
    if not (module.__doc__ or "").strip():
        raise ValueError(f"{name} must begin with a docstring that says what it does, got none")
    return module
