"""Commands for networks: ``huashi cost``, and ``slim`` and ``path``, which make them smaller."""

import json as json_format
from pathlib import Path
from typing import Annotated, Any

from tyro import conf

from huashi.commands._recipes import RUN, recipe_names, recipe_of
from huashi.commands._tables import print_tables
from huashi.recipes import SlimRecipe
from huashi.run import open_run
from huashi.run.task import NETWORK


def cost(
    model: Annotated[str, conf.arg(metavar="MODEL")],
    /,
    *,
    input: conf.UseAppendAction[tuple[tuple[int, ...], ...]] = (),
    dtype: str | None = None,
    json: bool = False,
) -> None:
    """Tell what a model costs: multiply-adds, parameters and bytes of activations of each layer.

    A multiplication and the addition that follows it count as one. A model that torch can run on
    shapes alone is not computed; any other runs once on zeros.

    Args:
        model: path/to/file.py:NAME or package.module:NAME, the name of a model, or of a function or
            class that makes one when it is called without arguments. The file is executed.
        input: shape of an input with its batch, such as 1 3 224 224; again for a second input.
        dtype: of the inputs, such as int64 for tokens; by default that of the model.
        json: write JSON instead of a table.
    """
    import torch

    from huashi.commands._user_code import line_of, model_named, where_it_failed
    from huashi.convolution import cost as cost_of

    if not input:
        raise ValueError("input must be given, such as --input 1 3 224 224")
    inputs: Any = input
    if dtype is not None:
        kind = getattr(torch, dtype, None)
        if not isinstance(kind, torch.dtype):
            raise ValueError(f"dtype must be one of torch, such as int64, got {dtype!r}")
        inputs = [torch.zeros(_sizes(shape), dtype=kind) for shape in input]
    network = model_named(model)
    try:
        report = cost_of(network, inputs)
    except ValueError as error:
        cause = error.__cause__
        if cause is None or line_of(cause) is None:
            raise
        raise ValueError(where_it_failed(cause)) from error
    print(json_format.dumps(report.to_dict(), indent=1) if json else report)


def _sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(size < 0 for size in shape):
        raise ValueError(f"input must be made of sizes >= 0, got {shape}")
    return shape


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
