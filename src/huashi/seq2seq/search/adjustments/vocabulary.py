"""Which tokens of the vocabulary may come at a step, and what an unknown one costs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from huashi._checks import check_not_negative
from huashi.seq2seq.search.adjustments.context import Context


@dataclass(frozen=True)
class Suppress:
    """Forbid ``tokens`` at every step.

    Args:
        tokens: ids, such as those of padding and of BOS; there may be none.

    Raises:
        ValueError: when a search calls it, if one is not an id of the vocabulary.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> Suppress([0, 3])(torch.zeros(1, 1, 4), begin)
    tensor([[[-inf, 0., 0., -inf]]])
    """

    tokens: Sequence[int]

    rewards = False

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        check_ids("tokens", self.tokens, log_probs)
        suppressed = torch.zeros(log_probs.shape[-1], dtype=torch.bool)
        suppressed[list(self.tokens)] = True
        return log_probs.masked_fill(suppressed.to(log_probs.device), -torch.inf)


@dataclass(frozen=True)
class SuppressAtBegin:
    """Forbid ``tokens`` at the first step; with EOS among them, no sequence is empty.

    Args:
        tokens: ids; there may be none.

    Raises:
        ValueError: when a search calls it, if one is not an id of the vocabulary.
    """

    tokens: Sequence[int]

    rewards = False

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        return Suppress(self.tokens)(log_probs, context) if context.length == 1 else log_probs


@dataclass(frozen=True, eq=False)
class MinLength:
    """Forbid EOS as long as a sequence would be shorter than ``min_length``.

    At its greatest length a sequence may end all the same, unless the search would leave it
    unfinished there (``limit`` of :class:`~huashi.seq2seq.search.Rules`).

    Args:
        min_length: the fewest tokens, for all sentences or for each, (sentences,), int64.
        count_eos: whether EOS is one of these tokens, as it is one of those of ``max_length``.
            fairseq, CTranslate2 and transformers do not count it.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> MinLength(2)(torch.zeros(1, 1, 3), begin)  # EOS, 1, would make a sequence of one token
    tensor([[[0., -inf, 0.]]])
    """

    min_length: int | Tensor
    count_eos: bool = True

    rewards = False

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        shortest = torch.as_tensor(self.min_length, device=log_probs.device)
        if shortest.ndim:
            shortest = context.of_each(shortest)
        shortest = shortest + int(not self.count_eos)
        if context.must_end:
            shortest = torch.minimum(shortest, context.limit[:, None])
        adjusted = log_probs.clone()
        adjusted[..., context.eos].masked_fill_(context.length < shortest, -torch.inf)
        return adjusted


@dataclass(frozen=True)
class AllowedTokens:
    """Forbid all tokens but those that a function allows after what a hypothesis holds.

    The function is called for each hypothesis at each step. Where it allows nothing, the hypothesis
    cannot go on. For a fixed set of sequences :class:`~huashi.seq2seq.search.InTrie` is faster.

    Args:
        allowed: (number of the sentence, tokens so far without BOS) -> ids that may follow.

    Raises:
        ValueError: when a search calls it, if an allowed token is not an id of the vocabulary.

    >>> evens_first = AllowedTokens(lambda sentence, tokens: [0, 1] if tokens else [0, 2])
    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> evens_first(torch.zeros(1, 1, 4), begin)
    tensor([[[0., -inf, 0., -inf]]])
    """

    allowed: Callable[[int, list[int]], Iterable[int]]

    rewards = False

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        forbidden = torch.ones(log_probs.shape, dtype=torch.bool)
        histories = context.tokens.tolist()
        for i, sentence in enumerate(context.sentences.tolist()):
            for k, tokens in enumerate(histories[i]):
                ids = list(self.allowed(sentence, tokens))
                check_ids("allowed", ids, log_probs)
                forbidden[i, k, ids] = False
        return log_probs.masked_fill(forbidden.to(log_probs.device), -torch.inf)


@dataclass(frozen=True)
class UnknownPenalty:
    """Subtract ``penalty`` from the log-probability of the unknown token (fairseq's ``unkpen``).

    Args:
        token: id of the unknown token.
        penalty: at least 0; :data:`math.inf` forbids the token.

    Raises:
        ValueError: ``penalty`` is below 0, or, when a search calls it, ``token`` is not an id of
            the vocabulary.
    """

    token: int
    penalty: float

    rewards = False

    def __post_init__(self) -> None:
        check_not_negative("penalty", self.penalty)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        check_ids("token", [self.token], log_probs)
        adjusted = log_probs.clone()
        adjusted[..., self.token] -= self.penalty
        return adjusted


def check_ids(name: str, ids: Iterable[int], log_probs: Tensor) -> None:
    """Raise ValueError unless all ``ids`` are in the vocabulary of (..., vocabulary)."""
    vocabulary = log_probs.shape[-1]
    for i in ids:
        if not 0 <= i < vocabulary:
            raise ValueError(f"{name} must be ids from 0 to {vocabulary - 1}, got {i}")
