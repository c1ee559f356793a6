"""Attention: what its scores mean, and that what is masked does not exist."""

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq import Memory
from huashi.seq2seq.attention import MAPPINGS, SCORES, AttentionShape

B, T, S, D = 2, 3, 5, 4


def attention_of(score, mapping="softmax", query_size=D, memory_size=D):
    return AttentionShape(score=score, mapping=mapping).build(query_size, memory_size).double()


def inputs(score, mapping):
    attention = attention_of(score, mapping)
    query, memory = torch.randn(B, T, D).double(), torch.randn(B, S, D).double()
    return attention, query, memory


def attend(attention, query, memory, mask):
    context, weights, _ = attention(query, attention.start(Memory(memory, memory, mask)))
    return context, weights


def test_additive_score_is_that_of_allennlp():
    """The matrices and the scores of its unit test."""
    attention = attention_of("additive", query_size=2, memory_size=3).float()
    attention.score.query.weight.data = torch.tensor([[-0.2, 0.3], [-0.5, 0.5]]).T
    attention.score.query.bias.data.zero_()
    attention.score.key.weight.data = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, -1.0]]).T
    attention.score.v.weight.data = torch.tensor([[1.0, -1.0]])
    query = torch.tensor([[[0.7, -0.8]], [[0.4, 0.9]]])
    memory = torch.tensor(
        [
            [[1.0, -1.0, 3.0], [0.5, -0.3, 0.0], [0.2, -1.0, 1.0], [0.7, 0.8, -1.0]],
            [[-2.0, 3.0, -3.0], [0.6, 0.2, 2.0], [0.5, -0.4, -1.0], [0.2, 0.2, 0.0]],
        ]
    )
    want = [
        [1.975072, -0.04997836, 1.2176098, -0.9205586],
        [-1.4851665, 1.489604, -1.890285, -1.0672251],
    ]
    assert_close(attention.score(query, attention.score.keys(memory))[:, 0], torch.tensor(want))


def test_products_are_what_their_names_say():
    query, memory = torch.randn(B, T, D), torch.randn(B, S, D)
    dots = torch.einsum("btd,bsd->bts", query, memory)
    dot, scaled, general = (attention_of(name).float() for name in ("dot", "scaled_dot", "general"))
    assert_close(dot.score(query, dot.score.keys(memory)), dots)
    assert_close(scaled.score(query, scaled.score.keys(memory)), dots / D**0.5)
    general.score.weight.weight.data = 2 * torch.eye(D)
    assert_close(general.score(query, general.score.keys(memory)), 2 * dots)


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
        attention_of("dot", memory_size=6)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("dott", "softmax"), "score must be one of .*, got 'dott'; did you mean 'dot'"),
        (("dot", "sofmax"), "mapping must be one of .*, got 'sofmax'; did you mean 'softmax'"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        attention_of(*arguments)
