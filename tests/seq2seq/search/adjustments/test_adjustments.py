"""Adjustments: the field's examples, transformers itself, and what must hold in every search."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers.generation import logits_process as theirs

from huashi.seq2seq.search import (
    AllowedTokens,
    BiasedPrefix,
    Context,
    ForcedPrefix,
    MinLength,
    NoRepeatNgram,
    RepetitionPenalty,
    Suppress,
    SuppressAtBegin,
    UnknownPenalty,
    beam_search,
    greedy_search,
    sample,
    stochastic_beam_search,
)

BOS, END = 0, 1


def context_of(histories, sentences=None, limit=9):
    """Of token lists, (sentences, alive, length - 1)."""
    tokens = torch.tensor(histories, dtype=torch.long)
    numbers = torch.arange(len(tokens)) if sentences is None else torch.tensor(sentences)
    limits = torch.full((len(tokens),), limit)
    return Context(tokens, tokens.shape[-1] + 1, numbers, limits, BOS, END)


def forbidden(adjust, context, vocabulary):
    """Ids, for each hypothesis."""
    zeros = torch.zeros(*context.tokens.shape[:2], vocabulary)
    return [
        [row.isneginf().nonzero()[:, 0].tolist() for row in rows] for rows in adjust(zeros, context)
    ]


BEGIN = context_of([[[]]])


# repetition


@pytest.mark.parametrize(
    ("n", "histories", "banned"),
    [
        (2, [[1, 1, 2, 1], [0, 1, 0, 1]], [[1, 2], [0]]),
        (3, [[1, 1, 2, 1], [0, 1, 0, 1]], [[], [0]]),
        (3, [[1, 2, 5, 7, 8, 5, 1, 2]], [[5]]),
        (1, [[2, 2, 4]], [[2, 4]]),
        (4, [[3, 3, 3]], [[]]),  # not one n-gram yet
        (3, [[3, 3, 3]], [[3]]),
    ],
)
def test_ngrams_that_may_not_come_again(n, histories, banned):
    assert forbidden(NoRepeatNgram(n), context_of([histories]), 9) == [banned]


@given(st.integers(1, 4), st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1))
def test_transformers_bans_the_same_ngrams(n, histories):
    tokens, scores = torch.tensor(histories), torch.randn(len(histories), 4)
    wanted = theirs.NoRepeatNGramLogitsProcessor(n)(tokens, scores)
    found = NoRepeatNgram(n)(scores[None], context_of([histories]))[0]
    assert torch.equal(found, wanted)


@given(st.floats(0.5, 3.0), st.integers(0, 5), st.booleans())
def test_transformers_penalises_the_same_repetitions(penalty, skip, count_bos):
    tokens = torch.tensor([[3, 4, 3, 2, 5], [6, 6, 6, 6, 6]])
    scores = torch.randn(2, 8).log_softmax(-1)
    scores[0, 3] = 0.0  # certain
    scores[1, 2] = -torch.inf
    read = torch.cat([torch.full((2, 1), BOS), tokens], 1) if count_bos and not skip else tokens
    wanted = theirs.RepetitionPenaltyLogitsProcessor(penalty, skip)(read, scores)
    count_bos = count_bos and not skip
    context = context_of(tokens[None].tolist())
    adjust = RepetitionPenalty(penalty, count_bos=count_bos, skip=skip)
    assert_close(adjust(scores[None], context)[0], wanted)


def test_tokens_that_do_not_count_as_repeated_may_differ_by_sentence():
    context = context_of([[[3, 4]], [[3, 4]]], sentences=[2, 0])
    adjust = RepetitionPenalty(2.0, skip=torch.tensor([0, 9, 1]))
    scores = adjust(torch.full((2, 1, 5), -1.0), context)[:, 0]
    assert scores.tolist() == [[-1, -1, -1, -1, -2], [-1, -1, -1, -2, -2]]


# vocabulary


def test_suppressed_tokens():
    assert forbidden(Suppress([0, 3]), context_of([[[2], [4]]]), 5) == [[[0, 3], [0, 3]]]
    assert forbidden(Suppress([]), BEGIN, 5) == [[[]]]
    assert forbidden(SuppressAtBegin([END]), BEGIN, 5) == [[[END]]]
    assert forbidden(SuppressAtBegin([END]), context_of([[[2]]]), 5) == [[[]]]


@pytest.mark.parametrize(("count_eos", "first"), [(True, 3), (False, 4)])
def test_a_sequence_ends_at_its_least_length(count_eos, first):
    """``first``: the length that the first that may end has, EOS counted."""
    for length in range(1, 6):
        context = context_of([[[2] * (length - 1)]])
        ban = forbidden(MinLength(3, count_eos), context, 3)
        assert ban == [[[END] if length < first else []]]


def test_least_lengths_of_each_sentence_and_the_greatest_length_that_wins():
    context = context_of([[[2]], [[2]]], sentences=[1, 3])
    adjust = MinLength(torch.tensor([9, 2, 9, 3]))
    assert forbidden(adjust, context, 3) == [[[]], [[END]]]
    at_limit = context._replace(limit=torch.tensor([2, 2]))
    assert forbidden(adjust, at_limit, 3) == [[[]], [[]]]


def test_allowed_tokens_are_asked_for_each_hypothesis():
    calls = []

    def allowed(sentence, tokens):
        calls.append((sentence, tokens))
        return {2, 3} if tokens[-1] == 2 else ()

    context = context_of([[[2], [3]]], sentences=[7])
    assert forbidden(AllowedTokens(allowed), context, 4) == [[[0, 1], [0, 1, 2, 3]]]
    assert calls == [(7, [2]), (7, [3])]


def test_an_unknown_token_costs():
    scores = torch.tensor([[[-1.0, -2.0]]])
    assert UnknownPenalty(1, 0.5)(scores, BEGIN).tolist() == [[[-1.0, -2.5]]]
    assert UnknownPenalty(1, math.inf)(scores, BEGIN).tolist() == [[[-1.0, -math.inf]]]


# prefixes

PREFIXES = [[2, 3], [], [4]]


@pytest.mark.parametrize("prefixes", [PREFIXES, torch.tensor([[2, 3], [-1, -1], [4, -1]])])
def test_a_forced_prefix_allows_nothing_else(prefixes):
    adjust = ForcedPrefix(prefixes)
    first = context_of([[[]], [[]]], sentences=[2, 1])
    assert forbidden(adjust, first, 5) == [[[0, 1, 2, 3]], [[]]]
    second = context_of([[[2], [9]], [[4], [2]]], sentences=[0, 2])
    assert forbidden(adjust, second, 5) == [[[0, 1, 2, 4]] * 2, [[], []]]
    assert forbidden(adjust, context_of([[[2, 3]]]), 5) == [[[]]]  # behind all


def test_a_forced_token_has_its_own_score_or_none():
    scores = torch.tensor([[[-1.0, -2.0, -3.0]]])
    assert ForcedPrefix([[2]])(scores, BEGIN)[0, 0, 2] == -3
    assert ForcedPrefix([[2]], score="zero")(scores, BEGIN)[0, 0, 2] == 0
    assert torch.equal(ForcedPrefix([[]], score="zero")(scores, BEGIN), scores)


def test_a_bias_lasts_as_long_as_the_prefix_is_followed():
    adjust = BiasedPrefix([[2, 3]], 0.25)
    p = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]])
    assert_close(adjust(p.log(), BEGIN).exp(), 0.75 * p + 0.25 * torch.eye(4)[2])
    p = p.expand(1, 2, 4)
    on_the_way_and_off = adjust(p.log(), context_of([[[2], [1]]])).exp()
    assert_close(on_the_way_and_off[:, 0], 0.75 * p[:, 0] + 0.25 * torch.eye(4)[3])
    assert_close(on_the_way_and_off[:, 1], p[:, 1])
    assert_close(adjust(p.log(), context_of([[[2, 3], [2, 3]]])).exp(), p)


def test_a_bias_is_nothing_or_force_at_its_ends():
    p = torch.tensor([[[0.5, 0.5, 0.0]]]).log()
    assert torch.equal(BiasedPrefix([[2]], 0.0)(p, BEGIN), p)
    assert BiasedPrefix([[2]], 1.0)(p, BEGIN).tolist() == [[[-math.inf, -math.inf, 0.0]]]
    assert_close(BiasedPrefix([[2]], 0.5)(p, BEGIN).exp(), torch.tensor([[[0.25, 0.25, 0.5]]]))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: NoRepeatNgram(0), "n must be > 0, got 0"),
        (lambda: RepetitionPenalty(0.0), "penalty must be > 0, got 0.0"),
        (lambda: Suppress([7])(torch.zeros(1, 1, 5), BEGIN), "tokens must be ids from 0 to 4, got 7"),
        (lambda: AllowedTokens(lambda i, t: [-1])(torch.zeros(1, 1, 5), BEGIN), "allowed must be ids from 0 to 4, got -1"),
        (lambda: UnknownPenalty(3, -1.0), "penalty must be >= 0, got -1.0"),
        (lambda: UnknownPenalty(5, 1.0)(torch.zeros(1, 1, 5), BEGIN), "token must be ids from 0 to 4, got 5"),
        (lambda: ForcedPrefix([[1]], score="none"), "score must be one of 'model', 'zero', got 'none'"),
        (lambda: ForcedPrefix(torch.zeros(3, dtype=torch.long)), r"tokens must be ids with shape \(sentences, longest\)"),
        (lambda: ForcedPrefix([[7]])(torch.zeros(1, 1, 5), BEGIN), "tokens must be ids from 0 to 4, got 7"),
        (lambda: BiasedPrefix([[1]], 1.5), "beta must be from 0 to 1, got 1.5"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


# in every search

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
