"""What every search does at a step."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from huashi._checks import check_positive

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(tokens (rows,), state) -> (log-probabilities (rows, vocabulary), state)."""


def check_beam(beam: int, nbest: int, length_penalty: float) -> None:
    """Raise ValueError unless a beam search can be done with these."""
    check_positive("beam", beam)
    if not 1 <= nbest <= beam:
        raise ValueError(f"nbest must be from 1 to beam ({beam}), got {nbest}")
    if not math.isfinite(length_penalty):
        raise ValueError(f"length_penalty must be finite, got {length_penalty}")


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
