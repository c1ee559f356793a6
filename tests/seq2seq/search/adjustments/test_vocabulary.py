"""Tokens that may not come, and where a sequence may end."""

import math

import pytest
import torch

from huashi.seq2seq.search import (
    AllowedTokens,
    MinLength,
    Suppress,
    SuppressAtBegin,
    UnknownPenalty,
)
from tests.seq2seq.search.adjustments.contexts import BEGIN, END, context_of, forbidden


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


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Suppress([7])(torch.zeros(1, 1, 5), BEGIN), "tokens must be ids from 0 to 4, got 7"),
        (lambda: AllowedTokens(lambda i, t: [-1])(torch.zeros(1, 1, 5), BEGIN), "allowed must be ids from 0 to 4, got -1"),
        (lambda: UnknownPenalty(3, -1.0), "penalty must be >= 0, got -1.0"),
        (lambda: UnknownPenalty(5, 1.0)(torch.zeros(1, 1, 5), BEGIN), "token must be ids from 0 to 4, got 5"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
