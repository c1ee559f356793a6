"""Commands for networks that get smaller: ``huashi slim`` and ``path``."""

from pathlib import Path
from typing import Any

from huashi.commands._recipes import RUN, recipe_names, recipe_of
from huashi.commands._tables import print_tables
from huashi.recipes import SlimRecipe
from huashi.run import open_run
from huashi.run.task import NETWORK


def slim(
    run: RUN,
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
        run: folder of a finished run of a network that learned to have zero channels.
        folder: of the new run; by default that of the run with -slim at its end.
        round_to: channels that stay in a layer are a multiple of this, as hardware likes it.
        fine_tune: steps to train the small network on without a penalty; 0 for none, by default as
            the run was configured.
    """
    from huashi.recipes import _slimming

    opened = open_run(run)
    if opened.task != NETWORK:
        known = " or ".join(recipe_names("PATH", "POINT_STEPS"))
        raise ValueError(f"{run} must be a run of {known}, got {opened.recipe}")
    folder = folder or run.with_name(f"{run.absolute().name}-slim")
    recipe: Any = recipe_of(opened)
    new = _slimming.slim(recipe, opened, folder, round_to=round_to, fine_tune=fine_tune)
    print_tables(_slimming.tables(new.results or {}))
    print(f"model: {new.path('model.safetensors')}\nreport: {new.path('report.html')}")


def path(
    recipe: SlimRecipe,
    name: str,
    config: Any,
    strengths: tuple[float, ...],
    point_steps: int,
) -> None:
    """Train along a path of strengths; the same command goes on with one that was interrupted."""
    from huashi.recipes import _slimming

    run = _slimming.path(recipe, name, config, strengths, point_steps)
    print_tables([(run.results or {})["points"]])
    print(f"report: {run.path('report.html')}")
