"""Attention: what its scores mean, and that what is masked does not exist."""

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq import Memory
from huashi.seq2seq.attention import MAPPINGS, SCORES, AttentionShape
from huashi.seq2seq.attention.monotonic import parallel_monotonic, soft_monotonic

B, T, S, D = 2, 3, 5, 4


def attention_of(score="scaled_dot", mapping="softmax", query_size=D, memory_size=D, **options):
    shape = AttentionShape(score=score, mapping=mapping, **options)
    return shape.build(query_size, memory_size).double()


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


def test_scores_are_their_formulas():
    query, memory = torch.randn(B, T, D).double(), torch.randn(B, S, D).double()

    def scores(name, **options):
        attention = attention_of(name, **options)
        return attention.score, attention.score(query, attention.score.keys(memory))

    score, found = scores("scaled")
    assert score.scale.requires_grad
    assert_close(found, query @ memory.mT)  # g begins at 1
    score, found = scores("concat", hidden_size=3)
    both = torch.cat(
        [query[:, :, None].expand(-1, -1, S, -1), memory[:, None].expand(-1, T, -1, -1)], -1
    )
    w = torch.cat([score.query.weight, score.key.weight], 1)
    assert_close(found, (torch.tanh(both @ w.T) @ score.v.weight.T)[..., 0])
    assert score.query.bias is None
    score, found = scores("normalised", hidden_size=3)
    assert_close(score.g.item(), 3**-0.5)
    assert not score.query.bias.any()
    hidden = torch.tanh(score.query(query)[:, :, None] + score.key(memory)[:, None])
    v = score.v.weight[0]
    assert_close(found, score.g * (hidden @ v) / v.norm())
    score, found = scores("location", positions=7)
    assert_close(found, score.position(query)[..., :S])


def test_local_windows():
    query, memory = torch.randn(B, T, D).double(), torch.randn(B, S, D).double()
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    side_by_side = attention_of(window="local_m", reach=1.0)
    _, weights, state = side_by_side(query, side_by_side.start(Memory(memory, memory, mask)))
    near = (torch.arange(S) - torch.arange(T)[:, None]).abs() <= 1
    assert ((weights > 0) == (near & mask[:, None])).all()
    _, weights, _ = side_by_side(query[:, :1], state)  # the fourth target
    assert ((weights[:, 0] > 0) == ((torch.arange(S) - 3).abs() <= 1) & mask).all()

    predicted = attention_of(window="local_p", reach=2.0)
    _, weights = attend(predicted, query, memory, mask)
    plain = (query @ memory.mT) / D**0.5
    share = predicted.window.v(torch.tanh(predicted.window.hidden(query)))[..., 0].sigmoid()
    for row, length in enumerate((3, 5)):
        for t in range(T):
            centre = length * share[row, t].item()
            inside = [s for s in range(length) if abs(s - centre) <= 2]
            soft = dict(zip(inside, plain[row, t, inside].softmax(0).tolist(), strict=True))
            for s in range(S):
                factor = torch.tensor(-((s - centre) ** 2) / 2).exp().item()  # sigma = 1
                assert weights[row, t, s].item() == pytest.approx(soft.get(s, 0.0) * factor)


def test_monotonic_attention_does_not_go_back():
    torch.manual_seed(1)
    query, memory = torch.randn(B, 9, D).double(), torch.randn(B, S, D).double()
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    hard = attention_of(monotonic="hard").eval()
    _, weights = attend(hard, 3 * query, memory, mask)
    assert weights.bool().any()
    assert ((weights == 0) | (weights == 1)).all()
    for row in weights:
        places = [w.argmax().item() for w in row if w.any()]
        assert places == sorted(places)
    soft = attention_of(monotonic="soft").eval()
    _, weights = attend(soft, query, memory, mask)
    p = ((query @ memory.mT) / D**0.5 + soft.mapping.score_bias).sigmoid() * mask[:, None]
    for row in range(B):
        last = [1.0, 0.0, 0.0, 0.0, 0.0]
        for t in range(9):
            q, now = 0.0, []
            for i in range(S):
                q = (1 - p[row, t, i - 1].item()) * q + last[i] if i else last[0]
                now.append(p[row, t, i].item() * q)
            assert_close(weights[row, t].tolist(), now)
            last = now


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_both_forms_of_soft_monotonic_attention_are_one(size):
    p = torch.rand(4, size).double() * 0.8
    last = torch.rand(4, size).double().softmax(-1)
    assert_close(soft_monotonic(p, last), parallel_monotonic(p, last))


def test_noise_is_for_training():
    attention, query, memory = (
        attention_of(monotonic="soft"),
        torch.zeros(1, 1, D),
        torch.zeros(1, S, D),
    )
    query, memory = query.double(), memory.double()
    mask = torch.ones(1, S, dtype=torch.bool)
    first, second = (attend(attention.train(), query, memory, mask)[1] for _ in range(2))
    assert (first != second).any()
    first, second = (attend(attention.eval(), query, memory, mask)[1] for _ in range(2))
    assert_close(first, second)


@pytest.mark.parametrize("score", ["additive", "concat", "scaled_dot"])
def test_coverage_counts_what_was_seen(score):
    attention = attention_of(score, coverage=True)
    for name, weight in attention.named_parameters():
        torch.nn.init.normal_(weight) if name.rpartition(".")[2] == "w" else None
    query, memory = torch.randn(B, T, D).double(), torch.randn(B, S, D).double()
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    contexts, weights, state = attention(query, attention.start(Memory(memory, memory, mask)))
    assert_close(state.coverage, weights.sum(1))
    one_by_one = attention.start(Memory(memory, memory, mask))
    for t in range(T):
        context, _, one_by_one = attention(query[:, t : t + 1], one_by_one)
        assert_close(context[:, 0], contexts[:, t])
    without = one_by_one._replace(coverage=torch.zeros_like(state.coverage))
    again, _, _ = attention(query[:, :1], without)
    other, _, _ = attention(query[:, :1], one_by_one)
    assert not torch.allclose(again, other)


def test_heads_are_those_of_multi_head_attention():
    attention = attention_of(heads=2, mapping="sparsemax", memory_size=6)
    query, memory = torch.randn(B, T, D).double(), torch.randn(B, S, 6).double()
    mask = torch.tensor([[False] * S, [True] * S])
    context, weights = attend(attention, query, memory, mask)
    assert context.shape == (B, T, 6)
    assert not context[0].any()
    assert not weights[0].any()
    assert_close(weights[1].sum(-1), torch.ones(T).double())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"window": "local"}, "window must be one of 'local_m', 'local_p', got 'local'"),
        ({"monotonic": "soft", "mapping": "entmax15"}, "mapping must be 'softmax' where attention"),
        ({"heads": 2, "score": "dot"}, "heads must be 1 with a score other than scaled_dot"),
        ({"heads": 3}, "heads must divide the 4 features of a query, got 3"),
        ({"learn_alpha": True}, "mapping must be 'entmax' where alpha is learned"),
        ({"reach": 0}, "reach must be > 0, got 0"),
    ],
)
def test_what_does_not_go_together_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        attention_of(**options)


def test_a_source_longer_than_the_positions_is_refused():
    attention, memory = attention_of("location", positions=4), torch.zeros(1, 5, D).double()
    with pytest.raises(ValueError, match="positions must be at least the source's 5"):
        attention.start(Memory(memory, memory, torch.ones(1, 5, dtype=torch.bool)))


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
