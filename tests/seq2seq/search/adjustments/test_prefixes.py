"""Prefixes that are certain, and prefixes that are likely."""

import math

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import BiasedPrefix, ForcedPrefix
from tests.seq2seq.search.adjustments.contexts import BEGIN, context_of, forbidden

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


def test_a_bias_mixes_with_probabilities_that_sum_to_one_if_asked_to():
    p = torch.tensor([[[0.2, 0.2, 0.0]]]).log()  # what was left
    mixed = BiasedPrefix([[2]], 0.5, renormalise=True)(p, BEGIN).exp()
    assert_close(mixed, torch.tensor([[[0.25, 0.25, 0.5]]]))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: ForcedPrefix([[1]], score="none"), "score must be one of 'model', 'zero', got 'none'"),
        (lambda: ForcedPrefix(torch.zeros(3, dtype=torch.long)), r"tokens must be ids with shape \(sentences, longest\)"),
        (lambda: ForcedPrefix([[7]])(torch.zeros(1, 1, 5), BEGIN), "tokens must be ids from 0 to 4, got 7"),
        (lambda: ForcedPrefix([[2, -5]]), "tokens must be >= 0, got -5"),
        (lambda: ForcedPrefix(torch.tensor([[2, -5]])), "tokens must be ids >= 0, with -1 behind the end"),
        (lambda: BiasedPrefix(torch.tensor([[-1, 2]]), 0.5), "tokens must be ids >= 0, with -1 behind the end"),
        (lambda: BiasedPrefix([[1]], 1.5), "beta must be from 0 to 1, got 1.5"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
