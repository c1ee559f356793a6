"""What a layer reads and writes: one call of it.

A reader can do without a channel if its weights for it are zero, or if the channel is constant and
what it adds goes into the bias: wherever it adds the same, so not beside padding by zeros.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from huashi.regularization.coupling.channel_facts import Fact, Network, Opaque
from huashi.regularization.coupling.channel_labels import Axes, Channels, along, constant_along


@dataclass(eq=False)
class Call:
    """A layer that is called."""

    network: Network
    path: str
    module: Any
    result: Any = None
    shapes: list[torch.Size | None] = field(default_factory=list)
    """Of the arguments that are tensors."""
    inputs: int = 1
    """How many values of the graph it is given."""
    read: set[Any] | None = None
    """Which parts of the result are read; None: the result itself."""

    def keep(self, fact: Fact, why: str) -> None:
        """Keep what a fact tells of."""
        if isinstance(fact, Channels):
            self.network.labels.pin(fact.labels, why)
        elif isinstance(fact, Opaque):
            self.network.labels.pin(fact.labels, fact.why)
        elif isinstance(fact, tuple):
            for part in fact:
                self.keep(part, why)

    def inside(self, name: str) -> "Call":
        """A layer within this one."""
        path = f"{self.path}.{name}" if self.path else name
        return Call(self.network, path, self.module.get_submodule(name), None, self.shapes)

    @property
    def bias(self) -> str:
        """The name of the bias, also where there is none."""
        bias = getattr(self.module, "bias", None)
        own = f"{self.path}.bias" if self.path else "bias"
        return own if bias is None else self.network.name(bias)

    def followed(self, x: Fact, dim: int) -> Channels | None:
        """Channels that run along ``dim``; others are kept."""
        if isinstance(x, Channels) and x.dim == dim:
            return x
        self.keep(x, f"{self.path!r} reads it along another dimension")
        return None


def read_channels(call: Call, x: Channels, used: Tensor, *, fold: bool) -> tuple[Tensor, Tensor]:
    """Which channels a reader can do without, and what those that it would miss are."""
    gone = x.known & ((x.value == 0) | fold)
    stuck = used & ~gone
    constant = stuck & x.known
    why = f"{call.path!r} reads it as a constant that is not zero, where it cannot be folded"
    call.network.labels.block(x.labels[constant], why)
    call.network.labels.block(
        x.labels[stuck & ~constant], f"it is not constant where {call.path!r} reads it"
    )
    return gone, torch.where(gone & used, x.value, 0)


def write_channels(call: Call, dim: int, labels: Tensor, known: Tensor, value: Tensor) -> Channels:
    """Channels with the layer's bias on them."""
    network, bias = call.network, call.module.bias
    if bias is None:
        network.axes.setdefault(call.bias, Axes((len(labels),), labels={0: labels}, written={0}))
    else:
        network.axis(bias, 0, labels, writes=True)
        value = value + bias
    network.write(call.path, labels, known)
    return Channels(dim, labels, known, torch.where(known, value, 0))


def by_itself(call: Call, x: Channels) -> Channels:
    """A layer that makes each channel of one channel."""
    shape = call.result.shape
    y = call.module(along(x.value, x.dim, len(shape)).expand(shape).clone())
    same, value = constant_along(y, x.dim)
    known = x.known & same
    return Channels(x.dim, x.labels, known, torch.where(known, value, 0))


def is_used(weight: Tensor, dim: int) -> Tensor:
    """Along a dimension, where a weight is not all zero."""
    return (weight != 0).movedim(dim, 0).flatten(1).any(1)


def ndim_of(call: Call) -> int:
    """How many dimensions its first tensor has."""
    shape = next((shape for shape in call.shapes if shape is not None), None)
    result = call.result[0] if isinstance(call.result, tuple) else call.result
    return len(shape) if shape is not None else result.ndim
