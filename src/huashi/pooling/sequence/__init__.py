"""Pools of sequences: the k largest, and the largest of each part."""

from huashi.pooling.sequence import chunk_max, k_max
from huashi.pooling.sequence.chunk_max import *
from huashi.pooling.sequence.k_max import *

__all__: list[str] = []
__all__ += chunk_max.__all__
__all__ += k_max.__all__
