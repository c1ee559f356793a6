"""A call tried out: does it hand each channel on by itself?

It does if from a part of the channels it gives the same part of what it gives from all of them.
Then the result's channels are those of the arguments, and what it makes of constant ones is
constant.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from huashi.regularization.coupling.channel_facts import Fact, Network, Opaque, Raw, Size
from huashi.regularization.coupling.channel_labels import Channels, along, constant_along

_PRODUCTS = {"mul", "imul", "mul_", "multiply"}

Again = Callable[[fx.Node, dict[fx.Node, Any]], Any]
"""Runs a node with other values for some of its arguments."""


class Trial:
    """A call on a part of the channels, against the same part of its result on all of them.

    Args:
        network: of which the channels are.
        node: the call.
        read: what is known of its arguments.
        env: their values.
        again: runs the call.
    """

    def __init__(
        self,
        network: Network,
        node: fx.Node,
        read: dict[fx.Node, Fact],
        env: dict[fx.Node, Any],
        again: Again,
    ) -> None:
        self.network, self.node, self.read, self.env, self.again = network, node, read, env, again
        channels = {n: fact for n, fact in read.items() if isinstance(fact, Channels)}
        counts = {len(fact.labels) for fact in channels.values()} - {1}
        self.count = counts.pop() if len(counts) == 1 else 0
        self.followed = {n: x for n, x in channels.items() if len(x.labels) == self.count}
        self.sizes = {n: fact for n, fact in read.items() if isinstance(fact, Size)}
        self.raw = self._aligned()

    def run(self) -> Fact:
        """What is known of the result; None where it is not of single channels."""
        sizes = [size.of for size in self.sizes.values()]
        if not self.followed or any(isinstance(x, Opaque | tuple) for x in self.read.values()):
            return None
        if any(len(of.labels) != self.count for of in sizes):
            return None
        dims = self._dims()
        if dims is None:
            return None
        [first, *others] = self.followed.values()
        for x in (*others, *sizes):
            self.network.labels.unite(first.labels, x.labels)
        why = f"{words(self.node)} spreads it over other channels"
        for n, fact in self.read.items():
            if isinstance(fact, Channels) and n not in self.followed:
                self.network.labels.pin(fact.labels, why)
            elif n in self.raw:
                self.network.axis(self.read[n].tensor, self.raw[n], first.labels, writes=True)
            elif isinstance(fact, Raw):
                self.network.freeze(fact.tensor, why)
        return self._constants(dims, first)

    def _aligned(self) -> dict[fx.Node, int]:
        """Parameters used as they are, and along which dimension they meet the channels."""
        found: dict[fx.Node, int] = {}
        raw = {n: fact for n, fact in self.read.items() if isinstance(fact, Raw)}
        for node, x in self.followed.items():
            dim = x.dim - self.env[node].ndim  # from the end, as broadcasting counts
            for n, fact in raw.items():
                shape = fact.tensor.shape
                if len(shape) >= -dim and shape[dim] == self.count:
                    found[n] = dim % len(shape)
        return found

    def _dims(self) -> Any:
        """Along which dimension of the result the channels run, and how; None where they do not."""
        dims = None
        generator = torch.Generator().manual_seed(0)
        for low in (-1.0, 1.0):  # of both signs, and positive
            order = torch.randperm(self.count, generator=generator)
            part = order[: (self.count + 1) // 2].sort().values
            full: dict[fx.Node, Any] = {}
            some: dict[fx.Node, Any] = {n: size.at(len(part)) for n, size in self.sizes.items()}
            for n, dim in self.raw.items():
                some[n] = self.env[n].index_select(dim, part)
            for n, x in self.followed.items():
                like = self.env[n]
                full[n] = (low + 2 * torch.rand(like.shape, generator=generator)).to(like.dtype)
                some[n] = full[n].index_select(x.dim, part)
            try:
                want, got = self.again(self.node, full), self.again(self.node, some)
                found = _same_part(want, got, part, self.count)
            except Exception:  # whatever the code says of fewer channels
                return None
            if found is None or (dims is not None and found != dims):
                return None
            dims = found
        return dims

    def _constants(self, dims: Any, first: Channels) -> Fact:
        """The result for constant channels, where it can be relied on."""
        full, large = self._filled(1), self._filled(2)
        known = torch.stack([x.known for x in self.followed.values()]).all(0)
        zeros = torch.stack([x.zero() for x in self.followed.values()])
        others = [
            n
            for n in self.node.all_input_nodes
            if n not in self.followed and not isinstance(self.read.get(n), Raw)
        ]
        numbers = [n for n in others if not isinstance(self.env[n], Tensor)]
        if len(numbers) < len(others):  # other inputs may be anything
            known = torch.zeros_like(known)
        elif numbers:  # they may differ at another size: only 0 that comes of 0 is sure
            known = zeros.all(0)
        product = zeros.any(0) & (name_of(self.node) in _PRODUCTS)

        def one(y: Any, at_twice: Any, dims: Any) -> Fact:
            if isinstance(y, tuple | list):
                return tuple(one(*some) for some in zip(y, at_twice, dims, strict=True))
            dim, order = dims
            index = order(self.count, y.shape[dim])
            same, value = constant_along(y, dim)
            if at_twice is not y and at_twice.shape[dim] == y.shape[dim]:
                also, twice = constant_along(at_twice, dim)
                same = same & also & torch.isclose(value, twice, rtol=1e-5, atol=0)
            fine = known[index] & same & (value == 0 if numbers else True)
            value = torch.where(product[index] | ~fine, 0, value)
            return Channels(dim, first.labels[index], fine | product[index], value)

        result = again = self.again(self.node, full)
        if bool(known.any()):
            try:  # a sum over time is no constant: it grows with the length
                again = self.again(self.node, large)
            except Exception:  # whatever the code says of another size: then there is none
                again = result
        return one(result, again, dims)

    def _filled(self, times: int) -> dict[fx.Node, Any]:
        """Arguments of which each channel is its constant, in all other dimensions so large."""
        return {
            n: along(x.value, x.dim, self.env[n].ndim).expand(
                [
                    size if dim == x.dim or size == 1 else times * size
                    for dim, size in enumerate(self.env[n].shape)
                ]
            )
            for n, x in self.followed.items()
        }


def _repeated(count: int, size: int) -> Tensor:
    """Each channel's elements side by side: what flattening gives."""
    return torch.arange(count).repeat_interleave(size // count)


def _tiled(count: int, size: int) -> Tensor:
    return torch.arange(count).repeat(size // count)


def _same_part(want: Any, got: Any, part: Tensor, count: int) -> Any:
    """The dimension of ``want`` along which it has ``part`` of its channels in ``got``."""
    if isinstance(want, tuple | list):
        found = [_same_part(w, g, part, count) for w, g in zip(want, got, strict=True)]
        return None if None in found or not found else found
    if not isinstance(want, Tensor) or want.ndim != got.ndim:
        return None
    want, got = want.double(), got.double()
    for dim, (size, less) in enumerate(zip(want.shape, got.shape, strict=True)):
        if less == size or size % count or less * count != size * len(part):
            continue
        for order in (_repeated, _tiled):
            index = torch.isin(order(count, size), part).nonzero()[:, 0]
            chosen = want.index_select(dim, index)
            if chosen.shape == got.shape and torch.allclose(
                chosen, got, rtol=1e-4, atol=1e-5, equal_nan=True
            ):
                return dim, order
    return None


def name_of(n: fx.Node) -> str:
    """Of a function or method."""
    return str(n.target) if isinstance(n.target, str) else n.target.__name__


def words(n: fx.Node) -> str:
    """How to call a node."""
    return f"{n.target!r}" if n.op == "call_module" else name_of(n)
