"""How the results of attention lie in memory: the heads of a word side by side.

So a linear layer left the queries, and so the next one reads the contexts, without a copy.
"""

import torch
from torch import Tensor


def like(x: Tensor) -> Tensor:
    """Memory in the shape of ``x``, (rows, heads, time, size), with the heads side by side."""
    rows, heads, time, size = x.shape
    return x.new_empty(rows, time, heads, size).transpose(1, 2)


def outputs(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Memory for contexts, and for weights, (rows, heads, targets, sources), in float32."""
    return like(q), q.new_empty(*q.shape[:3], k.shape[2], dtype=torch.float32)
