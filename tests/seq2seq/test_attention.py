"""Attention: what its scores mean, and that what is masked does not exist."""

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.attention import MAPPINGS, SCORES, Attention

B, T, S, D = 2, 3, 5, 4


def inputs(score, mapping):
    attention = Attention(D, D, score, mapping).double()
    query, memory = torch.randn(B, T, D).double(), torch.randn(B, S, D).double()
    return attention, query, memory


def attend(attention, query, memory, mask):
    return attention(query, attention.keys(memory), memory, mask)


def test_additive_score_is_that_of_allennlp():
    """Query and memory of its unit test, with the scores worked out from the formula."""
    attention = Attention(2, 3, "additive").double()
    w = torch.tensor([[-0.2, 0.3], [-0.5, 0.5]]).double()
    u = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, -1.0]]).double()
    v = torch.tensor([1.0, -1.0]).double()
    attention.score.query.weight.data, attention.score.key.weight.data = w.T, u.T
    attention.score.query.bias.data.zero_()
    attention.score.v.weight.data = v[None]
    query = torch.tensor([[[0.7, -0.8]], [[0.4, 0.9]]]).double()
    memory = torch.tensor(
        [[[1.0, 2, 3], [4, 5, 6]], [[7, 8, 9], [1, 0, 1]]],
    ).double()
    got = attention.score(query, attention.score.keys(memory))[:, 0]
    want = [
        [v @ torch.tanh(q[0] @ w + m @ u) for m in row]
        for q, row in zip(query, memory, strict=True)
    ]
    assert_close(got, torch.tensor([[float(x) for x in row] for row in want]).double())


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("score", SCORES)
def test_what_is_masked_changes_nothing(score, mapping):
    attention, query, memory = inputs(score, mapping)
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    context, weights = attend(attention, query, memory, mask)
    other = memory.masked_fill(~mask[..., None], 1e3)
    assert_close(attend(attention, query, other, mask), (context, weights))
    short = attend(attention, query[:1], memory[:1, :3], mask[:1, :3])
    assert_close(short, (context[:1], weights[:1, :, :3]))
    assert_close(weights.sum(-1), torch.ones(B, T).double())


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("score", SCORES)
def test_a_row_that_is_all_masked_gives_zeros_and_finite_gradients(score, mapping):
    attention, query, memory = inputs(score, mapping)
    memory.requires_grad_()
    mask = torch.tensor([[False] * S, [True] * S])
    context, weights = attend(attention, query, memory, mask)
    assert not context[0].any()
    assert not weights[0].any()
    context.sum().backward()
    assert memory.grad.isfinite().all()
    assert not memory.grad[0].any()
    assert memory.grad[1].any()


def test_entmax_weights_can_be_exactly_zero():
    attention, query, memory = inputs("dot", "entmax15")
    _, weights = attend(attention, 5 * query, memory, torch.ones(B, S, dtype=torch.bool))
    assert (weights == 0).any()


def test_dot_wants_one_size():
    with pytest.raises(
        ValueError, match="query_size must be memory_size for a dot score, got 4 and 6"
    ):
        Attention(4, 6, "dot")
