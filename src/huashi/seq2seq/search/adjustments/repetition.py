"""Against repetition: forbid n-grams that were there before, or make tokens less likely."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from huashi._checks import check_positive
from huashi.seq2seq.search.adjustments.context import Context


@dataclass(frozen=True)
class NoRepeatNgram:
    r"""Forbid tokens that would repeat an n-gram of the same hypothesis.

    After :math:`y_{t-n+2} \dots y_t`, no token that has followed these :math:`n - 1` tokens before
    (Paulus 2017, arXiv 1705.04304).

    Args:
        n: tokens in a row; 1 forbids every token that was there.
        count_bos: whether BOS is a token that was there. For transformers it is one.

    Raises:
        ValueError: ``n`` is not above 0.

    >>> after = torch.tensor([[[4, 5, 4]]])  # 4 5 again?
    >>> context = Context(after, 4, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> NoRepeatNgram(2)(torch.zeros(1, 1, 7), context)
    tensor([[[0., 0., 0., 0., 0., -inf, 0.]]])
    """

    n: int
    count_bos: bool = False

    rewards = False

    def __post_init__(self) -> None:
        check_positive("n", self.n)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        tokens = context.tokens
        if self.count_bos:
            tokens = F.pad(tokens, (1, 0), value=context.bos)
        if tokens.shape[-1] < self.n:
            return log_probs
        ngrams = tokens.unfold(-1, self.n, 1)  # (sentences, alive, places, n)
        latest = tokens[..., tokens.shape[-1] - self.n + 1 :]
        again = (ngrams[..., :-1] == latest[..., None, :]).all(-1)
        return log_probs.masked_fill(_present(ngrams[..., -1], again, log_probs), -torch.inf)


@dataclass(frozen=True)
class RepetitionPenalty:
    """Make tokens that a hypothesis holds less likely.

    Their log-probabilities are multiplied by ``penalty`` (divided, should one be positive). CTRL
    (Keskar 2019, arXiv 1909.05858) does so to logits; a search has log-probabilities, and it is
    these that transformers' beam search multiplies too.

    Args:
        penalty: 1 changes nothing; below 1, tokens that were there become likelier.
        count_bos: whether BOS is a token that was there. For transformers it is one.
        skip: how many tokens at the beginning do not count, such as those of a forced prefix, for
            all sentences or for each, (sentences,), int64.

    Raises:
        ValueError: ``penalty`` is not above 0.

    >>> after = torch.tensor([[[2]]])
    >>> context = Context(after, 2, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> RepetitionPenalty(1.5)(torch.full((1, 1, 3), -2.0), context)
    tensor([[[-2., -2., -3.]]])
    """

    penalty: float
    count_bos: bool = False
    skip: int | Tensor = 0

    rewards = False

    def __post_init__(self) -> None:
        check_positive("penalty", self.penalty)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        tokens = context.tokens
        places = torch.arange(tokens.shape[-1], device=tokens.device)
        counts = places >= _skipped(self.skip, context)
        present = _present(tokens, counts.expand_as(tokens), log_probs)
        if self.count_bos:
            present[..., context.bos] = True
        penalised = torch.where(log_probs < 0, log_probs * self.penalty, log_probs / self.penalty)
        return torch.where(present, penalised, log_probs)


def _skipped(skip: int | Tensor, context: Context) -> int | Tensor:
    """How many tokens to skip: a number, or (sentences, 1, 1)."""
    if isinstance(skip, Tensor) and skip.ndim:
        return context.of_each(skip)[..., None]
    return int(skip)


def _present(tokens: Tensor, counts: Tensor, log_probs: Tensor) -> Tensor:
    """Which tokens of the vocabulary are among those that count, (sentences, alive, vocabulary).

    Args:
        tokens: (sentences, alive, places), int64.
        counts: whether each of them counts, of that shape.
        log_probs: (sentences, alive, vocabulary).
    """
    vocabulary = log_probs.shape[-1]
    # Those that do not count, and a BOS beyond the vocabulary, have one column more.
    marked = torch.where(counts, tokens, vocabulary).clamp(max=vocabulary)
    present = tokens.new_zeros(*log_probs.shape[:-1], vocabulary + 1, dtype=torch.bool)
    return present.scatter_(-1, marked, True)[..., :vocabulary]
