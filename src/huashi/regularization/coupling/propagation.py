"""Which channels of a model go together, and which are constant: one run along its graph.

Each channel of each activation carries a label. Labels are united where channels meet (in a sum, in
a parameter that several layers use, in a depthwise convolution), and kept where something reads
them that is not understood. Beside the label goes whether the channel is constant, and which number
it is, so that a reader can do without it.

Layers with weights have rules. All else is tried out: a call that gives the same channels from a
part of the channels as from all of them, hands each channel on by itself.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from huashi.regularization.coupling import layer_rules, sequence_rules
from huashi.regularization.coupling.channel_facts import Fact, Network, Opaque, Raw, Size
from huashi.regularization.coupling.channel_labels import Channels
from huashi.regularization.coupling.channelwise_trial import Trial, name_of, words
from huashi.regularization.coupling.composed_layers import parts_of
from huashi.regularization.coupling.layer_call import Call
from huashi.regularization.coupling.tracing import WHOLE, Example, hooked, kind_of, trace

_RULES = layer_rules.RULES | sequence_rules.RULES
_PIECES = {"chunk", "split"}
_JOINS = {"cat", "concat", "concatenate"}
IS_OUTPUT = "it is an output of the model"


def follow(model: nn.Module, example: Example) -> Network:
    """What the channels of a model do when it runs on an example, in evaluation.

    Raises:
        ValueError: the model cannot be traced.
    """
    twin = copy.deepcopy(model).eval().cpu()
    here = pytree.tree_map_only(Tensor, lambda x: x.detach().cpu().clone(), example)
    module, inputs = trace(twin, here)
    network = Network(twin)
    with torch.no_grad(), torch.random.fork_rng():
        _Follower(module, twin, network).run(*inputs)
    network.settle()
    return network


class _Follower(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, model: nn.Module, network: Network) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.model, self.network = model, network
        self.facts: dict[fx.Node, Fact] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.facts[n] = self._fact(n, result)
        for node in n.all_input_nodes:
            if isinstance(result, Tensor) and self.env[node] is result:  # changed in place
                self.facts[node] = self.facts[n]
        return result

    def _fact(self, n: fx.Node, result: Any) -> Fact:
        if n.op == "placeholder":
            return None
        if n.op == "get_attr":
            return Raw(result) if isinstance(result, Tensor) else None
        if n.op == "output":
            return self._pin(n, IS_OUTPUT)
        if n.op == "call_module":
            return self._module(n, result)
        return self._function(n, result)

    def _module(self, n: fx.Node, result: Any) -> Fact:
        path = "" if n.target == WHOLE else str(n.target)
        module = self.model.get_submodule(path)
        kind = kind_of(module, _RULES)
        if kind is not None:
            call = Call(self.network, path, module, result)
            call.inputs = len(n.all_input_nodes)
            values = [self.env[a] if isinstance(a, fx.Node) else None for a in n.args]
            call.shapes = [v.shape if isinstance(v, Tensor) else None for v in values]
            if all(name_of(user) == "getitem" for user in n.users):
                call.read = {user.args[1] for user in n.users if user.users}  # pyright: ignore[reportUnhashable]
            named = map_arg(n.kwargs, self.facts.get)
            return _RULES[kind](call, *map_arg(n.args, self.facts.get), **named)
        weights = [*module.parameters(), *module.buffers()]
        if all(p.numel() == 1 for p in weights) and not hooked(module):
            return self._try(n, result)
        what = f"{path!r} ({type(module).__name__})" if path else f"the {type(module).__name__}"
        if hooked(module):
            why = f"{what} is not followed: it has hooks, which are other code"
        elif hasattr(module, "parametrizations"):
            why = f"{what} is not followed: its weights are parametrized"
        else:
            why = f"{what} is not followed"
        for p in weights:
            self.network.freeze(p, why)
        return self._pin(n, why)

    def _function(self, n: fx.Node, result: Any) -> Fact:
        name = name_of(n)
        if name == "getattr" and n.args[1] in ("shape", "ndim", "dtype", "device", "is_cuda"):
            return self._size(n, lambda shape: shape) if n.args[1] == "shape" else None
        if name in ("dim", "ndimension", "numel") and n.op == "call_method":
            return None if name != "numel" else self._pin(n, "its size is used as a number")
        if name == "size":
            where = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim")
            return self._size(n, lambda shape: shape if where is None else shape[where])
        if name == "getitem" and isinstance(n.args[0], fx.Node):
            fact, place = self.facts.get(n.args[0]), n.args[1]
            if isinstance(fact, tuple) and isinstance(place, int):
                return fact[place]
            if isinstance(fact, Opaque) and fact.parts and isinstance(place, int):
                return fact.parts[place]
        if name in _JOINS:
            return self._join(n, result)
        if name in _PIECES:
            return self._cut(n, result)
        if name == "glu":
            return self._gate(n, result)
        if name == "channel_shuffle":
            return self._shuffle(n, result)
        if n.target is parts_of:
            return self._parts(n)
        return self._try(n, result)

    def _size(self, n: fx.Node, pick: Callable[[Any], Any]) -> Fact:
        fact = self.facts.get(n.args[0])  # pyright: ignore[reportArgumentType]
        if not isinstance(fact, Channels):
            return self._pin(n, "its size is used as a number") if fact is not None else None
        shape = self.env[n.args[0]].shape  # pyright: ignore[reportArgumentType]
        return _size_or_none(
            fact, lambda k: pick(torch.Size([*shape[: fact.dim], k, *shape[fact.dim + 1 :]]))
        )

    def _pin(self, n: fx.Node, why: str) -> None:
        """Keep every channel that a node reads."""
        for node in n.all_input_nodes:
            self._keep(self.facts.get(node), why)

    def _keep(self, fact: Fact, why: str) -> None:
        if isinstance(fact, Channels):
            self.network.labels.pin(fact.labels, why)
        elif isinstance(fact, Size):
            self.network.labels.pin(fact.of.labels, why)
        elif isinstance(fact, Opaque):
            self.network.labels.pin(fact.labels, fact.why)
        elif isinstance(fact, Raw):
            self.network.freeze(fact.tensor, why)
        elif isinstance(fact, tuple):
            for part in fact:
                self._keep(part, why)

    def _try(self, n: fx.Node, result: Any) -> Fact:
        """What a call does with channels that it may hand on, each by itself."""
        read = {node: self.facts.get(node) for node in n.all_input_nodes}
        read = {node: fact for node, fact in read.items() if fact is not None}
        if not any(isinstance(fact, Channels | Size) for fact in read.values()):
            self._pin(n, f"{words(n)} is not followed") if read else None
            return None
        if all(isinstance(fact, Size) for fact in read.values()) and not isinstance(result, Tensor):
            return self._number(n, read)
        found = Trial(self.network, n, read, self.env, self.call).run()
        if found is None:
            self._pin(n, f"{words(n)} mixes or fixes channels")
        return found

    def _number(self, n: fx.Node, read: dict[fx.Node, Size]) -> Fact:
        [first, *others] = read.values()
        if any(not torch.equal(first.of.labels, other.of.labels) for other in others):
            return self._pin(n, "its size is used as a number")
        return _size_or_none(
            first.of, lambda k: self.call(n, {node: size.at(k) for node, size in read.items()})
        )

    def call(self, n: fx.Node, instead: dict[fx.Node, Any]) -> Any:
        """Run a node again, with other values."""

        def value(node: fx.Node) -> Any:
            given = instead.get(node, self.env[node])
            return given.clone() if isinstance(given, Tensor) else given

        args, kwargs = map_arg(n.args, value), map_arg(n.kwargs, value)
        return getattr(self, n.op)(n.target, args, kwargs)

    def _join(self, n: fx.Node, result: Tensor) -> Fact:
        tensors: Any = n.args[0] if n.args else n.kwargs["tensors"]
        dim = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim", 0)
        if not isinstance(tensors, list | tuple) or not isinstance(dim, int):
            return self._pin(n, "cat is not followed")
        facts = [self.facts.get(node) for node in tensors]
        dim %= result.ndim
        if not any(isinstance(fact, Channels) and fact.dim == dim for fact in facts):
            return self._try(n, result)
        pieces = []
        for node, fact in zip(tensors, facts, strict=True):
            if isinstance(fact, Channels) and fact.dim == dim:
                pieces.append(fact)
                continue
            self._keep(fact, "cat is not followed")
            labels = self.network.labels.fresh(self.env[node].shape[dim])
            self.network.labels.pin(labels, "cat puts it beside other channels")
            pieces.append(_unknown(dim, labels, result))
        return Channels(
            dim,
            torch.cat([piece.labels for piece in pieces]),
            torch.cat([piece.known for piece in pieces]),
            torch.cat([piece.value for piece in pieces]),
        )

    def _cut(self, n: fx.Node, result: Any) -> Fact:
        """Channels in pieces, by chunk or split."""
        x = self.facts.get(n.args[0])  # pyright: ignore[reportArgumentType]
        dim = n.args[2] if len(n.args) > 2 else n.kwargs.get("dim", 0)
        if not isinstance(x, Channels) or dim % result[0].ndim != x.dim:
            return self._try(n, result)
        sizes = [piece.shape[x.dim] for piece in result]
        size = n.args[1] if len(n.args) > 1 else None
        follows = name_of(n) == "chunk" or isinstance(self.facts.get(size), Size)  # pyright: ignore[reportArgumentType]
        if not follows or len(set(sizes)) > 1:
            return self._pin(n, f"{words(n)} fixes sizes")
        self.network.equal.append(x.labels.reshape(len(sizes), -1))
        places = torch.arange(len(x.labels)).reshape(len(sizes), -1)
        return tuple(x.take(index, x.dim) for index in places)

    def _gate(self, n: fx.Node, result: Tensor) -> Fact:
        x = self.facts.get(n.args[0])  # pyright: ignore[reportArgumentType]
        dim = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim", -1)
        if not isinstance(x, Channels) or dim % result.ndim != x.dim:  # pyright: ignore[reportOperatorIssue]
            return self._try(n, result)
        return layer_rules.gate(self.network, x)

    def _parts(self, n: fx.Node) -> Fact:
        """Channels in pieces of which each may become smaller by itself."""
        x: Any = self.facts.get(n.args[0])  # pyright: ignore[reportArgumentType]
        sizes: Any = n.args[1]
        if not isinstance(x, Channels) or x.dim != 1:
            return self._pin(n, "split is not followed") if x is not None else None
        return tuple(x.take(index, x.dim) for index in torch.arange(len(x.labels)).split(sizes))

    def _shuffle(self, n: fx.Node, result: Tensor) -> Fact:
        x = self.facts.get(n.args[0])  # pyright: ignore[reportArgumentType]
        groups = n.args[1] if len(n.args) > 1 else n.kwargs.get("groups")
        if not isinstance(x, Channels) or x.dim != 1 or not isinstance(groups, int):
            return self._try(n, result)
        return layer_rules.shuffle(self.network, x, groups)


def _size_or_none(of: Channels, at: Callable[[int], Any]) -> Size | None:
    """A number only where it depends on how many channels there are."""
    count = len(of.labels)
    return None if count == 1 or at(count) == at(count - 1) else Size(of, at)


def _unknown(dim: int, labels: Tensor, like: Tensor) -> Channels:
    return Channels(
        dim, labels, torch.zeros(len(labels), dtype=torch.bool), like.new_zeros(len(labels))
    )
