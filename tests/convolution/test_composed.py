"""Convolutions one after another, against one convolution with the dense kernel that they make."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from huashi import convolution
from huashi.convolution.plain import CONV
from tests.convolution.geometries import agree, convolved, convolved_by_loops, geometries, ungrouped

FAMILIES = {
    "DepthwiseSeparableConv": {"multiplier": st.integers(1, 3)},
    "SpatiallySeparableConv": {"middle_channels": st.sampled_from([None, 2, 4])},
    "FlattenedConv": {},
    "ShuffledConv": {"middle_channels": st.sampled_from([None, 4, 8])},
    "PointwiseGroupedConv": {"middle_channels": st.sampled_from([None, 4])},
}
CLASSES = [
    (getattr(convolution, f"{family}{dims}d"), options)
    for family, options in FAMILIES.items()
    for dims in (1, 2, 3)
    if hasattr(convolution, f"{family}{dims}d")
]


def kernel_of(layer):
    """The dense kernel, (out, in, *taps), that the stages make together, and the bias."""
    kernel = torch.eye(layer.in_channels, dtype=torch.float64)
    kernel = kernel.reshape(*kernel.shape, *[1] * layer.dims)
    bias = None
    for stage in layer.stages:
        if isinstance(stage, nn.ChannelShuffle):
            groups, width = layer.groups, len(kernel) // layer.groups
            kernel = torch.stack(
                [kernel[j * width + i] for i in range(width) for j in range(groups)]
            )
        else:
            assert bias is None, "a bias before the last stage"
            weight = ungrouped(stage.weight, stage.groups)
            kernel = torch.einsum("om..., mc... -> oc...", weight, kernel)
            bias = stage.bias
    return kernel, bias


@pytest.mark.parametrize(("made", "more"), CLASSES, ids=lambda one: getattr(one, "__name__", ""))
@settings(max_examples=25)
@given(data=st.data())
def test_is_the_convolution_with_their_kernel(made, more, data):
    options, lengths, sides = data.draw(geometries(made.dims))
    groups = data.draw(st.sampled_from([1, 2]))
    given = {name: data.draw(values) for name, values in more.items()}
    bias = data.draw(st.booleans())
    layer = made(4, 6, groups=groups, bias=bias, dtype=torch.float64, **options, **given)

    def definition(x):
        return convolved(x, *kernel_of(layer), options, sides)

    batch = data.draw(st.sampled_from([1, 2]))
    agree(layer, definition, torch.randn(batch, 4, *lengths, dtype=torch.float64))


@pytest.mark.parametrize("dims", [1, 2, 3])
@settings(max_examples=25)
@given(data=st.data())
def test_a_plain_convolution_takes_every_padding(dims, data):
    options, lengths, sides = data.draw(geometries(dims))
    groups = data.draw(st.sampled_from([1, 2]))
    layer = CONV[dims](4, 6, groups=groups, dtype=torch.float64, **options)

    def definition(x):
        kernel = ungrouped(layer.weight, groups)
        return convolved_by_loops(x, kernel, layer.bias, options, sides)

    agree(layer, definition, torch.randn(2, 4, *lengths, dtype=torch.float64))


@pytest.mark.parametrize("padding", [2, "same"])
def test_large_filters_learn_with_channels_last_and_nobody_sees_it(padding):
    layer = CONV[2](4, 4, 5, stride=2, padding=padding, groups=4)
    other = copy.deepcopy(layer).double()
    x = torch.randn(2, 4, 9, 8, requires_grad=True)
    assert layer._learns_faster_with_channels_last(x)
    y = layer(x)
    assert y.is_contiguous()
    z = x.detach().double().requires_grad_()
    want, g = other(z), torch.randn_like(y)
    found = torch.autograd.grad(y, [x, *layer.parameters()], g)
    wanted = torch.autograd.grad(want, [z, *other.parameters()], g.double())
    for mine, theirs in zip([y, *found], [want, *wanted], strict=True):
        assert_close(mine, theirs.float())


def shapes(layer):
    return [tuple(weight.shape) for weight in layer.parameters()]


def test_depthwise_separable_is_a_filter_for_each_channel_and_a_matrix():
    layer = convolution.DepthwiseSeparableConv2d(4, 6, (3, 5), multiplier=2, groups=2)
    assert shapes(layer) == [(8, 1, 3, 5), (6, 4, 1, 1), (6,)]
    assert [stage.groups for stage in layer.stages] == [4, 2]


def test_spatially_separable_goes_along_one_axis_at_a_time():
    layer = convolution.SpatiallySeparableConv3d(4, 6, (2, 3, 5), (1, 2, 3), middle_channels=8)
    assert shapes(layer) == [(8, 4, 2, 1, 1), (8, 8, 1, 3, 1), (6, 8, 1, 1, 5), (6,)]
    assert [stage.stride for stage in layer.stages] == [(1, 1, 1), (1, 2, 1), (1, 1, 3)]


def test_flattened_goes_across_the_channels_and_along_each_axis():
    layer = convolution.FlattenedConv2d(4, 6, (3, 5))
    assert shapes(layer) == [(6, 4, 1, 1), (6, 1, 3, 1), (6, 1, 1, 5), (6,)]
    kernel = kernel_of(layer.double())[0]
    for taps in kernel.flatten(2).reshape(6, 4, 3, 5):
        assert torch.linalg.matrix_rank(taps.flatten(1)) == 1  # a product of vectors


@pytest.mark.parametrize("family", FAMILIES)
def test_every_result_depends_on_every_channel(family):
    layer = getattr(convolution, f"{family}2d")(4, 6, 3)
    assert (kernel_of(layer.double())[0] != 0).all()


@pytest.mark.parametrize("shuffles", [True, False])
def test_groups_meet_by_the_shuffle_alone(shuffles):
    made = convolution.ShuffledConv2d if shuffles else convolution.PointwiseGroupedConv2d
    kernel = kernel_of(made(8, 8, 3, groups=2).double())[0]
    apart = ungrouped(torch.ones(8, 4, dtype=torch.float64), 2) == 0
    assert ((kernel[apart] != 0).all() if shuffles else (kernel[apart] == 0).all()).item()


def test_a_causal_layer_does_not_look_ahead():
    layer = convolution.DepthwiseSeparableConv1d(4, 6, 3, padding=[(4, 0)], dilation=2)
    x = torch.randn(1, 4, 9)
    y = layer(x)
    x[:, :, 5:] = 7
    assert y.shape == (1, 6, 9)
    assert_close(layer(x)[:, :, :5], y[:, :, :5], rtol=0, atol=0)


@pytest.mark.parametrize(("made", "more"), CLASSES, ids=lambda one: getattr(one, "__name__", ""))
def test_what_was_asked_for_stands_between_the_stages(made, more):
    asked = []

    def between(channels):
        asked.append(channels)
        return nn.Sequential(nn.GroupNorm(1, channels), nn.ReLU())

    layer = made(4, 6, 3, between=between)
    stages = [stage for stage in layer.stages if isinstance(stage, nn.modules.conv._ConvNd)]
    assert asked == [stage.out_channels for stage in stages[:-1]]
    x = torch.randn(2, 4, *[5] * made.dims)
    y = x
    for stage in layer.stages:
        y = stage(y)
    assert_close(layer(x), y)
    assert not isinstance(layer.stages[-1], nn.Sequential)


def test_each_stage_begins_on_its_own_fan():
    """Weights of torch's first values, uniform within 1 / sqrt(fan)."""
    layer = convolution.DepthwiseSeparableConv2d(64, 64, 3)
    for stage, fan in zip(layer.stages, (9, 64), strict=True):
        largest = stage.weight.abs().max().item()
        assert 0.9 / fan**0.5 < largest <= 1 / fan**0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: convolution.ShuffledConv2d(4, 6, 3, groups=2, middle_channels=3),
            "groups must divide middle_channels, got 2 for 3",
        ),
        (
            lambda: convolution.SpatiallySeparableConv2d(4, 6, 3, middle_channels=0),
            "middle_channels must be > 0, got 0",
        ),
        (
            lambda: convolution.DepthwiseSeparableConv2d(4, 6, 3, multiplier=0),
            "multiplier must be > 0, got 0",
        ),
    ],
)
def test_errors_name_the_argument(make, message):
    with pytest.raises(ValueError, match=message):
        make()
