"""Fancy pooling, convolutions, regularization and sequence models on PyTorch: right and fast.

Each chapter is a package: :mod:`huashi.pooling`, :mod:`huashi.convolution`, :mod:`huashi.entmax`,
:mod:`huashi.regularization`, :mod:`huashi.seq2seq` and :mod:`huashi.training`. ``import huashi``
imports pooling alone; the others are imported once they are used.
"""

import importlib
from types import ModuleType

from huashi import _moved
from huashi._accelerate import Acceleration, accelerate, acceleration, restore
from huashi._kernel.operator import NoKernelError, implementation

_moved.install()

__version__ = "0.1.0"
__all__ = [
    "Acceleration",
    "NoKernelError",
    "accelerate",
    "acceleration",
    "implementation",
    "restore",
]
_CHAPTERS = ("pooling", "convolution", "entmax", "regularization", "seq2seq", "training")


def __getattr__(name: str) -> ModuleType:
    """A chapter, imported when it is first asked for."""
    if name in _CHAPTERS:
        return importlib.import_module(f"huashi.{name}")
    raise AttributeError(f"module 'huashi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_CHAPTERS})
