"""What searches do with the log-probabilities of a step before they choose."""

import torch
from torch import Tensor


def check_log_probabilities(log_probs: Tensor) -> None:
    """Raise ValueError where one is above 0, beyond rounding: logits, or a reward for a token."""
    most = 0.05 if log_probs.element_size() == 2 else 1e-3
    if log_probs.numel() and (highest := log_probs.max().item()) > most:
        raise ValueError(
            f"step must return log-probabilities, at most 0, got {highest:.4g}; "
            "take log_softmax of logits, and give a reward as an adjustment"
        )


def renormalised(log_probs: Tensor) -> Tensor:
    """Log-probabilities whose probabilities sum to 1 along the last dimension again.

    Where all are -inf they stay so. Shape and dtype stay.

    >>> renormalised(torch.tensor([0.25, 0.25, 0.0]).log()).exp()
    tensor([0.5000, 0.5000, 0.0000])
    """
    total = log_probs.logsumexp(-1, keepdim=True)
    return torch.where(total.isneginf(), log_probs, log_probs - total)


def only_eos_at_limit(log_probs: Tensor, at_limit: Tensor, eos: int) -> Tensor:
    """Forbid every token but EOS for the sentences that have reached their greatest length.

    Args:
        log_probs: (sentences, ..., vocabulary).
        at_limit: which sentences have, (sentences,), bool.
        eos: the token that ends a hypothesis.

    Returns:
        A tensor of the shape and dtype of ``log_probs``.
    """
    others = torch.arange(log_probs.shape[-1], device=log_probs.device) != eos
    at_limit = at_limit.view(-1, *[1] * (log_probs.ndim - 1))
    return log_probs.masked_fill(at_limit & others, -torch.inf)
