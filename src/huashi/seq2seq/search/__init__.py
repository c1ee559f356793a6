"""Search: from a step function to the best sequences, batched over sentences.

A *step* reads one token a row and returns log-probabilities and the next state:
``step(tokens (rows,), state) -> (log_probabilities (rows, vocabulary), state)``. A state is any
nest of tensors with the row as the first dimension. A model's own ``step`` is one; so is any
function, such as a table of transition probabilities in a test.
"""

from huashi.seq2seq.search.adjustments.context import Context
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
from huashi.seq2seq.search.beam.diversity import DiverseGroups, DiverseSiblings
from huashi.seq2seq.search.beam.phrases import Phrases
from huashi.seq2seq.search.beam.rules import PRESETS, Rules, rules_of
from huashi.seq2seq.search.beam.search import beam_search
from huashi.seq2seq.search.ensembles import Ensemble, ShallowFusion
from huashi.seq2seq.search.greedy import greedy_search
from huashi.seq2seq.search.hypothesis import BeamStep, Hypothesis
from huashi.seq2seq.search.protocol import select
from huashi.seq2seq.search.sampling.ancestral import sample
from huashi.seq2seq.search.sampling.stochastic_beam import (
    importance_weights,
    stochastic_beam_search,
)
from huashi.seq2seq.search.unknown_tokens import replace_unknown

__all__ = [
    "PRESETS",
    "AllowedTokens",
    "BeamStep",
    "BiasedPrefix",
    "Context",
    "DiverseGroups",
    "DiverseSiblings",
    "Ensemble",
    "Epsilon",
    "Eta",
    "ForcedPrefix",
    "Hypothesis",
    "InTrie",
    "MinLength",
    "MinP",
    "NoRepeatNgram",
    "Phrases",
    "RepetitionPenalty",
    "Rules",
    "ShallowFusion",
    "Suppress",
    "SuppressAtBegin",
    "Temperature",
    "TopK",
    "TopP",
    "Typical",
    "UnknownPenalty",
    "beam_search",
    "greedy_search",
    "importance_weights",
    "replace_unknown",
    "rules_of",
    "sample",
    "select",
    "stochastic_beam_search",
]
