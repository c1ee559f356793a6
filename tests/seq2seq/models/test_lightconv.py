"""Lightweight and dynamic convolutions in the place of self-attention: what a shape hands on.

That they compute what they should is tested in tests/convolution and, with all parts, in
tests/seq2seq/architecture.
"""

import pytest

from huashi.seq2seq import LightConvDecoderShape, LightConvEncoderShape
from huashi.seq2seq.architecture.published import lightconv

SIZE = {"embedding_size": 8, "heads": 2, "feed_forward_size": 12, "kernels": (3, 5)}


def test_every_dropout_is_where_it_belongs():
    rates = {"dropout": 0.1, "weight_dropout": 0.2, "attention_dropout": 0.3}
    shape = LightConvDecoderShape(**SIZE, **rates)
    decoder = shape.build(shape.embed(9), 8)
    assert decoder.embedding.dropout.p == 0.1
    for layer in decoder.layers:
        assert layer.residual.dropout.p == layer.source_residual.dropout.p == 0.1
        assert layer.feed_forward.residual.dropout.p == 0.1
        assert layer.mixing.convolution.dropout == 0.2
        assert layer.attention.dropout.p == 0.3


def test_the_kernels_are_those_of_the_layers():
    for shape in (LightConvEncoderShape(**SIZE), LightConvDecoderShape(**SIZE)):
        memory_size = (8,) if isinstance(shape, LightConvDecoderShape) else ()
        built = shape.build(shape.embed(9), *memory_size)
        assert [layer.mixing.reach + 1 for layer in built.layers] == [3, 5]


def test_sizes_as_published():
    architecture = lightconv()
    assert architecture.encoder.kernels == (3, 7, 15, 31, 31, 31, 31)
    assert architecture.decoder.kernels == (3, 7, 15, 31, 31, 31)
    assert architecture.decoder.attention_dropout == 0.1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"convolution": "light"}, "convolution must be one of .*, got 'light'"),
        ({"kernels": ()}, r"kernels must be sizes > 0, one a layer, got \(\)"),
        ({"kernels": (3, 0)}, "kernels must be sizes > 0"),
        ({"heads": 3}, "size must be a multiple of heads, got 8 for 3 heads"),
        ({"norm": "prae"}, "norm must be one of 'pre', 'post', got 'prae'"),
        ({"weight_dropout": 1.0}, r"weight_dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_wrong_settings_are_refused(change, complaint):
    for shape in (LightConvEncoderShape, LightConvDecoderShape):
        with pytest.raises(ValueError, match=complaint):
            shape(**{**SIZE, **change})


def test_the_attention_dropout_of_a_decoder_is_checked():
    with pytest.raises(ValueError, match=r"attention_dropout must be in \[0, 1\), got 1"):
        LightConvDecoderShape(attention_dropout=1)
