"""Sparse replacements of softmax: probabilities that can be exactly zero."""

from huashi.seq2seq.entmax.functional import entmax15
from huashi.seq2seq.entmax.layers import Entmax15

__all__ = ["Entmax15", "entmax15"]
