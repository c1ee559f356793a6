"""The definition by PyTorch's own operations."""

from torch import Tensor

from huashi.seq2seq.operations.reference import masked_softmax, scaled_products


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Contexts, (rows, heads, targets, size)."""
    scores = scaled_products(q, k)
    weights = scores.softmax(-1) if mask is None else masked_softmax(scores, mask)
    return weights.to(v.dtype) @ v
