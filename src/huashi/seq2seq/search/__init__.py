"""Search: from a step function to the best sequences, batched over sentences.

A *step* reads one token a row and returns log-probabilities and the next state:
``step(tokens (rows,), state) -> (log_probabilities (rows, vocabulary), state)``. A state is any
nest of tensors with the row as the first dimension. A model's own ``step`` is one; so is any
function, such as a table of transition probabilities in a test.
"""

from huashi.seq2seq.search.beam import beam_search
from huashi.seq2seq.search.candidates import DiverseGroups, DiverseSiblings
from huashi.seq2seq.search.context import Adjustment, Context
from huashi.seq2seq.search.greedy import greedy_search
from huashi.seq2seq.search.hypothesis import BeamStep, Hypothesis
from huashi.seq2seq.search.phrases import Phrases
from huashi.seq2seq.search.rules import PRESETS, Rules, rules_of
from huashi.seq2seq.search.state import select

__all__ = [
    "PRESETS",
    "Adjustment",
    "BeamStep",
    "Context",
    "DiverseGroups",
    "DiverseSiblings",
    "Hypothesis",
    "Phrases",
    "Rules",
    "beam_search",
    "greedy_search",
    "rules_of",
    "select",
]
