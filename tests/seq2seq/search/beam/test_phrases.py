"""Phrases that must be there, in searches that brute force can check."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from huashi.seq2seq.search import DiverseGroups, Phrases, beam_search

START, END = 0, 1


def table_of(seed, size=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, size, generator=generator, dtype=torch.double).mul(2).log_softmax(-1)


def search(table, sentences=1, **options):
    step = lambda tokens, state: (table[tokens], state)  # noqa: E731
    options = {"bos": START, "eos": END, "length_penalty": 0.0, **options}
    return beam_search(step, torch.zeros(sentences), **options)


def holds(tokens, phrase):
    return any(tokens[i : i + len(phrase)] == phrase for i in range(len(tokens)))


PHRASES = st.lists(st.lists(st.sampled_from([0, 2, 3, 4]), min_size=1, max_size=2), max_size=2)


@given(st.integers(0, 99), PHRASES, st.booleans())
def test_a_wide_beam_finds_the_best_that_holds_them(seed, phrases, ordered):
    table, length = table_of(seed), 5
    constraints = Phrases(of_sentences=[phrases], ordered=ordered)
    fitting = []
    for n in range(length):
        for body in itertools.product([0, 2, 3, 4], repeat=n):
            if constraints.progress(0, body).finished:
                ways = itertools.pairwise([START, *body, END])
                fitting.append(sum(table[a, b].item() for a, b in ways))
    found = search(table, beam=600, nbest=5, max_length=length, constraints=constraints)[0]
    assert_close([h.score for h in found], sorted(fitting, reverse=True)[:5])
    for hypothesis in found:
        assert hypothesis.finished
        assert not hypothesis.exact
        for phrase in phrases:
            assert holds(hypothesis.tokens, phrase)


@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_beam_finds_them_too_and_company_does_not_matter(seed):
    table = table_of(seed)
    wanted = [[[4, 2], [3]], [], [[2, 2, 2]]]
    options = {"beam": 3, "max_length": 9}
    together = search(table, 3, constraints=Phrases(of_sentences=wanted), **options)
    for best, phrases in zip(together, wanted, strict=True):
        assert all(holds(h.tokens, phrase) for h in best for phrase in phrases)
        [alone] = search(table, constraints=Phrases(of_sentences=[phrases]), **options)
        assert [h.tokens for h in alone] == [h.tokens for h in best]
    plain = search(table, **options)[0]
    # Of equals, such as the same transitions in another order, either may come first.
    assert_close([h.score for h in together[1]], [h.score for h in plain])


def test_phrases_in_groups_that_differ():
    options = {"diversity": DiverseGroups(groups=2), "beam": 4, "max_length": 9}
    found = search(table_of(1), constraints=Phrases(of_sentences=[[[4, 2]]]), **options)[0]
    assert len(found) >= 2  # of either group
    assert all(holds(h.tokens, [4, 2]) for h in found)


def test_groups_of_which_one_is_done_before_the_other():
    options = {"diversity": DiverseGroups(groups=2, strength=50.0), "beam": 2, "max_length": 9}
    table = torch.full((4, 4), 0.01).index_put(
        (torch.tensor([0, 2, 3]), torch.tensor([2, END, 3])), torch.tensor(0.97)
    )
    constraints = Phrases(of_sentences=[[[2]]])
    steps = []
    found = search(table.log(), constraints=constraints, observe=steps.append, **options)[0]
    assert all(holds(h.tokens, [2]) for h in found if h.finished)
    assert any(len(step.sentences) == 1 for step in steps)


def test_what_cannot_be_said_in_time_is_unfinished():
    constraints = Phrases(of_sentences=[[[2, 3, 4, 2]]])
    [found] = search(table_of(0), beam=2, max_length=3, constraints=constraints)[0]
    assert not found.finished


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="of_sentences must hold no empty phrase"):
        Phrases(of_sentences=[[[]]])
    with pytest.raises(ValueError, match="of_sentences must have phrases for 2 sentences or more"):
        search(table_of(0), 2, beam=2, max_length=3, constraints=Phrases(of_sentences=[[]]))
    with pytest.raises(ValueError, match="of_sentences must be >= 0, got -1"):
        Phrases(of_sentences=[[[2, -1]]])
    with pytest.raises(ValueError, match="of_sentences must be ids from 0 to 4, got 7"):
        search(table_of(0), beam=2, max_length=3, constraints=Phrases(of_sentences=[[[7]]]))
    with pytest.raises(ValueError, match="of_sentences must hold no EOS in a phrase, got 1"):
        search(table_of(0), beam=2, max_length=3, constraints=Phrases(of_sentences=[[[2, END]]]))
