"""Attention: a weighted mean of a memory, the weights made from scores of a query and each key."""

from huashi.seq2seq.attention.attention import (
    MAPPINGS,
    SCORES,
    Attention,
    AttentionShape,
    AttentionState,
)
from huashi.seq2seq.attention.multi_head import MultiHeadAttention

__all__ = [
    "MAPPINGS",
    "SCORES",
    "Attention",
    "AttentionShape",
    "AttentionState",
    "MultiHeadAttention",
]
