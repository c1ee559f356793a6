"""ConvS2S against sums written out: how it is drawn, what a layer computes, what it sees."""

from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from torch.testing import assert_close

from huashi.seq2seq import (
    Architecture,
    AttentionShape,
    ConvDecoderShape,
    ConvEncoderShape,
    ConvSelfAttentionDecoderShape,
    RNNDecoderShape,
)
from huashi.seq2seq.architecture.published import convs2s

SOURCES = torch.tensor([[4, 7, 5, 8, 6, 4, 3], [6, 8, 4, 3, 0, 0, 0]])
LENGTHS = torch.tensor([7, 4])
TARGETS = torch.tensor([[2, 5, 5, 8, 4, 7], [2, 4, 6, 7, 8, 5]])


def applied(layer, x):
    """A linear layer, or the identity that stands where widths agree, to one vector."""
    return x if isinstance(layer, nn.Identity) else layer.weight @ x + layer.bias


def gated(convolution, frames, first):
    """The gated convolution at one place: tap j weighs the frame ``first + j``, if there is one."""
    total = convolution.bias
    for j in range(convolution.weight.shape[2]):
        if 0 <= first + j < len(frames):
            total = total + convolution.weight[:, :, j] @ frames[first + j]
    a, b = total.chunk(2)
    return a / (1 + torch.exp(-b))


def embedded(embedding, tokens):
    return [
        embedding.tokens.weight[w] + embedding.positions.weight[t] for t, w in enumerate(tokens)
    ]


def encoded(encoder, tokens):
    """Keys and values of one sentence, position by position."""
    e = embedded(encoder.embedding, tokens)
    x = [applied(encoder.first, one) for one in e]
    for layer in encoder.layers:
        convolution = layer.convolution.convolution
        left = (convolution.weight.shape[2] - 1) // 2
        x = [
            (gated(convolution, x, t - left) + applied(layer.residual, one)) * sqrt(0.5)
            for t, one in enumerate(x)
        ]
    z = [applied(encoder.last, one) for one in x]
    return z, [(one + other) * sqrt(0.5) for one, other in zip(z, e, strict=True)]


def attended(attention, x, g, keys, values):
    """The sum of one position with its context, and its attention weights."""
    d = (applied(attention.query, x) + g) * sqrt(0.5)
    scores = [torch.exp(d @ key) for key in keys]
    weights = [score / sum(scores) for score in scores]
    m = len(values)
    context = sum(a * v for a, v in zip(weights, values, strict=True)) * (m * sqrt(1 / m))
    return (applied(attention.output, context) + x) * sqrt(0.5), torch.stack(weights)


def decoded(decoder, tokens, keys, values):
    """Features of one target and the alignment of its last token, layer by layer."""
    g = embedded(decoder.embedding, tokens)
    x, alignments = [applied(decoder.first, one) for one in g], []
    for layer in decoder.layers:
        convolution = layer.convolution.convolution
        reach = convolution.weight.shape[2] - 1
        y = [gated(convolution, x, t - reach) for t in range(len(x))]
        if layer.attention is not None:
            found = [
                attended(layer.attention, *one, keys, values) for one in zip(y, g, strict=True)
            ]
            y, weights = zip(*found, strict=True)
            alignments.append(weights[-1])
        x = [
            (one + applied(layer.residual, old)) * sqrt(0.5) for one, old in zip(y, x, strict=True)
        ]
    return [applied(decoder.last, one) for one in x], sum(alignments) / len(alignments)


def parts(kernels):
    """An encoder and a decoder of changing widths with these kernels."""
    layers = tuple(zip((6, 6, 5), kernels, strict=True))
    size = {"embedding_size": 8, "layers": layers, "dropout": 0.0}
    decoder = ConvDecoderShape(attend=(0, 2), output_size=7, **size)
    return ConvEncoderShape(attention_layers=2, **size), decoder


def enlarge(model):
    """Weights large enough that gates, attention and biases all have a say."""
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(weight)
        elif "tokens" in name or "positions" in name:
            nn.init.normal_(weight, std=1.5)
    return model


@pytest.mark.parametrize("kernels", [(3, 3, 3), (2, 4, 1), (5, 2, 3)])
def test_is_the_sums_written_out(kernels):
    encoder, decoder = parts(kernels)
    model = Architecture(encoder=encoder, decoder=decoder).build(9).double().eval()
    enlarge(model)
    with torch.inference_mode():
        memory = model.encoder(SOURCES, LENGTHS)
        features, state = model.decoder(TARGETS, model.decoder.start(memory))
        for i, length in enumerate(LENGTHS.tolist()):
            keys, values = encoded(model.encoder, SOURCES[i, :length].tolist())
            assert_close(memory.keys[i, :length], torch.stack(keys))
            assert_close(memory.values[i, :length], torch.stack(values))
            assert not memory.keys[i, length:].any()
            assert not memory.values[i, length:].any()
            wanted, alignment = decoded(model.decoder, TARGETS[i].tolist(), keys, values)
            assert_close(features[i], torch.stack(wanted))
            assert_close(model.alignment(state)[i, :length], alignment)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6])
def test_what_a_source_position_sees(kernel):
    """As far to the right as to the left; an even kernel one further to the right."""
    shape = ConvEncoderShape(embedding_size=8, layers=((8, kernel),), dropout=0.0)
    encoder = shape.build(shape.embed(9)).double()
    source, length = torch.full((1, 11), 4), torch.tensor([11])
    other = source.clone()
    other[0, 5] = 7
    keys, changed = (encoder(tokens, length).keys[0] for tokens in (source, other))
    seen_by = [t for t in range(11) if not torch.equal(keys[t], changed[t])]
    left, right = (kernel - 1) // 2, kernel // 2
    assert seen_by == list(range(5 - right, 5 + left + 1))


def drawn(p):
    """Each table and layer of a model with dropout p, and the standard deviation it should have."""
    size = {"embedding_size": 96, "layers": ((128, 3), (160, 2)), "dropout": p, "positions": 200}
    encoder, decoder = (
        ConvEncoderShape(attention_layers=2, **size),
        ConvDecoderShape(**size, output_size=80),
    )
    model = Architecture(encoder=encoder, decoder=decoder).build(200)
    for side in (model.encoder, model.decoder):
        yield side.embedding.tokens, 0.1
        yield side.embedding.positions, 0.1
        yield side.first, sqrt((1 - p) / 96)
        yield side.last, sqrt(1 / 160)
        for layer, channels, kernel in zip(side.layers, (128, 128), (3, 2), strict=True):
            yield layer.convolution.convolution, sqrt(4 * (1 - p) / (kernel * channels))
        yield side.layers[1].residual, sqrt(1 / 128)
    for layer, channels in zip(model.decoder.layers, (128, 160), strict=True):
        yield layer.attention.query, sqrt(1 / channels)
        yield layer.attention.output, sqrt(1 / 96)
    yield model.output.layer, sqrt((1 - p) / 80)


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_how_weights_are_drawn(p):
    for layer, std in drawn(p):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.04), layer
        assert layer.weight.mean().item() == pytest.approx(0, abs=0.04 * std), layer
        if not isinstance(layer, nn.Embedding):
            assert not layer.bias.any()


@pytest.mark.parametrize("kind", [ConvDecoderShape, ConvSelfAttentionDecoderShape])
def test_all_weights_are_a_length_times_a_direction(kind):
    layers = ((8, 3), (12, 2))
    encoder = ConvEncoderShape(embedding_size=8, layers=layers, attention_layers=2)
    decoder = kind(embedding_size=8, layers=layers)
    model = Architecture(encoder=encoder, decoder=decoder).build(9)
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv1d)]
    assert len(layers) > 12
    for layer in layers:
        assert is_parametrized(layer, "weight"), layer
        before = layer.weight.detach().clone()
        length, direction = layer.parametrizations.weight.parameters()
        assert length.shape == (len(before), *[1] * (before.ndim - 1))
        with torch.no_grad():
            direction *= 3
            assert_close(layer.weight, before)
            length *= 2
            assert_close(layer.weight, 2 * before)


def test_the_gradient_of_keys_is_divided_by_twice_the_layers_that_attend():
    """But not that of the embeddings that are added to them."""
    generator = torch.Generator().manual_seed(1)
    of_keys, of_values = torch.randn(2, 7, 8, generator=generator).double()
    length, states, gradients = torch.tensor([7]), None, {}
    for n in (1, 5):
        shape = ConvEncoderShape(
            embedding_size=8, layers=((6, 3),), attention_layers=n, dropout=0.0
        )
        encoder = shape.build(shape.embed(9)).double()
        states = states or encoder.state_dict()
        encoder.load_state_dict(states)
        memory = encoder(SOURCES[:1], length)
        (memory.keys[0] * of_keys + memory.values[0] * of_values).sum().backward()
        wanted = (of_keys + sqrt(0.5) * of_values).sum(0) / (2 * n)
        assert_close(encoder.last.bias.grad, wanted)
        gradients[n] = encoder.embedding.positions.weight.grad[:7]
    straight = sqrt(0.5) * of_values  # what the values hand to the embeddings themselves
    assert_close(gradients[1] - straight, 5 * (gradients[5] - straight))


def test_the_number_of_layers_that_attend_is_checked():
    encoder, decoder = parts((3, 3, 3))
    for wrong in (
        ConvDecoderShape(embedding_size=8),
        ConvSelfAttentionDecoderShape(embedding_size=8),
    ):
        with pytest.raises(ValueError, match=r"attention_layers must be the .* attend, 3, got 2"):
            Architecture(encoder=encoder, decoder=wrong)
    Architecture(encoder=encoder, decoder=decoder)
    Architecture(encoder=encoder, decoder=RNNDecoderShape(embedding_size=8))  # attends as it likes


def test_steps_are_the_full_pass_in_single_precision():
    model = convs2s(dropout=0.0).build(9).eval()
    with torch.inference_mode():
        full = model(SOURCES, LENGTHS, TARGETS).log_softmax(-1)
        state = model.encode(SOURCES, LENGTHS)
        for t in range(full.shape[1]):
            log_probs, state = model.step(TARGETS[:, t], state)
            assert_close(log_probs, full[:, t], rtol=0, atol=1e-5)


PUBLISHED = {  # embeddings, features before the logits, layers of encoder and decoder
    "iwslt": (256, 256, [(256, 3)] * 4, [(256, 3)] * 3),
    "wmt_en_de": (
        768,
        512,
        [(512, 3)] * 9 + [(1024, 3)] * 4 + [(2048, 1)] * 2,
        [(512, 3)] * 9 + [(1024, 3)] * 4 + [(2048, 1)] * 2,
    ),
    "wmt_en_fr": (
        768,
        512,
        [(512, 3)] * 6 + [(768, 3)] * 4 + [(1024, 3)] * 3 + [(2048, 1)] + [(4096, 1)],
        [(512, 3)] * 6 + [(768, 3)] * 4 + [(1024, 3)] * 3 + [(2048, 1)] + [(4096, 1)],
    ),
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_sizes(size):
    embedding, output, encoder, decoder = PUBLISHED[size]
    architecture = convs2s(size)
    assert list(architecture.encoder.layers) == encoder
    assert list(architecture.decoder.layers) == decoder
    for side in (architecture.encoder, architecture.decoder):
        assert (side.embedding_size, side.dropout) == (embedding, 0.1)
    assert architecture.decoder.output_size == output
    assert architecture.decoder.attending == tuple(range(len(decoder)))
    assert architecture.encoder.attention_layers == len(decoder)
    assert architecture.decoder.attention == AttentionShape(score="dot", mapping="softmax")
    assert architecture.share == "nothing"
