"""A run of a copy of a model, in which operators and what modules return are counted."""

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from huashi._kernel.multiply_adds import flop_formulas
from huashi.convolution.cost_inputs import Inputs


@dataclass
class Tally:
    """What was counted of one module, without the modules inside of it."""

    calls: int = 0
    output: tuple[int, ...] = ()
    """Shape of the first tensor that the last call returned."""
    multiply_adds: int = 0
    activation_bytes: int = 0


@dataclass(frozen=True)
class CountedRun:
    """What is left of a run."""

    module: nn.Module
    """The copy that ran."""
    tallies: dict[str, Tally]
    """By the names of its modules."""


def run_on_meta(module: nn.Module, inputs: Inputs) -> CountedRun:
    """Run a copy whose tensors have shapes and no memory."""
    twin = _copy(module, _on_meta)
    with torch.device("meta"):
        return _run(twin, *inputs.on_meta())


def run_on_zeros(module: nn.Module, inputs: Inputs) -> CountedRun:
    """Run a copy on the device of the module.

    Layers that torch computes in one piece are taken apart, so that it can be seen what they do.
    """
    twin = _copy(module, _detached)
    with taken_apart():
        return _run(twin, *inputs.as_zeros())


@contextlib.contextmanager
def taken_apart() -> Iterator[None]:
    """Attention and recurrent layers are products of matrices within, not one operator each."""
    attention = torch.backends.mha.get_fastpath_enabled()
    cpu, cuda = torch._C._get_mkldnn_enabled(), torch.backends.cudnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(attention)
        torch._C._set_mkldnn_enabled(cpu)
        torch.backends.cudnn.enabled = cuda


def _copy(module: nn.Module, tensor: Any) -> nn.Module:
    """A deep copy in which ``tensor`` stands for each tensor that the modules hold."""
    memo: dict[int, Any] = {}
    for one in module.modules():
        for value in (*one._parameters.values(), *one._buffers.values(), *vars(one).values()):
            if isinstance(value, Tensor) and not is_lazy(value):
                memo.setdefault(id(value), tensor(value))
    return copy.deepcopy(module, memo)


def _on_meta(x: Tensor) -> Tensor:
    empty = torch.empty_like(x.detach(), device="meta")
    if isinstance(x, nn.Parameter):
        return nn.Parameter(empty, requires_grad=x.requires_grad)
    return empty


def _detached(x: Tensor) -> Tensor:
    """Also of what was computed from parameters, which cannot be copied deeply."""
    if isinstance(x, nn.Parameter):
        return nn.Parameter(x.detach().clone(), requires_grad=x.requires_grad)
    return x.detach().clone()


def _run(twin: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CountedRun:
    watch = _Watch(twin, (args, kwargs))
    devices = {t.device.index for t in twin.parameters() if t.device.type == "cuda"}
    with (
        torch.no_grad(),
        torch.random.fork_rng(devices),
        torch.compiler.set_stance("force_eager"),
        _Operators(watch),
    ):
        twin.eval()(*args, **kwargs)
    return CountedRun(twin, watch.tallies)


class _Watch:
    """Which module runs, and what each of them returns, by hooks."""

    def __init__(self, twin: nn.Module, inputs: Any) -> None:
        self.tallies = {name: Tally() for name, _ in twin.named_modules()}
        self.running = [self.tallies[""]]
        self.known = set()
        """The memory of tensors that were there before, or were counted."""
        self._new_bytes(inputs)
        for name, one in twin.named_modules():
            for tensor in (*one.parameters(recurse=False), *one.buffers(recurse=False)):
                self._new_bytes(tensor)
            tally = self.tallies[name]
            one.register_forward_pre_hook(self._enter(tally), prepend=True)
            one.register_forward_hook(self._leave(tally), always_call=True)

    def _enter(self, tally: Tally) -> Any:
        def enter(module: nn.Module, args: Any) -> None:
            self.running.append(tally)

        return enter

    def _leave(self, tally: Tally) -> Any:
        def leave(module: nn.Module, args: Any, result: Any) -> None:
            self.running.pop()
            tally.calls += 1
            tensors = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
            tally.output = tuple(tensors[0].shape) if tensors else ()
            tally.activation_bytes += self._new_bytes(tensors)

        return leave

    def _new_bytes(self, tensors: Any) -> int:
        """Bytes of tensors whose memory was not known; from now on it is."""
        size = 0
        for x in pytree.tree_leaves(tensors):
            if not isinstance(x, Tensor) or is_lazy(x):
                continue
            try:
                memory = StorageWeakRef(x.untyped_storage())
            except (NotImplementedError, RuntimeError):  # of kinds that have none
                memory = None
            if memory not in self.known:
                size += x.numel() * x.element_size()
            if memory is not None:
                self.known.add(memory)
        return size


class _Operators(TorchDispatchMode):
    """Counts for the module that runs; what has no formula is taken apart where torch can."""

    supports_higher_order_operators = True

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self.watch = watch
        self.formulas = flop_formulas()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        whole = isinstance(func, HigherOrderOperator)
        formula = self.formulas.get(func if whole else func.overloadpacket)
        if formula is None and not whole:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if formula is not None:
            self.watch.running[-1].multiply_adds += formula(*args, **kwargs, out_val=result) // 2
        return result
