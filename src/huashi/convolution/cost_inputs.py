"""What a module is called with to be counted: shapes, tensors, and whatever else it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from huashi._checks import int_or_none


@dataclass(frozen=True)
class Inputs:
    """Arguments of a call, of which some are shapes of tensors to be made."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dtype: torch.dtype
    """Of the tensors that are made."""
    device: torch.device
    """Of the module."""

    @staticmethod
    def of(given: Any, module: nn.Module) -> "Inputs":
        """Read what :func:`huashi.convolution.cost` was given.

        Raises:
            TypeError: it is neither a shape nor a tensor nor several of them.
            ValueError: a size is below 0.
        """
        tensors = [*module.parameters(), *module.buffers()]
        floating = [t.dtype for t in tensors if t.is_floating_point()]
        dtype = floating[0] if floating else torch.get_default_dtype()
        device = tensors[0].device if tensors else torch.device("cpu")
        args, kwargs = (), {}
        if isinstance(given, Mapping):
            kwargs = {str(name): _shape_or_value(value) for name, value in given.items()}
        elif isinstance(given, Tensor) or _is_shape(given):
            args = (_shape_or_value(given),)
        elif isinstance(given, Sequence) and not isinstance(given, str | bytes):
            args = tuple(_shape_or_value(value) for value in given)
        else:
            raise TypeError(
                "input_shape must be a shape, a tensor, several of them or named ones, "
                f"got {given!r}"
            )
        return Inputs(args, kwargs, dtype, device)

    def on_meta(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments and named arguments of which the tensors have a shape and no memory."""

        def made(x: Any) -> Any:
            if isinstance(x, torch.Size):
                return torch.empty(x, dtype=self.dtype, device="meta")
            return torch.empty_like(x, device="meta") if isinstance(x, Tensor) else x

        return self._with(made)

    def as_zeros(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments and named arguments on the module's device, zeros where a shape was given."""

        def made(x: Any) -> Any:
            if isinstance(x, torch.Size):
                return torch.zeros(x, dtype=self.dtype, device=self.device)
            return x.detach().clone().to(self.device) if isinstance(x, Tensor) else x

        return self._with(made)

    def shown(self) -> str:
        """The shapes, as one writes them."""

        def shape(x: Any) -> Any:
            return tuple(x.shape if isinstance(x, Tensor) else x)

        named = [f"{name}={_shown(value, shape)}" for name, value in self.kwargs.items()]
        return ", ".join([_shown(value, shape) for value in self.args] + named)

    def _with(self, made: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(_mapped(made, x) for x in self.args), {
            name: _mapped(made, x) for name, x in self.kwargs.items()
        }


def _mapped(made: Any, x: Any) -> Any:
    """Of a shape or a tensor, or of the tensors that a value holds."""
    return made(x) if isinstance(x, torch.Size) else pytree.tree_map_only(Tensor, made, x)


def _shown(value: Any, shape: Any) -> str:
    if isinstance(value, torch.Size | Tensor):
        return str(shape(value))
    return type(value).__name__ if isinstance(value, list | tuple | dict) else repr(value)


def _shape_or_value(value: Any) -> Any:
    if not _is_shape(value):
        return value
    if any(size < 0 for size in value):
        raise ValueError(f"input_shape must be made of sizes >= 0, got {tuple(value)}")
    return torch.Size(int_or_none(size) for size in value)  # pyright: ignore[reportArgumentType]


def _is_shape(value: Any) -> bool:
    """A sequence of ints; an empty one is the shape of a single number only as ``torch.Size``."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return False
    whole = all(int_or_none(size) is not None for size in value)
    return whole and (len(value) > 0 or isinstance(value, torch.Size))
