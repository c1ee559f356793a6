"""What a search asks of a model: a step function, and a state with one row a hypothesis."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

S = TypeVar("S")

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Reads one token for each row: (tokens (rows,), int64, state) -> (log-probabilities of the next
tokens (rows, vocabulary), next state)."""


def select(state: S, rows: Tensor) -> S:
    """The given rows of every tensor in ``state``, in the same nest.

    Args:
        state: a tensor (rows, ...), None, or a tuple, named tuple, list or dict of states.
        rows: indices into the first dimension, (any number,), int64; a row may be taken twice or
            not at all.

    Returns:
        Copies: tensors (any number, ...) of the same dtype.

    Raises:
        TypeError: there is something else in the state.

    >>> select({"h": torch.tensor([[1], [2]])}, torch.tensor([1, 1]))
    {'h': tensor([[2],
            [2]])}
    """
    return _map(state, lambda tensor: tensor.index_select(0, rows))


def count_rows(state: Any) -> int:
    """How many rows ``state`` has.

    Raises:
        ValueError: it holds no tensor, or tensors with different numbers of rows.
        TypeError: it holds something else than tensors in tuples, lists and dicts.
    """
    counts = {tensor.shape[0] for tensor in _tensors(state)}
    if len(counts) != 1:
        raise ValueError(
            f"state must hold tensors with one number of rows, got {sorted(counts) or 'no tensor'}"
        )
    return counts.pop()


def device_of(state: Any) -> torch.device:
    """The device of the first tensor in ``state``, which must hold one."""
    return next(_tensors(state)).device


def _map(state: Any, f: Any) -> Any:
    if isinstance(state, Tensor):
        return f(state)
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(_map(part, f) for part in state))
    if isinstance(state, (tuple, list)):
        return type(state)(_map(part, f) for part in state)
    if isinstance(state, dict):
        return {key: _map(part, f) for key, part in state.items()}
    if state is None:
        return None
    raise TypeError(
        f"state must be tensors in tuples, lists and dicts, got a {type(state).__name__} in it"
    )


def _tensors(state: Any) -> Iterator[Tensor]:
    found: list[Tensor] = []
    _map(state, found.append)
    return iter(found)
