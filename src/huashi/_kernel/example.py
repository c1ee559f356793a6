"""Example calls of public functions: what is tested, warmed up and timed without being listed.

A public function of tensors has one beside its definition. The contract tests hold every function
with an example to what all promise, ``huashi warm-up`` runs the examples in every dtype and layout,
and ``python -m benchmarks.operations`` times them.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable)
Shape = tuple[int, ...]


class Example(NamedTuple):
    """How a public function is called, on tensors of random numbers."""

    function: Callable[..., Any]
    call: Callable[..., Any]
    """``call(function, *tensors)`` gives the result, a tensor. It fits any size of the first
    dimension of the first tensor, which is that of the batch."""
    shapes: tuple[Shape, ...]
    """Of the tensors, in floating point, by which the result can be differentiated."""
    integers: bool
    """Whether the first tensor may be of integers."""

    @property
    def name(self) -> str:
        """As a user imports it, such as ``huashi.pooling.max_pool2d``."""
        module, name = self.function.__module__, self.function.__name__
        parts = module.split(".")
        for length in range(2, len(parts)):  # the first package that has it
            package = ".".join(parts[:length])
            if name in vars(sys.modules[package]):
                return f"{package}.{name}"
        return f"{module}.{name}"

    def __call__(self, *tensors: Any) -> Any:
        return self.call(self.function, *tensors)


EXAMPLES: list[Example] = []
"""All of the modules imported so far; the first one of a function is what tests call it by."""


def _plainly(function: Callable[..., Any], *tensors: Any) -> Any:
    return function(*tensors)


def example(
    *shapes: Shape,
    call: Callable[..., Any] = _plainly,
    integers: bool = False,
) -> Callable[[F], F]:
    """Give a public function an example call; several decorators give it several, top one first.

    Args:
        shapes: of its tensors; they have random numbers of a normal distribution.
        call: ``call(function, *tensors)``, where more is needed than the tensors.
        integers: whether the first tensor may be of integers.

    >>> @example((2, 3), call=lambda f, x: f(x, times=2))
    ... def scaled(x, times):
    ...     return x * times
    >>> EXAMPLES.pop().shapes
    ((2, 3),)
    """

    def add(function: F) -> F:
        place = next(
            (i for i, one in enumerate(EXAMPLES) if one.function is function), len(EXAMPLES)
        )
        EXAMPLES.insert(place, Example(function, call, shapes, integers))
        return function

    return add
