"""What an adjustment is told of the hypotheses whose log-probabilities it adjusts.

What an adjustment is: :mod:`huashi.seq2seq.search.adjustments`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor


class Context(NamedTuple):
    """The hypotheses alive at a step, as adjustments and constraints see them.

    Attributes:
        tokens: what each hypothesis holds so far, without BOS, (sentences, alive, length - 1),
            int64.
        length: how many tokens a hypothesis has after this step; 1 at the first.
        sentences: which sentences are not done yet, (sentences,), int64: their rows in the state
            that the search began with.
        limit: the greatest length of each of them, (sentences,), int64.
        bos: the token that the first step reads.
        eos: the token that ends a hypothesis.
        must_end: whether only EOS may follow at the greatest length; False where what is alive
            there is left unfinished.
    """

    tokens: Tensor
    length: int
    sentences: Tensor
    limit: Tensor
    bos: int
    eos: int
    must_end: bool = True

    def of_each(self, per_sentence: Tensor) -> Tensor:
        """The rows of the sentences that are not done, out of a tensor with a row for each.

        Args:
            per_sentence: of all sentences that the search began with, (all sentences, ...), of any
                dtype and on any device.

        Returns:
            A tensor (sentences, 1, ...) on the device of the search, to be broadcast over the
            hypotheses of each sentence.

        >>> import torch
        >>> none = torch.zeros(1, 2, 0, dtype=torch.long)
        >>> context = Context(none, 1, torch.tensor([2]), torch.tensor([9]), bos=0, eos=1)
        >>> context.of_each(torch.tensor([5, 6, 7]))
        tensor([[7]])
        """
        return per_sentence.to(self.sentences.device)[self.sentences, None]


Adjustment = Callable[[Tensor, Context], Tensor]
"""(log-probabilities (sentences, alive, vocabulary), context) -> the same shape, adjusted."""


def may_reward(adjust: Adjustment) -> bool:
    """Whether an adjustment can raise log-probabilities above 0, as far as it says."""
    return getattr(adjust, "rewards", True)


def adjusted(log_probs: Tensor, context: Context, adjustments: Sequence[Adjustment]) -> Tensor:
    """``log_probs``, (sentences, alive, vocabulary), after all adjustments in their order."""
    for adjust in adjustments:
        log_probs = adjust(log_probs, context)
    return log_probs
