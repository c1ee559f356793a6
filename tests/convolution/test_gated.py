"""A gated linear unit made by a convolution, written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from huashi.convolution import GLUConv1d
from huashi.seq2seq.models.convs2s.gated_convolution import GatedConvolution
from tests.convolution.geometries import agree, convolved, geometries, ungrouped


@settings(max_examples=40)
@given(data=st.data())
def test_the_second_half_gates_the_first(data):
    options, lengths, sides = data.draw(geometries(1))
    groups = data.draw(st.sampled_from([1, 2]))
    layer = GLUConv1d(4, 6, groups=groups, dtype=torch.float64, **options)

    def definition(x):
        weight = ungrouped(layer.convolution.weight, groups)
        made = convolved(x, weight, layer.convolution.bias, options, sides)
        gated = []
        for group in made.chunk(groups, 1):
            a, b = group.chunk(2, 1)
            gated.append(a / (1 + (-b).exp()))
        return torch.cat(gated, 1)

    agree(layer, definition, torch.randn(2, 4, *lengths, dtype=torch.float64))


@pytest.mark.parametrize("padding", ["same", [(4, 0)], 2])
def test_the_residual_keeps_the_variance_of_two_signals(padding):
    options = {"padding": padding, "dilation": 2, "dtype": torch.float64}
    layer = GLUConv1d(4, 4, 3, **options, residual=True)
    plain = GLUConv1d(4, 4, 3, **options)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 9, dtype=torch.float64)
    assert_close(layer(x), (plain(x) + x) / 2**0.5)


def test_is_what_the_layers_of_convs2s_compute():
    """Which have frames as (batch, time, channels), and normalised weights."""
    other, layer = GatedConvolution(4, 6, 3, dropout=0.0), GLUConv1d(4, 6, 3)
    layer.convolution.weight.data = other.convolution.weight.data
    layer.convolution.bias.data = other.convolution.bias.data
    x = torch.randn(2, 9, 4)
    assert torch.equal(layer(x.mT), other(x).mT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out_channels": 6}, "out_channels must be 4, as in_channels, for a residual, got 6"),
        ({"stride": 2}, "stride must be 1 for a residual, got 2"),
        ({"padding": 0}, r"padding must be 2 in all for a residual, got \(0, 0\)"),
    ],
)
def test_a_residual_needs_a_result_of_the_same_shape(options, message):
    sizes = {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": 1}
    with pytest.raises(ValueError, match=message):
        GLUConv1d(**sizes | options, residual=True)
