"""Beam search: the rules that projects differ in, candidates, and a step after the other."""

from huashi.seq2seq.search.beam.search import beam_search

__all__ = ["beam_search"]
