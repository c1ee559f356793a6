"""What a compaction did: sizes, operations and measured times before and after."""

import copy
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from huashi._field_docs import with_field_docs
from huashi._kernel.multiply_adds import formulas_that_torch_lacks
from huashi.regularization.coupling.tracing import Example, arguments


@with_field_docs
@dataclass(frozen=True)
class Kept:
    """Channels that are constant and yet stay."""

    name: str
    """Of the layer that makes them."""
    count: int
    """How many they are."""
    why: str
    """What keeps them."""


@with_field_docs
@dataclass(frozen=True)
class Change:
    """A layer before and after."""

    name: str
    """In the model."""
    kind: str
    """The name of its class."""
    before: dict[str, list[int]]
    """Shapes of its parameters."""
    after: dict[str, list[int]]
    """Their shapes in the smaller model."""


@dataclass(frozen=True)
class Report:
    """What a compaction did; ``print`` shows it as a table. Pairs are before and after.

    Attributes:
        parameters: how many there are.
        zeros: parameters that are exactly zero.
        flops: of the example; a multiplication and an addition count one each.
        difference: the largest difference of the outputs on the example.
        layers: the layers that changed.
        kept: channels that are constant and yet stay, with the reason.
        latency: seconds by batch size, the median of interleaved runs.
    """

    parameters: tuple[int, int]
    zeros: tuple[int, int]
    flops: tuple[int, int]
    difference: float
    layers: list[Change] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    latency: dict[int, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"parameters  {self.parameters[0]:>12,} -> {self.parameters[1]:>12,}",
            f"of them 0   {self.zeros[0]:>12,} -> {self.zeros[1]:>12,}",
            f"FLOPs       {self.flops[0]:>12,} -> {self.flops[1]:>12,}",
        ]
        for batch, (before, after) in self.latency.items():
            lines.append(f"ms, {batch:<8}{1e3 * before:>12.3f} -> {1e3 * after:>12.3f}")
        lines.append(f"outputs differ by {self.difference:.2g}")
        for change in self.layers:
            shapes = ", ".join(
                f"{name} {tuple(change.before.get(name, ()))} -> {tuple(shape)}"
                for name, shape in change.after.items()
                if change.before.get(name) != shape
            )
            lines.append(f"{change.name} ({change.kind}): {shapes}")
        lines += [f"kept {kept.count} of {kept.name!r}: {kept.why}" for kept in self.kept]
        return "\n".join(lines)


def report(
    model: nn.Module,
    small: nn.Module,
    example: Example,
    kept: list[Kept],
    difference: float,
    latency: Sequence[int],
) -> Report:
    """Count and measure."""
    pair = model, small
    with torch.no_grad():
        zeros = [sum(int((p == 0).sum()) for p in one.parameters()) for one in pair]
    return Report(
        parameters=_pair(sum(p.numel() for p in one.parameters()) for one in pair),
        zeros=_pair(zeros),
        flops=_pair(_flops(one, example) for one in pair),
        difference=difference,
        layers=_changes(model, small),
        kept=kept,
        latency={batch: measure(model, small, example, batch) for batch in latency},
    )


def measure(
    model: nn.Module, small: nn.Module, example: Example, batch: int, seconds: float = 1.0
) -> tuple[float, float]:
    """Seconds per call of two models in evaluation: medians of interleaved runs.

    Args:
        model: the one.
        small: the other.
        example: what they are called with; the first of each tensor is repeated.
        batch: how often.
        seconds: about how long to measure.
    """
    args, kwargs = pytree.tree_map_only(
        Tensor,
        lambda x: x[:1].repeat(batch, *[1] * (x.ndim - 1)) if x.ndim else x,
        arguments(example),
    )
    twins = [copy.deepcopy(one).eval() for one in (model, small)]
    times: tuple[list[float], list[float]] = [], []
    with torch.inference_mode():
        for twin in twins * 2:
            twin(*args, **kwargs)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times[0]) < 5:
            for twin, found in zip(twins, times, strict=True):
                start = time.perf_counter()
                twin(*args, **kwargs)
                _wait()
                found.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _pair(two: Any) -> tuple[int, int]:
    before, after = two
    return before, after


def _flops(model: nn.Module, example: Example) -> int:
    args, kwargs = arguments(copy.deepcopy(example))
    formulas = formulas_that_torch_lacks()
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    with torch.no_grad(), counter:
        copy.deepcopy(model).eval()(*args, **kwargs)
    return counter.get_total_flops()


def _changes(model: nn.Module, small: nn.Module) -> list[Change]:
    after = dict(small.named_modules())
    found = []
    for name, module in model.named_modules():
        if name not in after:
            continue
        shapes = [
            {kind: list(p.shape) for kind, p in one.named_parameters(recurse=False)}
            for one in (module, after[name])
        ]
        if shapes[0] != shapes[1]:
            found.append(Change(name, type(after[name]).__name__, *shapes))
    return found
