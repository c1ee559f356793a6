r"""Against saying the same again: forbid n-grams, or make tokens less likely, that were there.

:class:`NoRepeatNgram` (Paulus 2017, arXiv 1705.04304): after :math:`y_{t-n+2} \dots y_t` no
:math:`w` that has followed these :math:`n - 1` tokens before. :class:`RepetitionPenalty` (CTRL,
Keskar 2019, arXiv 1909.05858): a token that was there has its score multiplied by the penalty where
it is negative, divided by it otherwise. CTRL does so to logits; a search holds log-probabilities,
and as in transformers' beam search it is these that are multiplied.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from huashi._checks import check_positive
from huashi.seq2seq.search.adjustments.context import Context


@dataclass(frozen=True)
class NoRepeatNgram:
    """Forbid tokens that would repeat ``n`` tokens in a row.

    >>> after = torch.tensor([[[4, 5, 4]]])  # 4 5 again?
    >>> context = Context(after, 4, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> NoRepeatNgram(2)(torch.zeros(1, 1, 7), context)
    tensor([[[0., 0., 0., 0., 0., -inf, 0.]]])
    """

    n: int
    """Tokens in a row; 1 forbids any token that was there."""

    def __post_init__(self) -> None:
        check_positive("n", self.n)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """As :data:`~huashi.seq2seq.search.adjustments.context.Adjustment`."""
        tokens = context.tokens
        if tokens.shape[-1] < self.n:
            return log_probs
        ngrams = tokens.unfold(-1, self.n, 1)  # (sentences, alive, places, n)
        latest = tokens[..., tokens.shape[-1] - self.n + 1 :]
        again = (ngrams[..., :-1] == latest[..., None, :]).all(-1)
        return log_probs.masked_fill(_present(ngrams[..., -1], again, log_probs), -torch.inf)


@dataclass(frozen=True)
class RepetitionPenalty:
    """Make tokens that a hypothesis holds less likely, or likelier with a ``penalty`` below 1.

    >>> after = torch.tensor([[[2]]])
    >>> context = Context(after, 2, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> RepetitionPenalty(1.5)(torch.full((1, 1, 3), -2.0), context)
    tensor([[[-2., -2., -3.]]])
    """

    penalty: float
    """1 changes nothing."""
    count_bos: bool = False
    """BOS was there too. transformers counts it, as one of the tokens that it reads."""
    skip: int | Tensor = 0
    """How many tokens at the beginning do not count, such as those of a forced prefix, for all or
    for each sentence (sentences,)."""

    def __post_init__(self) -> None:
        check_positive("penalty", self.penalty)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """As :data:`~huashi.seq2seq.search.adjustments.context.Adjustment`."""
        tokens = context.tokens
        counts = torch.arange(tokens.shape[-1], device=tokens.device) >= _skipped(
            self.skip, context
        )
        present = _present(tokens, counts.expand_as(tokens), log_probs)
        if self.count_bos:
            present[..., context.bos] = True
        penalised = torch.where(log_probs < 0, log_probs * self.penalty, log_probs / self.penalty)
        return torch.where(present, penalised, log_probs)


def _skipped(skip: int | Tensor, context: Context) -> int | Tensor:
    """To compare with places in (sentences, alive, length - 1)."""
    if isinstance(skip, Tensor) and skip.ndim:
        return context.of_each(skip)[..., None]
    return int(skip)


def _present(tokens: Tensor, counts: Tensor, log_probs: Tensor) -> Tensor:
    """True at each of ``tokens``, (sentences, alive, places), that counts; (..., vocabulary)."""
    vocabulary = log_probs.shape[-1]
    beyond = torch.where(counts, tokens, vocabulary)  # a column more, for those that do not count
    present = tokens.new_zeros(*log_probs.shape[:-1], vocabulary + 1, dtype=torch.bool)
    return present.scatter_(-1, beyond, True)[..., :vocabulary]
