"""Scaled products of queries and keys."""

import torch
from torch import Tensor


def scaled_products(q: Tensor, k: Tensor) -> Tensor:
    """``q k / sqrt(size)`` of queries and keys (..., time, size), (..., targets, sources).

    Those of float16 are in float32, whatever autocast says: 4 features of 200 are beyond float16.

    >>> scaled_products(torch.ones(1, 4), torch.ones(2, 4))
    tensor([[2., 2.]])
    """
    scale = q.shape[-1] ** -0.5
    if q.dtype != torch.float16:
        return (q * scale) @ k.transpose(-1, -2)
    with torch.autocast(q.device.type, enabled=False):
        return (q.float() * scale) @ k.float().transpose(-1, -2)
