"""What a case is, and what it is given: seeded numbers of several kinds."""

import importlib
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

FLOATS = torch.float32, torch.bfloat16, torch.float64


def imported(*modules: str) -> Any:
    """The first of these modules that there is: what has moved has its present path first."""
    for name in modules[:-1]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return importlib.import_module(modules[-1])


class Case(NamedTuple):
    """What is computed: a function of tensors, all of which that are floats have a gradient."""

    name: str
    function: Callable[..., Any]
    inputs: Sequence[Tensor]
    threads: tuple[int, ...] = (1,)
    second: bool = False
    """Whether the gradient is differentiated again."""


def seeded(name: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def values(kind: str, shape: Sequence[int], dtype: torch.dtype, name: str) -> Tensor:
    """Of a kind: ``plain``; ``ties``, of five values; ``odd``, with NaN, infinities and zeros."""
    generator = seeded(name)
    if not dtype.is_floating_point:
        low = 0 if dtype == torch.uint8 else -100
        return torch.randint(low, 100, tuple(shape), generator=generator).to(dtype)
    x = torch.randn(tuple(shape), generator=generator, dtype=torch.float64)
    if kind == "ties":
        x = x.round().clamp(-2, 2)
    if kind == "odd":
        for share, value in ((0.97, math.nan), (0.94, math.inf), (0.9, -math.inf), (0.8, -0.0)):
            x = torch.where(torch.rand(x.shape, generator=generator) > share, value, x)
    return x.to(dtype)


def with_grad(run: Callable) -> Callable:
    return torch.enable_grad()(run)
