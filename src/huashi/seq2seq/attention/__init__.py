"""Attention: a weighted mean of a memory, the weights made from scores of a query and each key."""

from huashi.seq2seq.attention.attention import (
    MAPPINGS,
    SCORES,
    Attention,
    AttentionShape,
    AttentionState,
)

__all__ = ["MAPPINGS", "SCORES", "Attention", "AttentionShape", "AttentionState"]
