"""Adjustments: what changes the log-probabilities of a step before a search chooses by them.

An adjustment is any callable ``adjust(log_probs, context) -> log_probs``. A search calls it at each
step with

- ``log_probs``: log-probabilities of the next tokens, (sentences, alive, vocabulary), of any
  floating-point dtype, where ``sentences`` counts the sentences that are not done yet and ``alive``
  the hypotheses of each;
- ``context``: a :class:`Context`, which tells what those hypotheses hold so far.

It returns a new tensor of the same shape and dtype, in which -inf forbids a token; it does not
change the one that it was given. The result need not sum to one. Adjustments are applied in the
order in which they are given to the search. One that never makes a number above 0 of numbers that
are at most 0 says so by an attribute ``rewards = False``, as all of those below do. Any other is
taken to reward tokens: then no bound holds for what is still to come, so a beam search that waits
for the best one goes on to the greatest length, and calls no hypothesis exact unless it has dropped
nothing. One that looks at nothing but a hypothesis' own row
keeps what is found for a sentence independent of the other sentences in the batch; all of those
below do.

What decides between whole candidates, such as phrases that must be there, is no adjustment:
``constraints`` and ``diversity`` of :func:`~huashi.seq2seq.search.beam_search` are.
"""

from huashi.seq2seq.search.adjustments.context import Adjustment, Context, adjusted
from huashi.seq2seq.search.adjustments.filters import (
    Epsilon,
    Eta,
    MinP,
    Temperature,
    TopK,
    TopP,
    Typical,
)
from huashi.seq2seq.search.adjustments.prefixes import BiasedPrefix, ForcedPrefix
from huashi.seq2seq.search.adjustments.repetition import NoRepeatNgram, RepetitionPenalty
from huashi.seq2seq.search.adjustments.tries import InTrie
from huashi.seq2seq.search.adjustments.vocabulary import (
    AllowedTokens,
    MinLength,
    Suppress,
    SuppressAtBegin,
    UnknownPenalty,
)

__all__ = [
    "Adjustment",
    "AllowedTokens",
    "BiasedPrefix",
    "Context",
    "Epsilon",
    "Eta",
    "ForcedPrefix",
    "InTrie",
    "MinLength",
    "MinP",
    "NoRepeatNgram",
    "RepetitionPenalty",
    "Suppress",
    "SuppressAtBegin",
    "Temperature",
    "TopK",
    "TopP",
    "Typical",
    "UnknownPenalty",
    "adjusted",
]
