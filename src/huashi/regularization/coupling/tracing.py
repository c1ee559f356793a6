"""A model as a graph of calls: modules of torch and of ``huashi.pooling`` whole, others inside.

torch.fx rather than torch.export: it keeps modules as modules, so that attention and recurrent
layers stay one call each and sizes that the code computes differ from those that it spells out.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from huashi.convolution.module import ConvModule
from huashi.regularization.coupling.composed_layers import parts_of, steps_of

Example = Tensor | Sequence[Any] | Mapping[str, Any]
"""What a model is called with: one argument, several, or named ones."""


def trace(model: nn.Module, example: Example) -> tuple[fx.GraphModule, list[Any]]:
    """The graph of a model, and what to run it with.

    Raises:
        ValueError: no graph can be made, since what the code does depends on values.
    """
    signature = inspect.signature(model.forward)
    args, kwargs = arguments(example)
    try:
        given = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ValueError(f"example must be what the model is called with: {error}") from None
    defaults = {
        name: p.default
        for name, p in signature.parameters.items()
        if name not in given.arguments and p.default is not p.empty
    }
    tracer = _Tracer()
    if tracer.is_leaf_module(model, ""):
        return _one_call(model, args, kwargs)
    try:
        graph = tracer.trace(model, concrete_args=defaults or None)
        module = fx.GraphModule(model, graph)
    except Exception as error:  # whatever the code does with what stands for a tensor
        line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"model must be one that torch.fx can trace, but: {line}") from error
    given.apply_defaults()
    inputs: list[Any] = []
    for name, p in signature.parameters.items():
        value = given.arguments[name]
        inputs += value if p.kind is p.VAR_POSITIONAL else [value]
    return module, inputs


PLAIN = "huashi.convolution.plain"
"""The module of torch's convolutions with more paddings."""
WHOLE = "whole"
"""The target of the one call, where a model is a layer of torch itself."""


def _one_call(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[fx.GraphModule, list[Any]]:
    graph = fx.Graph()
    unnamed = tuple(graph.placeholder(f"argument_{i}") for i in range(len(args)))
    named: dict[str, Any] = {name: graph.placeholder(name) for name in kwargs}
    graph.output(graph.call_module(WHOLE, unnamed, named))
    return fx.GraphModule({WHOLE: model}, graph), [*args, *kwargs.values()]


def arguments(example: Example) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments and named arguments of a call."""
    if isinstance(example, Mapping):
        return (), dict(example)
    if isinstance(example, Tensor):
        return (example,), {}
    if isinstance(example, Sequence):
        return tuple(example), {}
    raise TypeError(
        f"example must be a tensor, a sequence or a mapping, got {type(example).__name__}"
    )


def kind_of(module: nn.Module, kinds: Mapping[type[nn.Module], Any]) -> type[nn.Module] | None:
    """Which of these a module is: itself, or a subclass that computes the same."""
    own = type(module)
    if hooked(module) or hasattr(module, "parametrizations"):
        return None
    for kind in own.__mro__:
        if kind in kinds:
            methods = [name for name in ("forward", "_conv_forward") if hasattr(kind, name)]
            same = all(getattr(own, name) is getattr(kind, name) for name in methods)
            return kind if same else None
    return None


def hooked(module: nn.Module) -> bool:
    """Whether other code runs before or after the module's own, as in weight normalization."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        code = type(m).forward.__module__
        whole = code.startswith(("torch.nn.modules.", "huashi.pooling.", PLAIN))
        return hooked(m) or (whole and code != "torch.nn.modules.container")

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        before, stack = len(self.graph.nodes), self.module_stack.copy()
        if isinstance(m, ConvModule) and not hooked(m):
            forward = steps_of(m, self._parts) or forward
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:  # then it is one call, of which nothing is known
            self.module_stack = stack
            for node in reversed(list(self.graph.nodes)[before:]):
                self.graph.erase_node(node)
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)

    def _parts(self, x: Any, sizes: Sequence[int]) -> Any:
        return self.create_proxy("call_function", parts_of, (x, tuple(sizes)), {})
