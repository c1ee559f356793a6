"""What is known of a model's channels: filled in by the rules, read by who groups and cuts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from huashi.regularization.coupling.channel_labels import Axes, Channels, GroupedAxes, Labels

Fact = Any
"""Of a value in the graph: Channels, Raw, Size, Opaque, a tuple of these, or None."""


@dataclass(frozen=True, eq=False)
class Raw:
    """A parameter or buffer, used as it is."""

    tensor: Tensor


@dataclass(frozen=True, eq=False)
class Size:
    """A number, or several, that a count of channels is part of."""

    of: Channels
    at: Callable[[int], Any]
    """What it is where so many channels are left."""


@dataclass(frozen=True, eq=False)
class Opaque:
    """Something made of channels; they are kept where anything reads it."""

    labels: Tensor
    why: str
    parts: tuple[Fact, ...] = ()
    """What it consists of along its first dimension, which may be read."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Constant channels that a layer reads, to go into its bias."""

    weight: str
    labels: Tensor
    values: Tensor
    """(C,), 0 where there is nothing to add."""
    groups: int


@dataclass(eq=False)
class Network:
    """The channels of a model."""

    model: nn.Module
    labels: Labels = field(default_factory=Labels)
    axes: dict[str, Axes | GroupedAxes] = field(default_factory=dict)
    """By the name of a parameter or buffer; of a bias that there is not, too."""
    writers: dict[str, Tensor] = field(default_factory=dict)
    """By the name of a module: labels of the channels that it makes, in order."""
    constant: dict[str, Tensor] = field(default_factory=dict)
    """By the name of a module: which of these are constant as they are made."""
    equal: list[Tensor] = field(default_factory=list)
    """(pieces, labels): equally many stay in each piece."""
    grouped: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """(groups, rows) and (groups, columns): equally many of each in the groups that stay."""
    folds: dict[str, Fold] = field(default_factory=dict)
    """By the name of a bias."""
    heads: dict[str, Tensor] = field(default_factory=dict)
    """By the name of an attention module: labels of its heads."""
    groups: dict[str, Tensor] = field(default_factory=dict)
    """By the name of a module: labels, one of each group of its channels."""
    frozen: dict[str, str] = field(default_factory=dict)
    """Parameters of which no axis is to be cut, and why."""

    def __post_init__(self) -> None:
        self._names: dict[int, str] = {}
        for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers()):
            self._names.setdefault(id(tensor), name)

    def name(self, tensor: Tensor) -> str:
        """The first of the names that a parameter or buffer has."""
        return self._names.get(id(tensor), "")

    def axis(
        self,
        tensor: Tensor,
        dim: int,
        labels: Tensor | None = None,
        *,
        view: tuple[int, ...] = (),
        split: tuple[int, int] = (0, 1),
        writes: bool = False,
    ) -> Tensor:
        """The labels of a dimension of a tensor, one with ``labels`` where they are given."""
        shape = view or tuple(tensor.shape)
        axes = self.axes.setdefault(self.name(tensor), Axes(shape, split))
        if not isinstance(axes, Axes) or axes.shape != shape:
            self.freeze(tensor, "layers of different kinds share it")
            if labels is None:
                labels = self.labels.fresh(shape[dim])
            self.labels.pin(labels, "layers of different kinds share its weights")
            return labels
        if dim not in axes.labels:
            axes.labels[dim] = self.labels.fresh(shape[dim]) if labels is None else labels
        elif labels is not None:
            self.labels.unite(axes.labels[dim], labels)
        if writes:
            axes.written.add(dim)
        return axes.labels[dim]

    def freeze(self, tensor: Tensor, why: str) -> None:
        """Leave a parameter or buffer whole."""
        self.frozen.setdefault(self.name(tensor), why)

    def write(self, path: str, labels: Tensor, constant: Tensor) -> None:
        """A module makes these channels; some of them constant."""
        self.writers[path] = labels
        self.constant[path] = constant & self.constant.get(path, constant)

    def fold(self, bias: str, fold: Fold, path: str) -> None:
        """Note what goes into a bias; where two calls disagree, it stays."""
        other = self.folds.setdefault(bias, fold)
        if other.weight != fold.weight or len(other.values) != len(fold.values):
            differ = torch.ones_like(fold.values, dtype=torch.bool)
        else:
            differ = other.values != fold.values
        why = f"{path!r} reads it twice, as different constants"
        self.labels.block(fold.labels[differ & (fold.values != 0)], why)
        if len(other.values) == len(fold.values):
            self.labels.block(other.labels[differ & (other.values != 0)], why)

    def settle(self) -> None:
        """What is frozen keeps all its channels."""
        for name, why in self.frozen.items():
            axes = self.axes.get(name)
            if isinstance(axes, GroupedAxes):
                self.labels.pin(axes.rows, why)
                self.labels.pin(axes.columns, why)
            elif axes is not None:
                for labels in axes.labels.values():
                    self.labels.pin(labels, why)
