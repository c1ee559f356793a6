"""The path of :mod:`huashi.entmax` in earlier versions; it goes with 0.3."""

import warnings

from huashi.entmax import (
    Entmax,
    Entmax15,
    Entmax15Loss,
    EntmaxLoss,
    Sparsemax,
    SparsemaxLoss,
    entmax,
    entmax15,
    entmax15_loss,
    entmax_loss,
    sparsemax,
    sparsemax_loss,
)

__all__ = [
    "Entmax",
    "Entmax15",
    "Entmax15Loss",
    "EntmaxLoss",
    "Sparsemax",
    "SparsemaxLoss",
    "entmax",
    "entmax15",
    "entmax15_loss",
    "entmax_loss",
    "sparsemax",
    "sparsemax_loss",
]
__path__: list[str] = []  # a package, so that its modules of earlier versions can be imported too

warnings.warn(
    "huashi.seq2seq.entmax is now huashi.entmax; the old path goes with 0.3",
    DeprecationWarning,
    stacklevel=2,
)
