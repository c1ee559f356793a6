r"""Prefixes that a translation must, or is likely to, begin with.

:class:`ForcedPrefix` allows nothing else. :class:`BiasedPrefix` (arXiv 1912.03393, section 4.2;
CTranslate2's ``prefix_bias_beta``) mixes the model's distribution with the prefix's own, as long as
a hypothesis has followed it:

.. math:: p'(w) = (1 - \beta) \, p(w) + \beta \, [w = \text{prefix}_t]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from huashi._checks import check_choice
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.adjustments.vocabulary import check_ids


@dataclass(frozen=True, eq=False)
class ForcedPrefix:
    """Every hypothesis of a sentence begins with the sentence's prefix.

    Give it first: what comes after it can still forbid its tokens, as MinLength an EOS in it.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> ForcedPrefix([[2, 3]])(torch.tensor([[[-1.0, -1.0, -2.0, -1.0]]]), begin)
    tensor([[[-inf, -inf, -2., -inf]]])
    """

    tokens: Tensor | Sequence[Sequence[int]]
    """The prefixes, one for each sentence: (sentences, longest), -1 behind those that are shorter,
    or lists of ids."""
    score: Literal["model", "zero"] = "model"
    """What a forced token adds to a hypothesis' score: its log-probability by the model (fairseq),
    or nothing (OpenNMT)."""
    prefixes: Tensor = field(init=False, repr=False)
    """``tokens`` as a tensor."""

    def __post_init__(self) -> None:
        check_choice("score", self.score, ("model", "zero"))
        object.__setattr__(self, "prefixes", _padded(self.tokens))

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """As :data:`~huashi.seq2seq.search.adjustments.context.Adjustment`."""
        wanted = _wanted(self.prefixes, log_probs, context)
        if wanted is None:
            return log_probs
        others = torch.arange(log_probs.shape[-1], device=wanted.device) != wanted[..., None]
        forced = torch.zeros_like(log_probs) if self.score == "zero" else log_probs
        forced = forced.masked_fill(others, -torch.inf)
        return torch.where((wanted >= 0)[..., None], forced, log_probs)


@dataclass(frozen=True, eq=False)
class BiasedPrefix:
    """A hypothesis that has followed its sentence's prefix so far is likely to follow it on.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> BiasedPrefix([[2]], 0.5)(torch.tensor([[[0.5, 0.3, 0.2]]]).log(), begin).exp()
    tensor([[[0.2500, 0.1500, 0.6000]]])
    """

    tokens: Tensor | Sequence[Sequence[int]]
    """The prefixes, as those of :class:`ForcedPrefix`."""
    beta: float
    """Weight of the prefix, from 0 to 1: nothing, or force."""
    prefixes: Tensor = field(init=False, repr=False)
    """``tokens`` as a tensor."""

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta must be from 0 to 1, got {self.beta}")
        object.__setattr__(self, "prefixes", _padded(self.tokens))

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """As :data:`~huashi.seq2seq.search.adjustments.context.Adjustment`."""
        wanted = _wanted(self.prefixes, log_probs, context)
        if wanted is None or self.beta == 0:
            return log_probs
        before = context.of_each(self.prefixes)[..., : context.length - 1]
        biased = (wanted >= 0) & (context.tokens == before).all(-1)
        less = log_probs + (math.log1p(-self.beta) if self.beta < 1 else -math.inf)
        is_wanted = torch.arange(log_probs.shape[-1], device=wanted.device) == wanted[..., None]
        mixed = torch.where(is_wanted, less.exp().add(self.beta).log(), less)
        return torch.where(biased[..., None], mixed, log_probs)


def _padded(prefixes: Tensor | Sequence[Sequence[int]]) -> Tensor:
    """(sentences, longest), -1 behind the shorter ones."""
    if not isinstance(prefixes, Tensor):
        rows = [torch.tensor(prefix, dtype=torch.long) for prefix in prefixes]
        if not rows:
            return torch.zeros(0, 0, dtype=torch.long)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    if prefixes.ndim != 2 or prefixes.is_floating_point():
        raise ValueError(
            "tokens must be ids with shape (sentences, longest), got "
            f"{tuple(prefixes.shape)} of {prefixes.dtype}"
        )
    return prefixes


def _wanted(prefixes: Tensor, log_probs: Tensor, context: Context) -> Tensor | None:
    """The next token of each prefix, (sentences, 1), -1 behind its end; None behind all."""
    if context.length == 1:
        check_ids("tokens", prefixes[prefixes >= 0].unique().tolist(), log_probs)
    if context.length > prefixes.shape[1]:
        return None
    return context.of_each(prefixes[:, context.length - 1])
