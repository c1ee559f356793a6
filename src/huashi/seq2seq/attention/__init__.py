"""Attention: a weighted mean of a memory, the weights made from scores of a query and each key."""

from huashi.seq2seq.attention.attention import Attention, AttentionShape, AttentionState
from huashi.seq2seq.attention.mappings import MAPPINGS, AttentionMapping, Mapping
from huashi.seq2seq.attention.multi_head import MultiHeadAttention
from huashi.seq2seq.attention.scores import SCORES, Score

__all__ = [
    "MAPPINGS",
    "SCORES",
    "Attention",
    "AttentionMapping",
    "AttentionShape",
    "AttentionState",
    "Mapping",
    "MultiHeadAttention",
    "Score",
]
