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


def for_each_sentence(name: str, value: float | Tensor, like: Tensor) -> Tensor:
    """``value``, one for all or one for each sentence, as a tensor in the shape of ``like``."""
    each = torch.as_tensor(value, device=like.device)
    if each.ndim and each.shape != like.shape:
        raise ValueError(
            f"{name} must be one number or have shape ({len(like)},), got {tuple(each.shape)}"
        )
    return each.expand_as(like)


def length_limit(max_length: int | Tensor, sentences: int, device: torch.device) -> Tensor:
    """``max_length`` of each sentence, (sentences,), int64.

    Raises:
        ValueError: one is below 1, or a tensor has not one for each sentence.
    """
    like = torch.empty(sentences, dtype=torch.long, device=device)
    limit = for_each_sentence("max_length", max_length, like)
    if limit.numel() and limit.min() < 1:
        raise ValueError(f"max_length must be >= 1, got {int(limit.min())}")
    return limit.long()


def renormalised(log_probs: Tensor) -> Tensor:
    """Log-probabilities that sum to 1 along the last dimension; -inf where all of them are.

    >>> renormalised(torch.tensor([0.25, 0.25, 0.0]).log()).exp()
    tensor([0.5000, 0.5000, 0.0000])
    """
    total = log_probs.logsumexp(-1, keepdim=True)
    return torch.where(total.isneginf(), log_probs, log_probs - total)


def only_eos_at_limit(log_probs: Tensor, at_limit: Tensor, eos: int) -> Tensor:
    """Forbid every token but EOS where ``at_limit``, (sentences,), in (sentences, ..., tokens)."""
    others = torch.arange(log_probs.shape[-1], device=log_probs.device) != eos
    at_limit = at_limit.view(-1, *[1] * (log_probs.ndim - 1))
    return log_probs.masked_fill(at_limit & others, -torch.inf)
