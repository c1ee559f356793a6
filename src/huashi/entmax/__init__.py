"""Sparse replacements of softmax, whose probabilities can be exactly zero, and their losses."""

from huashi.entmax.losses import (
    Entmax15Loss,
    EntmaxLoss,
    SparsemaxLoss,
    entmax15_loss,
    entmax_loss,
    sparsemax_loss,
)
from huashi.entmax.mappings import Entmax, Entmax15, Sparsemax, entmax, entmax15, sparsemax

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
