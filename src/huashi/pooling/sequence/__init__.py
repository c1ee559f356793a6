"""Pools of sequences: the k largest, and the largest of each part."""

from huashi.pooling.sequence.chunk_max import ChunkMaxPool1d, chunk_max_pool1d
from huashi.pooling.sequence.k_max import (
    DynamicKMaxPool1d,
    KMax,
    KMaxPool1d,
    dynamic_k_max_pool1d,
    k_max_pool1d,
)

__all__ = [
    "ChunkMaxPool1d",
    "DynamicKMaxPool1d",
    "KMax",
    "KMaxPool1d",
    "chunk_max_pool1d",
    "dynamic_k_max_pool1d",
    "k_max_pool1d",
]
