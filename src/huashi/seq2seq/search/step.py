"""What every search does at a step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(tokens (rows,), state) -> (log-probabilities (rows, vocabulary), state)."""


def length_limit(max_length: int | Tensor, sentences: int, device: torch.device) -> Tensor:
    """``max_length`` of each sentence, (sentences,), int64.

    Raises:
        ValueError: one is below 1, or a tensor has not one for each sentence.
    """
    limit = torch.as_tensor(max_length, device=device)
    if limit.ndim and limit.shape != (sentences,):
        raise ValueError(
            f"max_length must be one number or have shape ({sentences},), got {tuple(limit.shape)}"
        )
    if limit.numel() and limit.min() < 1:
        raise ValueError(f"max_length must be >= 1, got {int(limit.min())}")
    return limit.long().expand(sentences)


def only_eos_at_limit(log_probs: Tensor, at_limit: Tensor, eos: int) -> Tensor:
    """Forbid every token but EOS where ``at_limit``, (sentences,), in (sentences, ..., tokens)."""
    others = torch.arange(log_probs.shape[-1], device=log_probs.device) != eos
    at_limit = at_limit.view(-1, *[1] * (log_probs.ndim - 1))
    return log_probs.masked_fill(at_limit & others, -torch.inf)
