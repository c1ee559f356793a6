"""Multi-head attention: torch's own where torch has it, and its mappings and masks beyond."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi.entmax import entmax
from huashi.seq2seq import MultiHeadAttention

B, T, S, D, H = 2, 3, 5, 8, 2
MAPPINGS = ("softmax", "sparsemax", "entmax15", "entmax")


def inputs(**settings):
    attention = MultiHeadAttention(D, H, **settings).double()
    return attention, torch.randn(B, T, D).double(), torch.randn(B, S, D).double()


def attend(attention, query, memory, mask=None, **options):
    return attention(query, *attention.project(memory), mask, **options)


def test_is_that_of_torch():
    attention, query, memory = inputs()
    theirs = nn.MultiheadAttention(D, H, batch_first=True).double()
    parts = attention.query, attention.key, attention.value
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias.data.normal_() for part in parts])
    theirs.out_proj.load_state_dict(attention.output.state_dict())
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    want = theirs(query, memory, memory, key_padding_mask=~mask, average_attn_weights=False)
    mask = mask[:, None, None]
    assert_close(attend(attention, query, memory, mask), want)
    assert_close(attend(attention, query, memory, mask, need_weights=False)[0], want[0])


def test_keys_and_values_may_have_sizes_of_their_own():
    attention = MultiHeadAttention(D, H, key_size=3, value_size=5, bias=False)
    k, v = attention.project(torch.randn(B, S, 3), torch.randn(B, S, 5))
    assert k.shape == v.shape == (B, H, S, D // H)
    context, weights = attention(torch.randn(B, T, D), k, v)
    assert context.shape == (B, T, D)
    assert_close(weights.sum(-1), torch.ones(B, H, T))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_what_is_masked_changes_nothing(mapping, need_weights):
    attention, query, memory = inputs(mapping=mapping)
    options = {"need_weights": need_weights}
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    found = attend(attention, query, memory, mask[:, None, None], **options)
    other = memory.masked_fill(~mask[..., None], 1e3)
    assert_close(attend(attention, query, other, mask[:, None, None], **options), found)
    short, _ = attend(attention, query[:1], memory[:1, :3], **options)
    assert_close(short, found[0][:1])


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_query_that_sees_nothing_gets_zeros_and_finite_gradients(mapping, need_weights):
    attention, query, memory = inputs(mapping=mapping)
    query.requires_grad_()
    memory.requires_grad_()
    mask = torch.tensor([False, True])[:, None, None, None].expand(B, 1, T, S)
    context, weights = attend(attention, query, memory, mask, need_weights=need_weights)
    assert not context[0].any()  # the biases are zero
    assert weights is None or not weights[0].any()
    context.square().sum().backward()
    for x in (query, memory, *attention.parameters()):
        assert x.grad.isfinite().all()
    assert not memory.grad[0].any()
    assert memory.grad[1].any()


def test_every_head_learns_its_own_alpha():
    attention, query, memory = inputs(mapping="entmax", alpha=1.3, learn_alpha=True)
    attention.mapping.mapping.a.data[1] = 2.0
    k, v = attention.project(memory)
    context, weights = attention(query, k, v)
    q = attention.query(query).unflatten(-1, (H, -1)).transpose(1, 2)
    scores = q @ k.transpose(-1, -2) / (D // H) ** 0.5
    assert_close(weights[:, 0], entmax(scores[:, 0], 1.3), rtol=1e-5, atol=1e-6)
    steeper = 1 + torch.tensor(2.0).sigmoid().item()
    assert_close(weights[:, 1], entmax(scores[:, 1], steeper), rtol=1e-5, atol=1e-6)
    context.square().sum().backward()
    assert attention.mapping.mapping.a.grad.all()


def test_dropout_drops_weights_in_training_alone():
    attention, query, memory = inputs(dropout=0.5)
    whole, _ = attend(attention.eval(), query, memory)
    assert_close(attend(attention, query, memory, need_weights=False)[0], whole)
    for need_weights in (True, False):
        dropped, _ = attend(attention.train(), query, memory, need_weights=need_weights)
        assert not torch.equal(dropped, whole)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"heads": 3}, "size must be a multiple of heads, got 8 for 3 heads"),
        ({"heads": 0}, "heads must be > 0, got 0"),
        ({"mapping": "sofmax"}, "mapping must be one of .*; did you mean 'softmax'"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"learn_alpha": True}, "mapping must be 'entmax' where alpha is learned, got 'softmax'"),
    ],
)
def test_wrong_settings_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        MultiHeadAttention(8, **{"heads": 2, **settings})
