"""A smaller model with the same outputs: channels that add nothing are taken out.

A channel goes if all that reads it can do without: where its weights for it are zero, where the
channel is zero, or where it is constant and can go into a bias. What cannot go exactly stays, and
the report names it and says why.
"""

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from huashi._checks import check_positive
from huashi._wrappers import unwrapped
from huashi.regularization.compaction.cutting import cut
from huashi.regularization.compaction.report import Kept, Report, report
from huashi.regularization.coupling.channel_facts import Network
from huashi.regularization.coupling.propagation import follow
from huashi.regularization.coupling.tracing import Example, arguments
from huashi.regularization.penalties.lasso import GroupSquaredL2


@dataclass(frozen=True, eq=False)
class Compaction:
    """What :func:`compact` gives.

    Attributes:
        model: the smaller model.
        report: what was cut, and what stayed and why.
        optimizer: of the smaller model, with the state of the one that was given.
    """

    model: nn.Module
    report: Report
    optimizer: Any = None


def compact(
    model: nn.Module,
    example: Example,
    *,
    round_to: int = 1,
    optimizer: Any = None,
    penalties: Iterable[Any] = (),
    latency: Sequence[int] = (),
    tolerance: float = 1e-4,
) -> Compaction:
    """Take the channels, hidden units and heads out of a model that add nothing to its outputs.

    Args:
        model: any module that torch.fx can trace; it stays as it is. What wraps it, as
            ``torch.compile`` and data parallelism do, is left off.
        example: what it is called with: a tensor, a sequence of arguments, or named ones. The first
            dimension of every tensor is the batch where ``latency`` is measured.
        round_to: of channels that a layer makes, a multiple of this stays, as hardware likes it:
            some that are zero, if need be.
        optimizer: of the model's parameters; its state is cut along, to train on. What wraps it, as
            :class:`Proximal` does, is left off: its groups are those of the whole model.
        penalties: what the model was trained with, if not in a :class:`Proximal`, for a warning
            where it makes no zeros.
        latency: batch sizes at which to measure both models, as ``(1, 64)``.
        tolerance: the largest difference of an output on the example, relative to its largest
            element.

    Returns:
        the smaller model, the report, and the optimiser if one was given.

    Raises:
        ValueError: the model cannot be traced.
        RuntimeError: outputs differ, or no tensor is found in them; it is not known what the model
            does with its channels.

    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     _ = model[0].weight[1:].zero_(), model[0].bias[1:].zero_()
    >>> compact(model, torch.ones(1, 3)).model
    Sequential(
      (0): Linear(in_features=3, out_features=1, bias=True)
      (1): ReLU()
      (2): Linear(in_features=1, out_features=2, bias=True)
    )
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    check_positive("round_to", round_to)
    own = [penalty for _, penalty in getattr(optimizer, "penalties", [])]
    if any(isinstance(penalty, GroupSquaredL2) for penalty in (*penalties, *own)):
        message = "GroupSquaredL2 is weight decay and makes no group zero; GroupLasso does"
        warnings.warn(message, stacklevel=2)
    model = unwrapped(model)
    network = follow(model, example)
    keep, why = _decide(network, round_to)
    small, small_optimizer = copy.deepcopy((model, _innermost(optimizer)))
    small = cut(small, network, keep, small_optimizer)
    difference = _difference(model, small, example, tolerance)
    kept = _kept(network, keep, why)
    told = report(model, small, example, kept, difference, latency)
    return Compaction(small, told, small_optimizer)


def _decide(network: Network, round_to: int) -> tuple[Tensor, dict[int, str]]:
    """Which labels stay, and why those that are constant do."""
    roots = network.labels.roots()
    why = network.labels.pinned() | {}
    for root, reason in network.labels.blocked().items():
        why.setdefault(root, reason)
    kept = torch.zeros(len(roots), dtype=torch.bool)
    kept[list(why)] = True
    lines, pieces = _lines(network, roots), [roots[labels] for labels in network.equal]
    made = [roots[labels] for name, labels in network.writers.items() if "(" not in name]
    grouped = [(roots[rows], roots[columns]) for rows, columns in network.grouped]

    def fill(line: Tensor, count: int, reason: str) -> None:
        """Keep channels of a line until so many stay."""
        while int(kept[line].sum()) < min(count, len(line)):
            root = int(line[~kept[line]][0])
            kept[root] = True
            why[root] = reason

    before = -1
    while before != int(kept.sum()):
        before = int(kept.sum())
        for line in lines:
            fill(line, 1, "a layer needs one")
        for line in made:
            count = int(kept[line].sum())
            fill(line, -(-count // round_to) * round_to, f"rounded up to a multiple of {round_to}")
        for piece in pieces:
            for line in piece:
                fill(line, int(kept[piece].sum(1).max()), "others beside it need as many")
        for rows, columns in grouped:
            live = kept[rows].any(1) | kept[columns].any(1)
            for side in (rows[live], columns[live]):
                for line in side:
                    most = int(kept[side].sum(1).max())
                    fill(line, max(1, most), "its convolution has groups of equal size")
    return kept[roots], why


def _lines(network: Network, roots: Tensor) -> list[Tensor]:
    """All that must not become empty."""
    lines = {}
    for axes in network.axes.values():
        found = axes.labels.values() if hasattr(axes, "labels") else (axes.rows, axes.columns)  # pyright: ignore[reportAttributeAccessIssue]
        for labels in found:
            line = roots[labels.flatten()]
            lines[tuple(line.tolist())] = line
    return list(lines.values())


def _kept(network: Network, keep: Tensor, why: dict[int, str]) -> list[Kept]:
    """The channels that are constant and yet stay."""
    roots = network.labels.roots()
    found = []
    for name, constant in network.constant.items():
        labels = network.writers[name]
        counts: dict[str, int] = {}
        for label in labels[constant & keep[labels]].tolist():
            reason = why[int(roots[label])]
            counts[reason] = counts.get(reason, 0) + 1
        found += [Kept(name, count, reason) for reason, count in counts.items()]
    return found


def _innermost(optimizer: Any) -> Any:
    """The optimiser within what wraps it."""
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer


def _difference(model: nn.Module, small: nn.Module, example: Example, tolerance: float) -> float:
    """The largest difference of the outputs."""
    outputs = []
    for one in (model, small):
        args, kwargs = arguments(copy.deepcopy(example))
        twin = copy.deepcopy(one).eval()
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            found = _tensors(twin(*args, **kwargs))
        outputs.append([t if t.is_complex() else t.double() for t in found])
    if not outputs[0] or len(outputs[0]) != len(outputs[1]):
        raise RuntimeError("outputs must be tensors, or hold some, to be compared")
    most = 0.0
    for want, got in zip(*outputs, strict=True):
        if want.shape != got.shape:
            raise RuntimeError(f"compaction made {tuple(got.shape)} of {tuple(want.shape)}")
        if want.numel():
            same = (want == got) | (want.isnan() & got.isnan())
            away = float((want - got).abs().nan_to_num(nan=torch.inf).masked_fill(same, 0).max())
            most = max(most, away)
            if away > tolerance * float(want.abs().nan_to_num(nan=0.0, posinf=0.0).max()):
                raise RuntimeError(
                    f"outputs must stay, but differ by {away:.2g}: the model does something with "
                    "its channels that was not seen"
                )
    return most


def _tensors(output: Any) -> list[Tensor]:
    """The tensors in an output, also in objects that torch does not know to hold any."""
    found = []
    for leaf in pytree.tree_leaves(output):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif isinstance(leaf, Mapping):
            found += _tensors(list(leaf.values()))
        elif is_dataclass(leaf):
            found += _tensors([getattr(leaf, field.name) for field in fields(leaf)])
        elif hasattr(leaf, "__dict__") and not callable(leaf):
            found += _tensors(list(vars(leaf).values()))
    return found
