"""A module that is built from a shape says so where it is given anything else.

``RNNEncoderShape(hidden_size=64)`` says what an encoder is like, and its ``build`` makes the
module, an ``RNNEncoder``. In early versions ``RNNEncoder(hidden_size=64)`` was the shape; so it is
still, with a warning, until 0.3.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def built_from(shape: type) -> Callable[[type[Module]], type[Module]]:
    """Make a module class, whose first argument is ``shape``, name that kind where it is missing.

    Args:
        shape: the dataclass that the module is built from.
    """

    def decorate(module: type[Module]) -> type[Module]:
        build: Any = module.__init__

        def new(cls: type, *args: Any, **settings: Any) -> Any:
            if args or not settings or "shape" in settings:
                return object.__new__(cls)
            values = ", ".join(f"{name}={value!r}" for name, value in settings.items())
            warnings.warn(
                f"{module.__name__}({values}) is the module from 0.3 on: write "
                f"{shape.__name__}({values}) for the shape",
                DeprecationWarning,
                stacklevel=2,
            )
            return shape(**settings)

        @functools.wraps(build)
        def checked(self: nn.Module, *args: Any, **settings: Any) -> None:
            given = args[0] if args else settings.get("shape")
            if not isinstance(given, shape):
                raise TypeError(f"shape must be a {shape.__name__}, got {type(given).__name__}")
            build(self, *args, **settings)

        module.__new__ = new  # pyright: ignore[reportAttributeAccessIssue]
        module.__init__ = checked
        return module

    return decorate
