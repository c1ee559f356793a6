"""What is drawn, and what several models say together, against exact distributions."""

import itertools
import math
from collections import Counter

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import (
    AllowedTokens,
    Ensemble,
    Hypothesis,
    InTrie,
    ShallowFusion,
    beam_search,
    greedy_search,
    replace_unknown,
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


def test_a_stochastic_beam_draws_without_replacement():
    draws = stochastic_beam_search(step, torch.zeros(1000), beam=3, generator=2, **OPTIONS)
    wanted = exact()
    first, second = Counter(), Counter()
    for some in draws:
        texts = [tuple(h.tokens) for h in some]
        assert len(set(texts)) == 3
        assert [h.score for h in some] == sorted((h.score for h in some), reverse=True)
        for h in some:
            assert_close(sum(h.token_scores), math.log(wanted[tuple(h.tokens)]))
        first[texts[0]] += 1
        second[texts[1]] += 1
    assert chi_square(first, wanted) < LIMIT
    after = {  # the second of a sample without replacement
        b: sum(wanted[a] * wanted[b] / (1 - wanted[a]) for a in wanted if a != b) for b in wanted
    }
    assert chi_square(second, after) < LIMIT


def test_a_wide_stochastic_beam_draws_them_all():
    [some] = stochastic_beam_search(step, torch.zeros(1), beam=20, generator=0, **OPTIONS)
    assert {tuple(h.tokens) for h in some} == exact().keys()
    [fewer] = stochastic_beam_search(step, torch.zeros(1), beam=3, generator=0, **OPTIONS)
    assert [h.tokens for h in fewer] == [h.tokens for h in some[:3]]


@pytest.mark.parametrize("beam", [1, 3, 20])
def test_only_what_is_in_the_trie_is_found(beam):
    sequences = [[2, 0], [0], [2, 2]]
    wanted = {(*sequence, END) for sequence in sequences}
    options = {**OPTIONS, "adjustments": [InTrie(sequences)]}
    [found] = beam_search(step, torch.zeros(1), beam=beam, **options)
    assert {tuple(h.tokens) for h in found if h.finished} <= wanted
    if beam == 20:
        assert {tuple(h.tokens) for h in found} == wanted
    [drawn] = sample(step, torch.zeros(1), samples=20, generator=0, **options)
    assert {tuple(h.tokens) for h in drawn} <= wanted

    def allowed(_, tokens):  # of hypotheses that no sequence begins with nothing is asked for
        begun = [s for s in wanted if s[: len(tokens)] == tuple(tokens)]
        return {s[len(tokens)] for s in begun if len(s) > len(tokens)}

    options["adjustments"] = [AllowedTokens(allowed)]
    [again] = beam_search(step, torch.zeros(1), beam=beam, **options)
    assert again == found


def test_the_means_of_an_ensemble():
    other = torch.tensor([[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]]).double().log()

    def second(tokens, state):
        return other[tokens], state

    tokens = torch.tensor([0, 2])
    p, q = TABLE[tokens].exp(), other[tokens].exp()
    said, _ = Ensemble([step, second], [3.0, 1.0]).step(tokens, (None, None))
    assert_close(said.exp(), 0.75 * p + 0.25 * q)
    said, _ = Ensemble([step, second], mean="log_probabilities").step(tokens, (None, None))
    assert_close(said.exp(), (p * q).sqrt() / (p * q).sqrt().sum(-1, keepdim=True))
    said, _ = ShallowFusion(step, second, 0.3).step(tokens, (None, None))
    assert_close(said, p.log() + 0.3 * q.log())
    both = Ensemble([step, step])
    state = torch.zeros(1), torch.zeros(1)
    assert greedy_search(both.step, state, **OPTIONS)[0][0].tokens == [1]


def test_unknown_tokens_are_what_they_attend_to():
    seen = torch.tensor([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0]])
    scores = {"score": 0.0, "token_scores": [0.0] * 2, "finished": False, "exact": False}
    hypothesis = Hypothesis(tokens=[7, 7], alignment=seen, **scores)
    options = {"unknown": 7, "dictionary": {"Haus": "house"}}
    found = replace_unknown(hypothesis, ["?", "?"], ["Haus", "Wuhan"], **options)
    assert found == ["Wuhan", "house"]  # the last position is beyond the source's tokens
