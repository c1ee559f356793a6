"""Architectures of ``transformers`` before and after :func:`huashi.accelerate`.

    python -m benchmarks.accelerate_models
    python -m benchmarks.accelerate_models --only ResNet RT-DETR --no-speed

Each has random weights, made without the network. A small one is checked, two images or recordings
at a time: outputs and gradients, what ``torch.export`` makes of it with those sizes of the input
dynamic that the model allows, and the operators of its ONNX file. Then a model of ordinary size is
timed for inference of one input, with and without acceleration in turns.
"""

import argparse
import copy
import logging
import warnings
from collections import Counter
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from benchmarks.architectures import ARCHITECTURES, Architecture, Inputs
from benchmarks.harness import compare, machine, save, saved, threads_of
from huashi import accelerate, acceleration

POOLS = "MaxPool", "AveragePool", "GlobalAveragePool"  # of ONNX
APART = "outputs_apart", "gradients_apart"
CHECKED = "accelerated", "left", *APART, "dynamic", "onnx"


def build(architecture: Architecture, small: bool) -> nn.Module:
    import transformers

    kind = getattr(transformers, architecture.name)
    settings = architecture.settings | (architecture.small if small else {})
    torch.manual_seed(0)
    return kind(kind.config_class(**settings)).eval()


def tensors(output: Any) -> list[Tensor]:
    """The floating-point tensors in what a model returns."""
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    if not isinstance(output, dict | tuple | list):
        return []
    parts = output.values() if isinstance(output, dict) else output
    return [tensor for part in parts for tensor in tensors(part)]


def outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    torch.manual_seed(0)  # some draw what they attend to
    with torch.no_grad():
        return tensors(model(**inputs))


def gradients(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Of the inputs, in one piece, and of all parameters, in one piece, from all outputs."""
    torch.manual_seed(0)
    inputs = {name: x.clone().requires_grad_() for name, x in inputs.items()}
    found = [y for y in tensors(model(**inputs)) if y.requires_grad]
    draw = torch.Generator().manual_seed(1)
    torch.autograd.backward(found, [torch.randn(y.shape, generator=draw) for y in found])
    both = inputs.values(), model.parameters()
    return [torch.cat([x.grad.flatten() for x in of if x.grad is not None]) for of in both]


def difference(got: list[Tensor], want: list[Tensor]) -> float:
    """The largest difference of a tensor, relative to the tensor's largest element."""
    worst = 0.0
    for ours, theirs in zip(got, want, strict=True):
        if not torch.equal(ours, theirs):
            apart = torch.where(ours == theirs, 0, ours - theirs).abs().max()
            worst = max(worst, (apart / theirs.abs().max()).item())
    return worst


class Made(NamedTuple):
    """What exporters make of a model."""

    graph: str
    """Of ``torch.export``."""
    dynamic: int
    """How many sizes of the inputs are free in it."""
    operators: Counter | None
    """How often the ONNX file has each."""


def program(model: nn.Module, inputs: Inputs, dims: tuple[int, ...], to_onnx: bool) -> Made:
    """By ``torch.onnx.export``, which begins with ``torch.export``, or by the latter alone."""
    sizes = {name: dict.fromkeys(dims, Dim.AUTO) for name, x in inputs.items()}
    if to_onnx:
        options = {"kwargs": inputs, "dynamic_shapes": sizes, "optimize": False, "verbose": False}
        made = torch.onnx.export(model, (), dynamo=True, **options)
        assert made is not None  # as it would be by the older exporter
        operators = Counter(node.op_type for node in made.model.graph.all_nodes())
        exported = made.exported_program
    else:
        exported = torch.export.export(model, (), inputs, dynamic_shapes=sizes, strict=False)
        operators = None
    ranges = exported.range_constraints.values()
    free = sum(each.lower != each.upper for each in ranges)
    return Made(str(exported.graph), free, operators)


def files(model: nn.Module, ours: nn.Module, inputs: Inputs, dims: tuple[int, ...]) -> Made | None:
    """The same of a model and of the accelerated one, or None where the model fails by itself.

    Raises:
        RuntimeError: another thing is made of the accelerated model.
    """
    for to_onnx in (True, False):
        try:
            before = program(model, inputs, dims, to_onnx)
        except Exception as problem:
            print(f"  {to_onnx=}: the model fails by itself, {type(problem).__name__}", flush=True)
            continue
        after = program(ours, inputs, dims, to_onnx)
        if before != after:
            raise RuntimeError("exports must be the same before and after acceleration")
        return after
    return None


def check(architecture: Architecture, model: nn.Module) -> dict[str, Any]:
    """How acceleration changes a small model, and how not."""
    ours = accelerate(copy.deepcopy(model))
    found = acceleration(ours)
    inputs = architecture.inputs(2, architecture.small_size)
    row = {
        "accelerated": len(found.accelerated),
        "left": found.left,
        APART[0]: difference(outputs(ours, inputs), outputs(model, inputs)),
        APART[1]: difference(gradients(ours, inputs), gradients(model, inputs)),
    }
    made = files(model, ours, inputs, architecture.dynamic)
    operators = made and made.operators
    return row | {
        "dynamic": made and made.dynamic,
        "onnx": operators and {name: operators[name] for name in POOLS if name in operators},
    }


def speed(architecture: Architecture, rounds: int | None) -> dict[str, Any]:
    """Times of inference in turns."""
    model = build(architecture, small=False)
    ours = accelerate(copy.deepcopy(model))
    inputs = architecture.inputs(1, architecture.size)
    runs = {
        "torch": lambda: outputs(model, inputs)[0],
        "accelerated": lambda: outputs(ours, inputs)[0],
    }
    case = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "shape": list(next(iter(inputs.values())).shape),
    }
    theirs, row = compare(case, runs, peer="torch", device="cpu", rounds=rounds)
    return row | {"torch_us": theirs["median_us"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=ARCHITECTURES, nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, help="of each contender; else as time allows")
    parser.add_argument("--no-speed", action="store_true", help="only check")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    rows = []
    for name in args.only or ARCHITECTURES:
        architecture = ARCHITECTURES[name]
        row: dict[str, Any] = {"architecture": name, "class": architecture.name} | machine("cpu")
        row["transformers"] = version("transformers")
        try:
            model = build(architecture, small=True)
            outputs(model, architecture.inputs(2, architecture.small_size))
        except Exception as problem:
            rows.append(row | {"fails": f"{type(problem).__name__}: {problem}"})
            print(f"{name} fails by itself, {rows[-1]['fails']}", flush=True)
            continue
        row |= check(architecture, model)
        print(name, *(f"{key}={row[key]}" for key in CHECKED), sep="  ", flush=True)
        if not args.no_speed:
            row |= speed(architecture, args.rounds)
        rows.append(row)
    if not args.no_speed:  # of the others what was measured before
        known = {row["architecture"]: row for row in [*saved("accelerate-models"), *rows]}
        save("accelerate-models", [known[name] for name in ARCHITECTURES if name in known])


def table(rows: list[dict]) -> list[list[str]]:
    """What acceleration changes: nothing but rounding and the time.

    Noise is where the median of the ratios and the ratio of the medians are on two sides of 1.
    """
    lines = [
        [
            "architecture",
            "pools accelerated",
            "outputs apart",
            "gradients apart",
            "dynamic sizes in the export",
            "pools in the ONNX file",
            "torch, ms",
            "accelerated, ms",
            "times torch",
        ]
    ]
    for row in rows:
        if "fails" in row:
            continue
        left = [f"{name} {why}" for name, why in row["left"].items()]
        onnx = row["onnx"]
        agree = (row["torch_us"] > row["median_us"]) == (row["times_peer"] > 1)
        lines.append(
            [
                row["architecture"],
                "; ".join([f"{row['accelerated']} of {row['accelerated'] + len(left)}", *left]),
                *(f"{row[key]:.0e}" if row[key] else "0" for key in APART),
                "fails before too" if row["dynamic"] is None else str(row["dynamic"]),
                "fails before too" if onnx is None else str(sum(onnx.values())),
                *(f"{row[key] / 1e3:,.0f}" for key in ("torch_us", "median_us")),
                f"**{row['times_peer']:.2f}**" if agree else "noise",
            ]
        )
    return lines


def note(rows: list[dict]) -> str:
    failed = [row["architecture"] for row in rows if "fails" in row]
    left_out = f"; left out, for they fail by themselves: {', '.join(failed)}" if failed else ""
    return f"transformers {rows[0]['transformers']}{left_out}; {threads_of(rows)} of "


if __name__ == "__main__":
    main()
