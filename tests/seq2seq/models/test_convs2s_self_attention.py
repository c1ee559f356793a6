"""Gated self-attention of many scales against sums written out, and the size of the stories."""

from dataclasses import replace
from math import sqrt

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi.seq2seq import ConvSelfAttentionDecoderShape, FusedArchitecture, Memory
from huashi.seq2seq.architecture.published import stories
from huashi.seq2seq.models.convs2s.self_attention import MultiScaleSelfAttention

SOURCES = torch.tensor([[4, 7, 5, 8, 3], [6, 8, 3, 0, 0]])
LENGTHS = torch.tensor([5, 3])
TARGETS = torch.tensor([[2, 5, 5, 8, 4, 7], [2, 4, 6, 7, 8, 5]])


def applied(layer, x):
    return layer.weight @ x + layer.bias


def deep(layers, x, *, gated):
    """One linear layer, or three with a gate after the first and after the second."""
    if not gated:
        return applied(layers, x)
    for layer in (layers[0], layers[2]):
        a, b = applied(layer, x).chunk(2)
        x = a / (1 + torch.exp(-b))
    return applied(layers[4], x)


def attended(module, x, *, gated):
    """What the module makes of one row, (time, channels): each place asks what came before it."""
    query, key, value = ([applied(layer, one) for one in x] for layer in module.inputs)
    made = []
    for t, residual in enumerate(x):
        contexts = []
        for head in module.heads:
            q, known = deep(head.query, query[t], gated=gated), range(0, t, head.stride)
            keys = [deep(head.key, key[j], gated=gated) for j in known]
            values = [deep(head.value, value[j], gated=gated) for j in known]
            scores = [torch.exp(q @ k / sqrt(len(q))) for k in keys]
            total = 1 + sum(scores)  # exp(0), for the place that holds nothing
            context = sum(
                (s / total * v for s, v in zip(scores, values, strict=True)), torch.zeros_like(q)
            )
            contexts.append(applied(head.output, context))
        y = residual + applied(module.output, torch.cat(contexts))
        made.append((y - y.mean()) / (y.var(unbiased=False) + module.norm.eps).sqrt())
    return torch.stack([y * module.norm.weight + module.norm.bias for y in made])


@pytest.fixture(params=[True, False], ids=["gated", "linear"])
def attention(request):
    module = MultiScaleSelfAttention(5, 9, (1, 2, 3), gated=request.param).double()
    for weight in module.parameters():  # sharp attention, and biases that have a say
        nn.init.normal_(weight)
    return module, request.param


def test_is_the_sums_written_out(attention):
    module, gated = attention
    x = torch.randn(2, 8, 5).double()
    y, _ = module(x, module.start(x), 0)
    for row, wanted in zip(y, x, strict=True):
        assert_close(row, attended(module, wanted, gated=gated))


@pytest.mark.parametrize("cuts", [(1,) * 8, (3, 5), (2, 1, 5)])
def test_can_be_asked_in_pieces(attention, cuts):
    module, _ = attention
    x = torch.randn(2, 8, 5).double()
    whole, _ = module(x, module.start(x), 0)
    pieces, past, position = [], module.start(x), 0
    for piece in x.split(cuts, 1):
        y, past = module(piece, past, position)
        pieces.append(y)
        position += piece.shape[1]
    assert_close(torch.cat(pieces, 1), whole)
    for known, stride in zip(past, (1, 2, 3), strict=True):
        assert known.keys.shape == known.values.shape == (2, -(-8 // stride), 3)


def test_where_it_stands_in_a_layer():
    """After attention to the source, before the residual sum."""
    settings = {"embedding_size": 6, "strides": (1, 2), "dropout": 0.0}
    shape = ConvSelfAttentionDecoderShape(layers=((6, 2), (4, 3)), self_attend=(1,), **settings)
    decoder = shape.build(shape.embed(9), 6).double().eval()
    keys = torch.randn(2, 5, 6).double()
    memory = Memory(keys, keys, torch.ones(2, 5, dtype=torch.bool))
    assert decoder.layers[0].self_attention is None
    layer, own = decoder.layers[1], decoder.layers[1].self_attention
    x, g = torch.randn(2, 4, 6).double(), torch.randn(2, 4, 6).double()
    root = torch.full((2, 1, 1), sqrt(5)).double()
    state = layer.start(memory)
    y, _, _ = layer(x, g, state, root, 0)
    inner = layer.convolution(torch.cat([torch.zeros(2, 2, 6).double(), x], 1))
    inner, _, _ = layer.attention(inner, g, state.attention, root)
    inner, _ = own(inner, own.start(inner), 0)
    assert_close(y, (inner + layer.residual(x)) * sqrt(0.5))


def test_the_size_of_the_stories():
    architecture = stories()
    encoder, decoder = architecture.encoder, architecture.decoder
    assert list(encoder.layers) == [(128, 3)] * 2 + [(512, 3)]
    assert list(decoder.layers) == [(512, 4)] * 4 + [(768, 4)] * 2 + [(1024, 4)]
    assert encoder.embedding_size == decoder.embedding_size == 256
    assert decoder.output_size in (None, 256)
    assert decoder.strides == (1, 2, 3, 4)  # four heads, each coarser than the one before
    assert decoder.gated
    assert decoder.attending == tuple(range(7))
    assert decoder.self_attend is None  # in every layer
    assert encoder.attention_layers == 7
    assert decoder.positions > 1000  # words of a story
    assert encoder.dropout == decoder.dropout == 0.1
    assert architecture.share == "nothing"
    assert FusedArchitecture(pretrained=architecture, model=architecture)


def test_steps_are_the_full_pass_in_single_precision():
    architecture = stories()
    layers = tuple((channels // 8, kernel) for channels, kernel in architecture.decoder.layers)
    architecture = replace(architecture, decoder=replace(architecture.decoder, layers=layers))
    model = architecture.build(9).eval()
    with torch.inference_mode(), torch.nn.utils.parametrize.cached():
        full = model(SOURCES, LENGTHS, TARGETS).log_softmax(-1)
        state = model.encode(SOURCES, LENGTHS)
        for t in range(full.shape[1]):
            log_probs, state = model.step(TARGETS[:, t], state)
            assert_close(log_probs, full[:, t], rtol=0, atol=1e-5)
