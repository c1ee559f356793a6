"""Samples without replacement, against exact distributions."""

import math
from collections import Counter

import torch
from torch.testing import assert_close

from huashi.seq2seq.search import stochastic_beam_search
from tests.seq2seq.search.sampling.test_ancestral import LIMIT, OPTIONS, chi_square, exact, step


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
