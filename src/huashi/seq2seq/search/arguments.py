"""Arguments of a search: checks, and one value for all sentences or for each."""

import math

import torch
from torch import Tensor

from huashi._checks import check_positive


def check_beam(beam: int, nbest: int, length_penalty: float) -> None:
    """Check the sizes of a beam search.

    Raises:
        ValueError: ``beam`` is below 1, ``nbest`` not from 1 to ``beam``, or ``length_penalty`` not
            finite.
    """
    check_positive("beam", beam)
    if not 1 <= nbest <= beam:
        raise ValueError(f"nbest must be from 1 to beam ({beam}), got {nbest}")
    if not math.isfinite(length_penalty):
        raise ValueError(f"length_penalty must be finite, got {length_penalty}")


def for_each_sentence(name: str, value: float | Tensor, like: Tensor) -> Tensor:
    """``value``, one for all sentences or one for each, as a tensor with one for each.

    Args:
        name: of the argument, for the error.
        value: a number, or a tensor (sentences,).
        like: any tensor (sentences,) on the device of the search.

    Returns:
        A tensor (sentences,) of the dtype of ``value``.

    Raises:
        ValueError: a tensor has another shape.
    """
    each = torch.as_tensor(value, device=like.device)
    if each.ndim and each.shape != like.shape:
        raise ValueError(
            f"{name} must be one number or have shape ({len(like)},), got {tuple(each.shape)}"
        )
    return each.expand_as(like)


def length_limit(max_length: int | Tensor, sentences: int, device: torch.device) -> Tensor:
    """The greatest length of each sentence, (sentences,), int64.

    Args:
        max_length: one for all sentences, or (sentences,).
        sentences: how many there are.
        device: of the search.

    Raises:
        ValueError: one is below 1, or a tensor does not have one for each sentence.
    """
    like = torch.empty(sentences, dtype=torch.long, device=device)
    limit = for_each_sentence("max_length", max_length, like)
    if limit.numel() and limit.min() < 1:
        raise ValueError(f"max_length must be >= 1, got {int(limit.min())}")
    return limit.long()
