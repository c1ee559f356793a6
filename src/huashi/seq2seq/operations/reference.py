"""Attention scores, and their softmax where some of them are masked."""

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where ``mask`` is True; zeros elsewhere.

    >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]))
    tensor([[1., 0.],
            [0., 0.]])
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask


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
