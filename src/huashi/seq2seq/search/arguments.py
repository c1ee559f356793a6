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
    check_length_penalty(length_penalty)


def check_length_penalty(length_penalty: float, limit: Tensor | None = None) -> None:
    """Check the exponent of the length.

    Args:
        length_penalty: the exponent.
        limit: the greatest length of each sentence, (sentences,), if it is known.

    Raises:
        ValueError: it is not finite, or makes of the greatest length a number so large or so near
            to 0 that scores in float32 are lost.
    """
    if not math.isfinite(length_penalty):
        raise ValueError(f"length_penalty must be finite, got {length_penalty}")
    longest = 1 if limit is None or not limit.numel() else int(limit.max())
    if abs(length_penalty) * math.log10(longest) > 30:
        raise ValueError(
            f"length_penalty must keep max_length ** length_penalty from 1e-30 to 1e30, got "
            f"{length_penalty} for {longest} tokens"
        )


def check_eos(eos: int, log_probs: Tensor) -> None:
    """Raise ValueError unless ``eos`` is in the vocabulary of (..., vocabulary)."""
    if not 0 <= eos < log_probs.shape[-1]:
        raise ValueError(f"eos must be an id from 0 to {log_probs.shape[-1] - 1}, got {eos}")


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
