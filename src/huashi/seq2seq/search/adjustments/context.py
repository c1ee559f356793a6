"""What an adjustment of log-probabilities may know of the hypotheses it adjusts.

An *adjustment* is called by a search at each step with the log-probabilities of the next tokens,
(sentences, alive, vocabulary), and a :class:`Context`; it returns a new tensor of that shape, in
which -inf forbids a token. Adjustments are applied in the order they are given. What they return
need not sum to one. One that looks at nothing but a hypothesis' own row keeps the answer to a
sentence independent of the others in its batch.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor


class Context(NamedTuple):
    """The hypotheses alive at a step."""

    tokens: Tensor
    """What each holds so far, BOS not included, (sentences, alive, length - 1), int64."""
    length: int
    """How many tokens it will have after this step: 1 at the first."""
    sentences: Tensor
    """The number of each sentence that is still open, in the order of the rows of the state that
    the search began with, (sentences,), int64."""
    limit: Tensor
    """The greatest length of each sentence, (sentences,), int64."""
    bos: int
    """The token that the first step reads."""
    eos: int
    """The token that ends a hypothesis."""

    def of_each(self, per_sentence: Tensor) -> Tensor:
        """Rows of a tensor (all sentences, ...) for those that are open, (sentences, 1, ...).

        >>> import torch
        >>> none = torch.zeros(1, 2, 0, dtype=torch.long)
        >>> context = Context(none, 1, torch.tensor([2]), torch.tensor([9]), bos=0, eos=1)
        >>> context.of_each(torch.tensor([5, 6, 7]))
        tensor([[7]])
        """
        return per_sentence.to(self.sentences.device)[self.sentences, None]


Adjustment = Callable[[Tensor, Context], Tensor]
"""(log-probabilities (sentences, alive, vocabulary), context) -> the same, adjusted."""


def adjusted(log_probs: Tensor, context: Context, adjustments: Sequence[Adjustment]) -> Tensor:
    """The log-probabilities after all adjustments, in their order."""
    for adjust in adjustments:
        log_probs = adjust(log_probs, context)
    return log_probs
