"""Sequences drawn from a model: each on its own, or all different."""

from huashi.seq2seq.search.sampling.ancestral import sample
from huashi.seq2seq.search.sampling.stochastic_beam import (
    importance_weights,
    stochastic_beam_search,
)

__all__ = ["importance_weights", "sample", "stochastic_beam_search"]
