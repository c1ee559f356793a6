"""How far a hypothesis is with its phrases: fairseq's state machines."""

import pytest

from huashi.seq2seq.search import Phrases

SIX = [[1, 2, 3], [1, 3], [1, 4], [4, 5, 6, 7], [1], [4, 5]]
ALL_SIX = [1, 2, 3, 1, 3, 1, 4, 4, 5, 6, 7, 1, 4, 5]
GAPS = [1, 2, 3, 999, 1, 3, 1, 4, 4, 5, 6, 7, 1, 4, 5, 117]


@pytest.mark.parametrize(
    ("phrases", "tokens", "bank", "completed", "finished"),
    [
        (SIX, [], 0, 0, False),
        (SIX, [1, 2], 2, 0, False),
        (SIX, [1, 2, 94], 1, 1, False),
        (SIX, [1, 3, 999, 1, 4], 4, 2, False),
        (SIX, [1, 3, 999, 1, 4, 999], 4, 2, False),
        (SIX, [4, 5, 6, 8], 2, 1, False),
        (SIX, ALL_SIX, 14, 6, True),
        (SIX, GAPS, 14, 6, True),
        ([[1], [2, 3]], [1, 1], 1, 1, False),
        ([[1, 2], [1, 2]], [1, 2, 1, 2], 4, 2, True),
        ([[1, 2], [1, 2]], [1, 2, 1, 2, 1], 4, 2, True),
        ([[1, 2], [3, 4]], [1, 2, 3, 4, 5], 4, 2, True),
    ],
)
def test_unordered_phrases_are_met_as_in_fairseq(phrases, tokens, bank, completed, finished):
    state = Phrases(of_sentences=[phrases]).progress(0, tuple(tokens))
    assert (state.bank, state.completed, state.finished) == (bank, completed, finished)


@pytest.mark.parametrize(
    ("phrases", "tokens", "bank", "completed", "finished"),
    [
        (SIX, [], 0, 0, False),
        (SIX, [1, 2], 2, 0, False),
        (SIX, [1, 2, 94], 0, 0, False),
        (SIX, [1, 3, 999, 1, 4], 0, 0, False),
        (SIX, [1, 2, 3, 999, 999], 3, 1, False),
        (SIX, [1, 2, 3, 77, 1, 3, 1], 6, 2, False),
        (SIX, ALL_SIX, 14, 6, True),
        (SIX, [1, 2, 999, *GAPS], 14, 6, True),
        ([[1], [2, 3]], [1, 1], 1, 1, False),
        ([[1, 2], [1, 2]], [1, 2, 1, 2, 1], 4, 2, True),
        ([[1, 2], [3, 4]], [1, 2, 3, 4, 5], 4, 2, True),
        # where fairseq forgets more than what broke off
        ([[1], [2, 3]], [1, 2, 9, 2, 3], 3, 2, True),
        ([[1, 1, 2]], [1, 1, 1, 2], 3, 1, True),
    ],
)
def test_ordered_phrases_are_met_in_order(phrases, tokens, bank, completed, finished):
    state = Phrases(of_sentences=[phrases], ordered=True).progress(0, tuple(tokens))
    assert (state.bank, state.completed, state.finished) == (bank, completed, finished)
