"""Search: from a step function to the best sequences, batched over sentences.

A step function reads one token for each row and returns log-probabilities of the next tokens and
the next state: ``step(tokens (rows,), state) -> (log_probs (rows, vocabulary), state)``. A row is a
hypothesis; a state is any nest of tensors whose first dimension is the row. A model's own ``step``
is such a function, and so is any other, such as a table of transition probabilities.

The best sequences are looked for by :func:`greedy_search` and :func:`beam_search`; :func:`sample`
and :func:`stochastic_beam_search` draw sequences at random. What else is here changes what they
find: adjustments change the log-probabilities of a step (:class:`TopK`, :class:`MinLength`, ...),
:class:`Rules`, :class:`DiverseGroups`, :class:`DiverseSiblings` and :class:`Phrases` how a beam
search chooses, :class:`Ensemble` and :class:`ShallowFusion` make one step of several models.
"""

from huashi.seq2seq.search.adjustments import (
    AllowedTokens,
    BiasedPrefix,
    Context,
    Epsilon,
    Eta,
    ForcedPrefix,
    InTrie,
    MinLength,
    MinP,
    NoRepeatNgram,
    RepetitionPenalty,
    Suppress,
    SuppressAtBegin,
    Temperature,
    TopK,
    TopP,
    Typical,
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
from huashi.seq2seq.search.sampling import importance_weights, sample, stochastic_beam_search
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
