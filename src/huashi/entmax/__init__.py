"""Sparse replacements of softmax, whose probabilities can be exactly zero, and their losses."""

from huashi.entmax.functional import entmax, entmax15, sparsemax
from huashi.entmax.layers import Entmax, Entmax15, Sparsemax
from huashi.entmax.losses import (
    Entmax15Loss,
    EntmaxLoss,
    SparsemaxLoss,
    entmax15_loss,
    entmax_loss,
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
