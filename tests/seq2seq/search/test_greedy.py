"""Greedy search takes the likeliest token, whatever comes of it."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from huashi.seq2seq.search import greedy_search
from tests.seq2seq.search.beam.test_search import END, TOKEN_0, tables


@given(tables(), st.integers(1, 6))
def test_greedy_takes_the_likeliest_token_each_time(table, max_length):
    step = lambda tokens, state: (table[tokens], state)  # noqa: E731
    options = {"bos": TOKEN_0, "eos": END, "max_length": max_length}
    [[hypothesis]] = greedy_search(step, torch.zeros(1), **options)
    token = TOKEN_0
    for place, next_token in enumerate(hypothesis.tokens, 1):
        if place < max_length:
            assert next_token == table[token].argmax()
        token = next_token
    assert hypothesis.finished == (hypothesis.tokens[-1:] == [END])
