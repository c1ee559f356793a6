"""Beam search: the search itself, its rules, and how it chooses candidates.

``search`` calls the model and takes out sentences that are done; ``step`` makes the next beams of
the present ones (``state``), with ``candidates`` for choosing continuations and ``finishing`` for
those that end. ``rules`` and ``scores`` say how hypotheses are compared. ``diversity`` and
``phrases`` choose in other ways.
"""

from huashi.seq2seq.search.beam.search import beam_search

__all__ = ["beam_search"]
