"""Attention with heads of any number and size, for what is left of ``nn.MultiheadAttention``."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class HeadAttention(nn.Module):
    """``nn.MultiheadAttention`` of which heads or channels were removed.

    It is called alike and gives alike; the widths of queries, keys, values, heads and outputs are
    free of each other, which torch's module does not allow.

    Args:
        sizes: of queries, keys, values, one head, and the output.
        kept: which of the original heads are left.
        of: how many there were.
        bias: of the projections.
        extra: whether a learned key and value are added, and whether a zero.
        dropout: of attention weights, in training.
        batch_first: (batch, time, channels) instead of (time, batch, channels).
    """

    in_proj_bias = None  # what torch's transformer layers ask for before they take a short cut
    _qkv_same_embed_dim = False

    def __init__(
        self,
        sizes: Sequence[int],
        kept: Sequence[int],
        of: int,
        *,
        bias: bool = True,
        extra: Sequence[bool] = (False, False),
        dropout: float = 0.0,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        query, key, value, head, out = sizes
        inner = len(kept) * head
        self.sizes, self.kept, self.of = list(sizes), list(kept), of
        self.bias, self.extra = bias, list(extra)
        self.dropout, self.batch_first = dropout, batch_first
        self.num_heads, self.head_dim, self.embed_dim = len(kept), head, out
        self.query = nn.Linear(query, inner, bias=bias)
        self.key = nn.Linear(key, inner, bias=bias)
        self.value = nn.Linear(value, inner, bias=bias)
        self.out_proj = nn.Linear(inner, out, bias=bias)
        self.bias_k = nn.Parameter(torch.zeros(1, 1, inner)) if extra[0] else None
        self.bias_v = nn.Parameter(torch.zeros(1, 1, inner)) if extra[0] else None

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        batched = query.ndim == 3
        if not batched:
            query, key, value = (x[None] for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        elif not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = self.query(query), self.key(key), self.value(value)  # batch, time, inner
        mask = self._mask(q, key_padding_mask, attn_mask)
        if self.bias_k is not None and self.bias_v is not None:
            k = torch.cat([k, self.bias_k.expand(len(k), -1, -1)], 1)
            v = torch.cat([v, self.bias_v.expand(len(v), -1, -1)], 1)
        if self.extra[1]:
            k, v = functional.pad(k, (0, 0, 0, 1)), functional.pad(v, (0, 0, 0, 1))
        if mask is not None:
            mask = functional.pad(mask, (0, k.shape[1] - mask.shape[-1]))
        q, k, v = (x.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for x in (q, k, v))
        scores = q @ k.transpose(2, 3) / self.head_dim**0.5  # batch, heads, time, keys
        weights = (scores if mask is None else scores + mask).softmax(-1)
        dropped = functional.dropout(weights, self.dropout, self.training)
        y = self.out_proj((dropped @ v).transpose(1, 2).flatten(2))
        if not batched:
            y, dropped = y[0], dropped[0]
        elif not self.batch_first:
            y = y.transpose(0, 1)
        if not need_weights:
            return y, None
        return y, dropped.mean(-3) if average_attn_weights else dropped

    def _mask(self, q: Tensor, padding: Tensor | None, attn: Tensor | None) -> Tensor | None:
        """What is added to the scores, (batch, heads, time, keys) or broadcastable to it."""
        total = None
        if attn is not None:
            total = _added(attn, q)
            if total.ndim == 3:  # batch * heads, of the original heads
                total = total.unflatten(0, (-1, self.of))[:, self.kept]
        if padding is not None:
            padding = _added(padding, q)[:, None, None]
            total = padding if total is None else total + padding
        return total


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(
        mask, float("-inf")
    )
