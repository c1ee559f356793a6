"""Only what is in a trie is found, by any search."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from huashi.seq2seq.search import AllowedTokens, InTrie, beam_search, sample
from tests.seq2seq.search.adjustments.contexts import END as EOS
from tests.seq2seq.search.adjustments.contexts import context_of, forbidden
from tests.seq2seq.search.sampling.test_ancestral import END, OPTIONS, step


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


WORDS = st.lists(st.sampled_from([0, 2, 3, 9]), max_size=4)


@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(WORDS, min_size=1, max_size=8))
def test_what_may_follow_is_what_some_sequence_says(sequences, hypotheses):
    trie = InTrie(sequences)
    for tokens in hypotheses:
        begun = [s for s in sequences if s[: len(tokens)] == tokens]
        allowed = {s[len(tokens)] if s != tokens else EOS for s in begun}
        [[banned]] = forbidden(trie, context_of([[tokens]]), 10)
        assert banned == [token for token in range(10) if token not in allowed]


def test_many_hypotheses_are_looked_up_together():
    trie = InTrie([[2, 3, 4], [2, 4]])
    rows = [[[2, 3], [2, 4], [3, 3]], [[2, 2], [4, 3], [2, 3]]]
    wanted = [[{4}, {EOS}, set()], [set(), set(), {4}]]
    found = forbidden(trie, context_of(rows), 5)
    assert [[{*range(5)} - {*banned} for banned in row] for row in found] == wanted


def test_eos_ends_a_sequence_and_nothing_else():
    assert forbidden(InTrie([[2, EOS]]), context_of([[[2]]]), 3) == [[[0, 2]]]
    with pytest.raises(ValueError, match="sequences must have EOS, 1, at their end alone"):
        InTrie([[2, EOS, 2]])(torch.zeros(1, 1, 3), context_of([[[2]]]))
