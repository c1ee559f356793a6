"""What a search is asked for: checks, and one value for all sentences or for each."""

import math

import torch
from torch import Tensor

from huashi._checks import check_positive


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
