"""Argument checks: each error says which argument, which rule, and what was given.

``ValueError`` for values and shapes, ``TypeError`` for kinds. Only metadata is read, never the
values of a tensor: a check neither waits for a GPU nor breaks a compiled graph.
"""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST = 2**31 - 1
"""The largest count that is taken."""


def check_floating(name: str, x: Tensor) -> None:
    """Raise unless ``x`` is a tensor of real floating-point numbers."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(x).__name__}")
    if not torch.is_floating_point(x):
        raise TypeError(f"{name} must be a floating-point tensor, got {x.dtype}")


def check_ndim(name: str, x: Tensor, layout: str) -> None:
    """``check_ndim("x", x, "N C H W")`` raises unless ``x`` has four dimensions."""
    if x.ndim != len(layout.split()):
        raise ValueError(
            f"{name} must have shape ({layout.replace(' ', ', ')}), got {tuple(x.shape)}"
        )


def check_dim(name: str, dim: int, x: Tensor) -> None:
    """Raise unless ``dim`` names a dimension of ``x``, counted from either end."""
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise TypeError(f"{name} must be an int, got {dim!r}")
    if x.ndim == 0:
        raise ValueError(f"{name} must name a dimension, got {dim} for a tensor that has none")
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(
            f"{name} must be in [{-x.ndim}, {x.ndim - 1}], got {dim} for shape {tuple(x.shape)}"
        )


def check_positive(name: str, value: float) -> None:
    """Raise unless ``value`` is a number greater than zero (NaN is not)."""
    _check_comparable(name, value)
    if not value > 0:
        raise ValueError(f"{name} must be > 0, got {value}")


def check_not_negative(name: str, value: float) -> None:
    """Raise if ``value`` is no number, less than zero, or NaN."""
    _check_comparable(name, value)
    if not value >= 0:
        raise ValueError(f"{name} must be >= 0, got {value}")


def check_count(name: str, value: int) -> None:
    """Raise unless ``value`` is a number of things: from 1 to what 31 bits hold."""
    check_positive(name, value)
    check_below(name, value, LARGEST)


def check_below(name: str, value: float, limit: float) -> None:
    """Raise unless ``value`` is at most ``limit``."""
    if not value <= limit:
        raise ValueError(f"{name} must be at most {limit:,}, got {value}")


def check_finite(name: str, value: float) -> None:
    """Raise if ``value`` is NaN or infinite."""
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")


def check_dropout(dropout: float) -> None:
    """Raise unless it is a probability of dropping a feature, which leaves some."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be from 0 to 1, got {dropout}")


def check_threads(threads: int) -> None:
    """Raise unless so many threads can be asked for; many thousands end a process."""
    check_positive("threads", threads)
    check_below("threads", threads, 1024)


def check_in(name: str, value: float, low: float, high: float) -> None:
    """Raise unless ``value`` is a number from ``low`` to ``high``."""
    _check_comparable(name, value)
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], got {value}")


def _check_comparable(name: str, value: Any) -> None:
    try:
        _ = value > 0
    except TypeError:
        raise TypeError(f"{name} must be a number, got {value!r}") from None


def as_bool(name: str, value: Any) -> bool:
    """``value`` as True or False, also where it is 0, 1 or NumPy's; raise for anything else."""
    if value is True or value is False:
        return value
    if isinstance(value, Integral | np.bool_) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name} must be a bool, got {value!r}")


def as_int(name: str, value: Any) -> int:
    """``value`` as an int, also where NumPy or a symbolic size has it; raise for anything else."""
    number = int_or_none(value)
    if number is None:
        raise TypeError(f"{name} must be an int, got {value!r}")
    return number


class TracedSize(int):
    """A length of the input, which ``torch.jit.trace`` has as a tensor: another one may follow."""


def int_or_none(value: Any) -> int | None:
    """An int, also where NumPy or a symbolic size has it; None for what is none."""
    if isinstance(value, int | torch.SymInt):
        return None if isinstance(value, bool) else value  # pyright: ignore[reportReturnType]
    if isinstance(value, torch.Tensor) and torch._C._get_tracing_state() is not None:
        return TracedSize(value)
    return value.__index__() if isinstance(value, Integral) else None


def check_device(name: str, device: str | torch.device) -> None:
    """Raise unless tensors can be on ``device`` here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        problem = str(error).splitlines()[0]
        raise ValueError(f"{name} must be one of this machine, got {device}: {problem}") from None


def check_texts(name: str, texts: object) -> None:
    """Raise if one text stands where a list of texts is due: its letters would be the texts."""
    if isinstance(texts, str | bytes):
        raise TypeError(f"{name} must be a list of texts, got one: {texts[:60]!r}")


def check_unicode(name: str, text: str) -> None:
    """Raise if a text has half of a pair of surrogates: bytes that were not UTF-8, most often."""
    if isinstance(text, str) and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} must be Unicode text, got {text[:60]!r}") from None


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise unless ``value`` is one of ``choices``; the error suggests the nearest of them.

    >>> check_choice("mode", "sofmax", ["softmax", "entmax"])
    Traceback (most recent call last):
    ValueError: mode must be one of 'softmax', 'entmax', got 'sofmax'; did you mean 'softmax'?
    """
    choices = list(choices)
    if value in choices:
        return
    nearest = difflib.get_close_matches(str(value), choices, n=1)
    raise ValueError(
        f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}"
        + (f"; did you mean {nearest[0]!r}?" if nearest else "")
    )
