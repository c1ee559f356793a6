"""What is drawn, and what several models say together, against exact distributions."""

import itertools
import math
from collections import Counter

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import (
    sample,
    stochastic_beam_search,
)

START, END, LENGTH = 0, 1, 3
TABLE = torch.tensor([[0.3, 0.5, 0.2], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4]]).double().log()
OPTIONS = {"bos": START, "eos": END, "max_length": LENGTH}


def step(tokens, state):
    return TABLE[tokens], state


def exact(temperature=1.0):
    """The probability of every sequence; at the greatest length the end is certain."""
    steps = (TABLE / temperature).log_softmax(-1)
    found = {}
    for n in range(LENGTH):
        for body in itertools.product([0, 2], repeat=n):
            ways = list(itertools.pairwise([START, *body, END]))
            ways = ways[:-1] if n == LENGTH - 1 else ways
            found[*body, END] = math.exp(sum(steps[a, b].item() for a, b in ways))
    assert sum(found.values()) == pytest.approx(1)
    return found


def chi_square(counts, probabilities):
    total = sum(counts.values())
    assert counts.keys() <= probabilities.keys()
    return sum((counts[k] - total * p) ** 2 / (total * p) for k, p in probabilities.items())


LIMIT = 22.5  # of chi-square with 6 degrees of freedom one in a thousand is above; seeds are fixed


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_have_the_models_distribution(temperature):
    draws = sample(
        step, torch.zeros(40), samples=100, temperature=temperature, generator=3, **OPTIONS
    )
    wanted = exact(temperature)
    assert len(wanted) == 7
    assert chi_square(Counter(tuple(h.tokens) for some in draws for h in some), wanted) < LIMIT
    for h in draws[0]:
        ways = list(itertools.pairwise([START, *h.tokens]))
        scores = [TABLE[a, b].item() for a, b in ways]
        assert_close(h.token_scores[:-1], scores[:-1])
        assert_close(h.score, sum(h.token_scores) / len(h.tokens))


@pytest.mark.parametrize(
    "search",
    [
        lambda state, **o: sample(step, state, samples=5, **OPTIONS, **o),
        lambda state, **o: stochastic_beam_search(step, state, beam=4, **OPTIONS, **o),
    ],
)
def test_what_is_drawn_for_a_sentence_is_its_own(search):
    keys = torch.tensor([5, 6, 7])
    together = search(torch.zeros(3), generator=1, keys=keys)
    for key, some in zip(keys, together, strict=True):
        [alone] = search(torch.zeros(1), generator=1, keys=key[None])
        assert [h.tokens for h in alone] == [h.tokens for h in some]
        assert_close([h.score for h in alone], [h.score for h in some])
    assert search(torch.zeros(3), generator=1, keys=keys.flip(0))[0] == together[2]
