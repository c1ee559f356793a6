"""How far a hypothesis is with its phrases: fairseq's state machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        # where fairseq forgets what begins within something else
        ([[2, 2, 3]], [2, 2, 2, 3], 3, 1, True),
        ([[2, 3, 2, 4]], [2, 3, 2, 3, 2, 4], 4, 1, True),
        ([[1, 2], [2, 3]], [1, 2, 3, 5], 4, 2, True),
        ([[1, 2, 3], [2, 3]], [1, 2, 3], 3, 1, True),
        ([[1], [1, 2, 3]], [1, 2, 3, 1, 2], 4, 2, True),
        ([[1, 2], [1, 2]], [1, 2, 3], 2, 1, False),
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


@pytest.mark.parametrize("ordered", [True, False])
def test_long_hypotheses_and_phrases_that_repeat_take_little_time(ordered):
    """No recursion, and nothing that grows with more than the length of phrases and hypothesis."""
    phrase = [2] * 300 + [3]
    state = Phrases(of_sentences=[[phrase]], ordered=ordered).progress(0, (2,) * 3000 + (3,))
    assert state.finished
    state = Phrases(of_sentences=[[[7, 8]]], ordered=ordered).progress(0, (5,) * 9000 + (7, 8))
    assert state.finished


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=5),
    st.lists(st.integers(1, 3), max_size=12),
    st.booleans(),
)
def test_a_phrase_is_met_where_it_is_there(phrase, tokens, ordered):
    state = Phrases(of_sentences=[[phrase]], ordered=ordered).progress(0, tuple(tokens))
    places = range(len(tokens) - len(phrase) + 1)
    assert state.finished == any(tokens[i : i + len(phrase)] == phrase for i in places)
