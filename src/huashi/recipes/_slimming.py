"""What ``huashi slim`` and ``huashi path`` do with a recipe that trains a network to zeros."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from huashi import report
from huashi._checks import check_not_negative, check_positive
from huashi._seeds import torch_seed
from huashi.recipes import SlimRecipe, _slim
from huashi.recipes._slim import Data
from huashi.regularization import Report, compact, export_program, save_compact
from huashi.run import Clock, Progress, Run, interruptible
from huashi.run.task import NETWORK, NETWORKS

LATENCY = 1, 64  # batch sizes


def slim(
    recipe: SlimRecipe, run: Run, folder: Path, *, round_to: int, fine_tune: int | None
) -> Run:
    """Take the zero channels out of a finished run, into a run folder of its own.

    It holds ``model.safetensors``, with the sizes of the layers as JSON in its header, and
    ``model.pt2``, a program that torch runs without our code.

    Args:
        recipe: that of the run.
        run: a finished one.
        folder: of the new run.
        round_to: channels that stay are a multiple of this.
        fine_tune: steps to train the small model on; as configured by default.

    Raises:
        ValueError: the run is not finished or slimmed already, or the folder holds another one.
    """
    check_positive("round_to", round_to)
    if "compact" in run.model:
        raise ValueError(f"{run.folder} is slimmed already")
    if run.results is None:
        raise ValueError(f"{run.folder} is not finished: huashi train {run.recipe} goes on with it")
    config = run.configuration(recipe.Config)
    steps = config.fine_tune_steps if fine_tune is None else fine_tune
    check_not_negative("fine_tune", steps)
    how = {"round_to": round_to, "fine_tune": steps}
    new = Run.start(folder, run.recipe, config, run.model | {"compact": how}, task=NETWORK)
    if new.results is not None:
        if new.model.get("compact") != how:
            raise ValueError(f"{folder} holds another run: choose another folder")
        return new

    torch.set_num_threads(config.threads)
    data = recipe.read(config)
    model = _slim.open_model(run, config, data.classes).eval()
    found = compact(model, data.validation.images[:64], round_to=round_to, latency=LATENCY)
    rows = [_row("trained", model, data, found.report, 0)]
    rows.append(_row("compacted", found.model, data, found.report, 1))
    if steps:
        Progress(f"slim {run.recipe}", steps).note(f"{steps} steps of the small network")
        _slim.fine_tune(found.model, data, config, steps)
        rows.append(_row("trained on", found.model, data, found.report, 1))
    found.model.eval()
    save_compact(new.path("model.safetensors"), found.model)
    export_program(new.path("model.pt2"), found.model, data.validation.images[:2])
    results = {
        "scores": rows,
        "compaction": [_summary(run.results, found.report)],
        "layers": _channels(found.report),
        "report": found.report.to_dict(),
    }
    _write_report(new, results)
    new.complete(results)
    return new


def tables(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What of the results of :func:`slim` is worth printing."""
    return [results["scores"], results["compaction"], results["layers"]]


def _row(name: str, model: nn.Module, data: Data, told: Report, which: int) -> dict[str, Any]:
    with torch.no_grad():
        zeros = sum(int((p == 0).sum()) for p in model.parameters())
    return {
        "model": name,
        "test, %": _slim.accuracy(model, data.test),
        "parameters": sum(p.numel() for p in model.parameters()),
        "of them 0": zeros,
        "MFLOPs an image": round(told.flops[which] / 64 / 1e6, 3),
        **{f"ms, batch {b}": round(1e3 * pair[which], 3) for b, pair in told.latency.items()},
    }


def _summary(trained: dict[str, Any], told: Report) -> dict[str, Any]:
    [before] = trained["scores"]
    return {
        "zero groups": f"{before['zero groups']} of {before['groups']}",
        "KKT gap": before["KKT gap"],
        "max |difference|": f"{told.difference:.1e}",
        "fewer FLOPs, %": round(100 * (1 - told.flops[1] / told.flops[0]), 1),
        **{f"times as fast, batch {b}": round(p[0] / p[1], 2) for b, p in told.latency.items()},
    }


def _channels(told: Report) -> list[dict[str, Any]]:
    """Of each layer that became smaller, how many channels it makes."""
    return [
        {
            "layer": change.name,
            "before": change.before["weight"][0],
            "after": change.after["weight"][0],
        }
        for change in told.layers
        if len(change.after.get("weight", ())) > 1
    ]


def _write_report(run: Run, results: dict[str, Any]) -> Path:
    whole = {row["layer"]: row["before"] for row in results["layers"]}
    left = {row["layer"]: row["after"] for row in results["layers"]}
    caption = "What each layer makes: in red what is left, of all"
    pictures = {caption: report.parts_of(left, whole, "channels")}
    return report.write_report(
        run.folder,
        f"A smaller network: {run.recipe}",
        {
            "Before and after": "".join(map(report.table_html, tables(results)[:2])),
            "Layers": pictures if whole else "<p>no channel was zero</p>",
            "Latency": "<p>Milliseconds a call, medians of interleaved calls on "
            f"{run.config['threads']} thread(s).</p>",
        },
    )


def path(recipe: SlimRecipe, name: str, config: Any, strengths: Sequence[float], steps: int) -> Run:
    """Accuracy and latency by strength of the penalty, each started from the one before.

    The first is trained without a penalty, as long as the recipe trains; the path goes upwards, as
    a network at zero has no gradient to leave it by. Each point is compacted, trained on for
    ``fine_tune_steps`` and measured; an interrupted path goes on.

    Args:
        recipe: that of ``config``.
        name: of the recipe.
        config: of it; ``strength`` is not used.
        strengths: of the group lasso, rising.
        steps: of each of them.
    """
    check_positive("point_steps", steps)
    finite = all(map(math.isfinite, strengths))
    rise = sorted(set(strengths)) == list(strengths)
    if not strengths or not finite or not rise or strengths[0] <= 0:
        raise ValueError(f"strengths must be finite, above 0 and rise, got {list(strengths)}")
    data = recipe.read(config)
    how = {"strengths": list(strengths), "point_steps": steps}
    shape = {"kind": "path", "classes": data.classes, "path": how}
    run = Run.start(config.folder, f"{name} path", config, shape, task=NETWORKS)
    if run.model.get("path") != how:
        raise ValueError(f"{config.folder} holds another path: choose another folder")
    if run.results is not None:
        return run

    torch.set_num_threads(config.threads)
    model = _slim.model_of(config, data.classes)
    between = torch.optim.SGD(model.parameters())  # each point begins with an optimiser of its own
    done, _ = run.resume(model, between)
    points = [0.0, *strengths]
    progress, clock = Progress(f"path {name}", len(points)), Clock(run)
    if done:
        progress.note(f"going on after {done} of {len(points)} points")
    with interruptible() as interrupted:
        for number, strength in list(enumerate(points, 1))[done:]:
            torch.manual_seed(torch_seed(config.seed))
            count = steps if strength else config.steps
            row = _point(model, data, config, strength, count)
            run.log(step=number, split="test", **row, seconds=clock.seconds())
            run.save_checkpoint(model, between, number, best=0.0)
            progress.note(f"{number} of {len(points)}: {row['test, %']} % at strength {strength:g}")
            if interrupted() and number < len(points):
                raise KeyboardInterrupt
    run.save_model(model)
    left_out = ("step", "split", "seconds")
    rows = [{k: v for k, v in row.items() if k not in left_out} for row in run.metrics()]
    results = {"seconds": clock.seconds(), "points": rows}
    report.write_report(
        run.folder,
        f"Accuracy against latency: {name}",
        {
            "Path": {
                f"Batch of {batch}, on {config.threads} thread(s); a dot is a strength": (
                    path_picture(rows, batch)
                )
                for batch in LATENCY
            },
            "Points": report.table_html(rows),
        },
    )
    run.complete(results)
    return run


def path_picture(rows: Sequence[dict[str, Any]], batch: int) -> bytes:
    """Accuracy over the share of the dense network's latency that is left, as PNG."""
    points = [(100 / row[f"times as fast, batch {batch}"], row["test, %"]) for row in rows]
    lines = {"group lasso": points}
    return report.trade_off(lines, "latency, % of the dense network's", "test accuracy, %")


def _point(
    model: nn.Module, data: Data, config: Any, strength: float, steps: int
) -> dict[str, Any]:
    """Train on with a strength; what a compact copy then scores."""
    optimizer = _slim.penalised(model, data.example, config, strength, 0)
    _slim.train_steps(model, optimizer, data, config, steps)
    groups = [one for one, _ in optimizer.penalties]
    zeros = sum(int(one.zeros().sum()) for one in groups)
    twin = copy.deepcopy(model).eval()
    found = compact(twin, data.validation.images[:64], round_to=8, latency=LATENCY)
    if config.fine_tune_steps and strength:
        _slim.fine_tune(found.model, data, config, config.fine_tune_steps)
    told = found.report
    return {
        "strength": strength,
        "test, %": _slim.accuracy(found.model, data.test),
        "validation, %": _slim.accuracy(found.model, data.validation),
        "zero groups": f"{zeros} of {sum(map(len, groups))}",
        "parameters": told.parameters[1],
        "fewer FLOPs, %": round(100 * (1 - told.flops[1] / told.flops[0]), 1),
        **{f"ms, batch {b}": round(1e3 * p[1], 3) for b, p in told.latency.items()},
        **{f"times as fast, batch {b}": round(p[0] / p[1], 2) for b, p in told.latency.items()},
    }
