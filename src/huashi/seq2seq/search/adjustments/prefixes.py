"""Prefixes that an output must, or is likely to, begin with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from huashi._checks import check_choice, check_not_negative
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.adjustments.vocabulary import check_ids
from huashi.seq2seq.search.log_probabilities import renormalised


@dataclass(frozen=True, eq=False)
class ForcedPrefix:
    """Every hypothesis of a sentence begins with the sentence's prefix.

    Give it first: adjustments after it can still forbid tokens of the prefix, as
    :class:`~huashi.seq2seq.search.MinLength` does an EOS in it.

    Args:
        tokens: the prefix of each sentence: ids (sentences, longest), int64, with -1 behind the
            shorter ones, or a list of ids for each; a prefix may be empty.
        score: what a forced token adds to the score of a hypothesis: its log-probability by the
            ``model`` (fairseq), or ``zero`` (OpenNMT).

    Attributes:
        prefixes: ``tokens`` as a tensor, (sentences, longest), int64.

    Raises:
        ValueError: ``score`` is none of these, ``tokens`` is a tensor of another shape or not of
            whole numbers, holds a number below 0 but for -1 behind a prefix, or, when a search
            calls it, one beyond the vocabulary.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> ForcedPrefix([[2, 3]])(torch.tensor([[[-1.0, -1.0, -2.0, -1.0]]]), begin)
    tensor([[[-inf, -inf, -2., -inf]]])
    """

    tokens: Tensor | Sequence[Sequence[int]]
    score: Literal["model", "zero"] = "model"
    prefixes: Tensor = field(init=False, repr=False)

    rewards = False

    def __post_init__(self) -> None:
        check_choice("score", self.score, ("model", "zero"))
        object.__setattr__(self, "prefixes", _padded(self.tokens))

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        next_tokens = _next_tokens(self.prefixes, log_probs, context)
        if next_tokens is None:
            return log_probs
        is_next = _is(next_tokens, log_probs)
        allowed = torch.zeros_like(log_probs) if self.score == "zero" else log_probs
        forced = allowed.masked_fill(~is_next, -torch.inf)
        return torch.where((next_tokens >= 0)[..., None], forced, log_probs)


@dataclass(frozen=True, eq=False)
class BiasedPrefix:
    r"""A hypothesis that has followed its sentence's prefix so far is likely to go on with it.

    As long as it does, the model's distribution is mixed with all mass on the next token of the
    prefix,

    .. math:: p'(w) = (1 - \beta) \, p(w) + \beta \, [w = \text{prefix}_t]

    (arXiv 1912.03393, section 4.2; CTranslate2's ``prefix_bias_beta``).

    Args:
        tokens: the prefix of each sentence: ids (sentences, longest), int64, with -1 behind the
            shorter ones, or a list of ids for each; a prefix may be empty.
        beta: weight of the prefix, from 0, which changes nothing, to 1, which allows nothing else.
        renormalise: make :math:`p` sum to 1 before it is mixed, as CTranslate2 does with what
            adjustments before this one have left.

    Attributes:
        prefixes: ``tokens`` as a tensor, (sentences, longest), int64.

    Raises:
        ValueError: ``beta`` is not from 0 to 1, ``tokens`` is a tensor of another shape or not of
            whole numbers, holds a number below 0 but for -1 behind a prefix, or, when a search
            calls it, one beyond the vocabulary.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> BiasedPrefix([[2]], 0.5)(torch.tensor([[[0.5, 0.3, 0.2]]]).log(), begin).exp()
    tensor([[[0.2500, 0.1500, 0.6000]]])
    """

    tokens: Tensor | Sequence[Sequence[int]]
    beta: float
    renormalise: bool = False
    prefixes: Tensor = field(init=False, repr=False)

    rewards = False

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta must be from 0 to 1, got {self.beta}")
        object.__setattr__(self, "prefixes", _padded(self.tokens))

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        next_tokens = _next_tokens(self.prefixes, log_probs, context)
        if next_tokens is None or self.beta == 0:
            return log_probs
        so_far = context.of_each(self.prefixes)[..., : context.length - 1]
        follows = (next_tokens >= 0) & (context.tokens == so_far).all(-1)
        p = renormalised(log_probs) if self.renormalise else log_probs
        less = p + (math.log1p(-self.beta) if self.beta < 1 else -math.inf)
        mixed = torch.where(_is(next_tokens, log_probs), less.exp().add(self.beta).log(), less)
        return torch.where(follows[..., None], mixed, log_probs)


def _padded(prefixes: Tensor | Sequence[Sequence[int]]) -> Tensor:
    """Prefixes as one tensor (sentences, longest), -1 behind the shorter ones."""
    if not isinstance(prefixes, Tensor):
        for prefix in prefixes:
            check_not_negative("tokens", min(prefix, default=0))
        rows = [torch.tensor(prefix, dtype=torch.long) for prefix in prefixes]
        if not rows:
            return torch.zeros(0, 0, dtype=torch.long)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    if prefixes.ndim != 2 or prefixes.is_floating_point():
        raise ValueError(
            "tokens must be ids with shape (sentences, longest), got "
            f"{tuple(prefixes.shape)} of {prefixes.dtype}"
        )
    ended = prefixes < 0
    if (prefixes < -1).any() or (ended[:, :-1] & ~ended[:, 1:]).any():
        raise ValueError("tokens must be ids >= 0, with -1 behind the end of a prefix alone")
    return prefixes


def _next_tokens(prefixes: Tensor, log_probs: Tensor, context: Context) -> Tensor | None:
    """The token that each prefix has at this step, (sentences, 1), -1 behind its end.

    None if this step is behind the end of them all. At the first step the ids are checked.
    """
    if context.length == 1:
        check_ids("tokens", prefixes[prefixes >= 0].unique().tolist(), log_probs)
    if context.length > prefixes.shape[1]:
        return None
    return context.of_each(prefixes[:, context.length - 1])


def _is(tokens: Tensor, log_probs: Tensor) -> Tensor:
    """True at the token of each row of (sentences, 1), (sentences, 1, vocabulary)."""
    return torch.arange(log_probs.shape[-1], device=tokens.device) == tokens[..., None]
