"""What must hold of adjustments in every search."""

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import (
    AllowedTokens,
    ForcedPrefix,
    MinLength,
    NoRepeatNgram,
    Suppress,
    beam_search,
    greedy_search,
    sample,
    stochastic_beam_search,
)
from tests.seq2seq.search.adjustments.contexts import BOS, END

TABLE = torch.randn(7, 7, generator=torch.Generator().manual_seed(5)).double().log_softmax(-1)
OPTIONS = {"bos": BOS, "eos": END, "max_length": 7}


def table_step(tokens, state):
    return TABLE[tokens], state


def greedy(state, **options):
    return greedy_search(table_step, state, **OPTIONS, **options)


def beam(state, **options):
    return beam_search(table_step, state, beam=4, **OPTIONS, **options)


def sampled(state, **options):
    return sample(table_step, state, samples=4, generator=3, **OPTIONS, **options)


def stochastic(state, **options):
    return stochastic_beam_search(table_step, state, beam=4, generator=3, **OPTIONS, **options)


SEARCHES = pytest.mark.parametrize("search", [greedy, beam, sampled, stochastic])
EACH_ITS_OWN = [
    ForcedPrefix([[2, 3], [], [4, 4, 4]]),
    MinLength(torch.tensor([3, 5, 7])),
    NoRepeatNgram(2),
    Suppress([BOS]),
]


@SEARCHES
def test_all_hold_together(search):
    for i, nbest in enumerate(search(torch.zeros(3), adjustments=EACH_ITS_OWN[:-2])):
        for h in nbest:
            assert h.tokens[: len(PREFIXES_HELD[i])] == PREFIXES_HELD[i]
            assert h.finished
            assert len(h.tokens) >= [3, 5, 7][i]
    for nbest in search(torch.zeros(3), adjustments=EACH_ITS_OWN[1:]):
        for h in nbest:
            pairs = list(zip(h.tokens, h.tokens[1:], strict=False))
            assert len(set(pairs)) == len(pairs)
            assert BOS not in h.tokens


PREFIXES_HELD = [[2, 3], [], [4, 4, 4]]


@SEARCHES
def test_a_sentence_is_adjusted_as_if_it_were_alone(search):
    """Its number leads to its own prefix and length, also when others have been done before."""
    together = search(torch.zeros(3), adjustments=EACH_ITS_OWN[:-2])
    for i in range(3):
        alone = [ForcedPrefix([PREFIXES_HELD[i]]), MinLength([3, 5, 7][i])]
        options = {"keys": torch.tensor([i])} if search in (sampled, stochastic) else {}
        [found] = search(torch.zeros(1), adjustments=alone, **options)
        assert [h.tokens for h in found] == [h.tokens for h in together[i]]
        assert_close([h.score for h in found], [h.score for h in together[i]])


@SEARCHES
def test_what_allows_nothing_leaves_a_prefix(search):
    [found] = search(torch.zeros(1), adjustments=[AllowedTokens(lambda i, t: [2] if len(t) < 2 else [])])  # fmt: skip
    assert {tuple(h.tokens) for h in found} == {(2, 2)}
    assert not any(h.finished for h in found)
