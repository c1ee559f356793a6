"""Nothing twice: the field's examples, and transformers itself."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers.generation import logits_process as theirs

from huashi.seq2seq.search import NoRepeatNgram, RepetitionPenalty
from tests.seq2seq.search.adjustments.contexts import BOS, context_of, forbidden


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


def test_bos_may_count_among_the_ngrams():
    """transformers has it among the ids that it looks at."""
    context = context_of([[[BOS, 2, BOS]]])
    assert forbidden(NoRepeatNgram(2, count_bos=True), context, 4) == [[[BOS, 2]]]
    assert forbidden(NoRepeatNgram(2), context, 4) == [[[2]]]
    begin = context_of([[[]]])
    assert forbidden(NoRepeatNgram(1, count_bos=True), begin, 4) == [[[BOS]]]
    beyond = begin._replace(bos=9)
    assert forbidden(NoRepeatNgram(1, count_bos=True), beyond, 4) == [[[]]]


def test_tokens_that_do_not_count_as_repeated_may_differ_by_sentence():
    context = context_of([[[3, 4]], [[3, 4]]], sentences=[2, 0])
    adjust = RepetitionPenalty(2.0, skip=torch.tensor([0, 9, 1]))
    scores = adjust(torch.full((2, 1, 5), -1.0), context)[:, 0]
    assert scores.tolist() == [[-1, -1, -1, -1, -2], [-1, -1, -1, -2, -2]]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: NoRepeatNgram(0), "n must be > 0, got 0"),
        (lambda: RepetitionPenalty(0.0), "penalty must be > 0, got 0.0"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
