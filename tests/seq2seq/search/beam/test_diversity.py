"""Hypotheses that differ: the examples of fairseq's tests, and what must hold of any model."""

import math

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import DiverseGroups, DiverseSiblings, beam_search

END, W1, W2, FILL = 0, 1, 2, 3
STEPS = [  # EOS, w1, w2 at each step, for either sentence by its token before
    ({FILL: (0.0, 0.9, 0.1)}, {FILL: (0.0, 0.7, 0.3)}),
    (
        {W1: (0.0, 0.6, 0.4), W2: (0.0, 0.6, 0.4)},
        {W1: (0.25, 0.35, 0.4), W2: (0.35, 0.45, 0.2)},
    ),
    ({W1: (1.0, 0.0, 0.0), W2: (1.0, 0.0, 0.0)}, {W1: (0.9, 0.1, 0.0), W2: (0.9, 0.1, 0.0)}),
]


def step(tokens, state):
    sentences, places = state
    rows = [
        STEPS[min(place, 2)][sentence].get(token, (1.0, 0.0, 0.0))
        for token, sentence, place in zip(
            tokens.tolist(), sentences.tolist(), places.tolist(), strict=True
        )
    ]
    return torch.tensor(rows).log(), (sentences, places + 1)


def search(diversity, beam=2, sentences=(0, 1), **options):
    state = torch.tensor(sentences), torch.zeros(len(sentences), dtype=torch.long)
    options = {"semantics": "fairseq", "bos": FILL, "eos": END, "max_length": 9, **options}
    return beam_search(step, state, beam=beam, diversity=diversity, **options)


def texts(found):
    return [[h.tokens[:-1] for h in best] for best in found]


def test_groups_that_do_not_pay_say_the_same():
    found = search(DiverseGroups(groups=2, strength=0.0))
    assert texts(found) == [[[W1, W1]] * 2, [[W1, W2]] * 2]


@pytest.mark.parametrize("discount", [0.0, 1.0])
def test_groups_that_pay_are_those_of_fairseq(discount):
    found = search(DiverseGroups(groups=2, strength=0.5, discount=discount))
    assert texts(found) == [[[W1, W1], [W1, W2]], [[W1, W2], [W1, W1]]]
    second = found[0][1]  # it paid for w1 and for EOS; with a discount of 1 for EOS twice
    paid = [0.5, 0.0, 0.5 * (1 + discount)]
    scores = [math.log(p) - cost for p, cost in zip((0.9, 0.4, 1.0), paid, strict=True)]
    assert_close(second.token_scores, scores, rtol=0, atol=1e-6)
    assert not second.exact


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_siblings_are_those_of_fairseq(rate):
    wanted = [  # tokens, their probabilities, their ranks among siblings
        [([W1, W1], [0.9, 0.6, 1.0], [0, 1, 1]), ([W1, W2], [0.9, 0.4, 1.0], [0, 2, 1])],
        [([W1, W2], [0.7, 0.4, 0.9], [0, 1, 1]), ([W1, W1], [0.7, 0.35, 0.9], [0, 2, 1])],
    ]
    for best, expected in zip(search(DiverseSiblings(rate=rate)), wanted, strict=True):
        assert [h.tokens for h in best] == [[*tokens, END] for tokens, _, _ in expected]
        for hypothesis, (_, probabilities, ranks) in zip(best, expected, strict=True):
            paid = torch.tensor(probabilities).log() - rate * torch.tensor(ranks)
            assert_close(torch.tensor(hypothesis.token_scores), paid)


@pytest.mark.parametrize("diversity", [DiverseGroups(groups=2, discount=0.5), DiverseSiblings()])
def test_company_does_not_matter(diversity):
    together = search(diversity, beam=4, sentences=(0, 1, 0))
    for sentence, best in zip((0, 1, 0), together, strict=True):
        [alone] = search(diversity, beam=4, sentences=(sentence,))
        assert texts([alone]) == texts([best])
        assert_close([h.score for h in alone], [h.score for h in best])


def test_groups_must_divide_the_beam():
    with pytest.raises(ValueError, match="groups must divide the beam of 3, got 2"):
        search(DiverseGroups(groups=2), beam=3)
