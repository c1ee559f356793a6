"""Channels that come and go together: a label each, united where they meet."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(eq=False)
class Channels:
    """What is known of a tensor of which one dimension is followed."""

    dim: int
    labels: Tensor
    """(C,), of each channel."""
    known: Tensor
    """(C,), whether the channel is the same number everywhere, whatever the input."""
    value: Tensor
    """(C,), that number."""

    def zero(self) -> Tensor:
        return self.known & (self.value == 0)

    def take(self, index: Tensor, dim: int) -> "Channels":
        return Channels(dim, self.labels[index], self.known[index], self.value[index])


@dataclass(eq=False)
class Axes:
    """A tensor of the model, seen with some of its dimensions as channels."""

    shape: tuple[int, ...]
    """Of the view: that of the tensor, with one dimension split."""
    split: tuple[int, int] = (0, 1)
    """Which dimension is split, and into how many."""
    labels: dict[int, Tensor] = field(default_factory=dict)
    """Of the dimensions of the view that are channels."""
    written: set[int] = field(default_factory=set)
    """Those that write the channels; the others read them."""

    def cut(self, tensor: Tensor, keep: Tensor) -> Tensor:
        """What is left of a tensor of this shape where ``keep`` tells each label's fate."""
        view = tensor.reshape(self.shape)
        for dim, labels in self.labels.items():
            view = view.index_select(dim, keep[labels].nonzero()[:, 0].to(view.device))
        dim, count = self.split
        return view.flatten(dim, dim + count - 1) if count > 1 else view


@dataclass(eq=False)
class GroupedAxes:
    """The weight of a grouped convolution, (groups * rows, columns, ...)."""

    rows: Tensor
    """(groups, rows of each): labels of the first dimension."""
    columns: Tensor
    """(groups, columns of each): labels of the second, which differ by group."""

    def cut(self, tensor: Tensor, keep: Tensor) -> Tensor:
        pieces = []
        whole = tensor.reshape(*self.rows.shape, *tensor.shape[1:])
        for piece, rows, columns in zip(whole, keep[self.rows], keep[self.columns], strict=True):
            if rows.any():
                pieces.append(piece[rows.to(piece.device)][:, columns.to(piece.device)])
        return torch.cat(pieces)


class Labels:
    """Which channels are one, and what speaks against removing them."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._pins: list[tuple[Tensor, str]] = []
        self._blocks: list[tuple[Tensor, str]] = []

    def __len__(self) -> int:
        return len(self._parents)

    def fresh(self, count: int) -> Tensor:
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return torch.arange(start, start + count)

    def unite(self, some: Tensor, others: Tensor) -> None:
        """From now on, each of ``some`` is one with that of ``others`` at the same place."""
        for a, b in zip(some.flatten().tolist(), others.flatten().tolist(), strict=True):
            a, b = self._root(a), self._root(b)
            self._parents[max(a, b)] = min(a, b)

    def pin(self, labels: Tensor, why: str) -> None:
        """Keep these, whatever the weights are."""
        self._pins.append((labels.flatten(), why))

    def block(self, labels: Tensor, why: str) -> None:
        """Keep these, as the weights are."""
        if labels.numel():
            self._blocks.append((labels.flatten(), why))

    def roots(self) -> Tensor:
        """(labels,): the first of those that are one with each."""
        return torch.tensor([self._root(i) for i in range(len(self))], dtype=torch.long)

    def pinned(self) -> dict[int, str]:
        """Roots to be kept, and why."""
        return self._reasons(self._pins)

    def blocked(self) -> dict[int, str]:
        return self._reasons(self._blocks)

    def _reasons(self, told: Iterable[tuple[Tensor, str]]) -> dict[int, str]:
        reasons: dict[int, str] = {}
        for labels, why in told:
            for label in labels.tolist():
                reasons.setdefault(self._root(label), why)
        return reasons

    def _root(self, label: int) -> int:
        parents = self._parents
        while parents[label] != label:
            parents[label] = parents[parents[label]]
            label = parents[label]
        return label


def along(line: Tensor, dim: int, ndim: int) -> Tensor:
    """(C,) as a tensor of ``ndim`` dimensions with C at ``dim`` and 1 elsewhere."""
    return line.reshape([-1 if i == dim % ndim else 1 for i in range(ndim)])


def constant_along(y: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Which channels along ``dim`` are one number, and that number: (C,) each.

    Up to rounding: a mean of many equal numbers is one of them only nearly.
    """
    lines = (y if y.is_floating_point() else y.float()).movedim(dim, 0).flatten(1)
    low, high, eps = lines.amin(1), lines.amax(1), torch.finfo(lines.dtype).eps
    return (high - low) <= 4 * eps * torch.maximum(low.abs(), high.abs()), lines[:, 0]
