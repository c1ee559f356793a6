"""The definition by PyTorch's own operations."""

from torch import Tensor

from huashi.seq2seq.operations.reference import masked_softmax


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Contexts, (rows, heads, targets, size)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    weights = scores.softmax(-1) if mask is None else masked_softmax(scores, mask)
    return weights @ v
