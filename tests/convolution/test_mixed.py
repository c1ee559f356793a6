"""Kernels of several sizes: one convolution with the largest, some of whose taps are zero."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import convolution
from huashi.convolution.mixed import shares
from tests.convolution.geometries import agree, convolved, geometries, ungrouped

MIXED = {dims: getattr(convolution, f"MixedConv{dims}d") for dims in (1, 2, 3)}


def kernel_of(layer):
    """Each kernel in the middle of the largest one, over all channels; and the bias."""
    kernels = []
    for part in layer.parts:
        margins = [
            (largest - kernel) // 2
            for largest, kernel in zip(layer.kernel_size, part.kernel_size, strict=True)
        ]
        sides = [margin for margin in reversed(margins) for _ in range(2)]
        kernels.append(F.pad(part.weight, sides))
    bias = None
    if layer.parts[0].bias is not None:
        bias = torch.cat([part.bias for part in layer.parts])
    return ungrouped(torch.cat(kernels), layer.groups), bias


@pytest.mark.parametrize("dims", [1, 2, 3])
@settings(max_examples=40)
@given(data=st.data())
def test_is_the_convolution_whose_outer_taps_are_zero(dims, data):
    largest = [3, 5] if dims < 3 else [3]
    options, lengths, sides = data.draw(geometries(dims, st.sampled_from(largest)))
    most = options["kernel_size"]
    smaller = tuple(data.draw(st.sampled_from(range(1, k + 1, 2))) for k in most)
    sizes = [data.draw(st.permutations([most, smaller])), [most, smaller, most]]
    sizes = data.draw(st.sampled_from(sizes))
    groups = data.draw(st.sampled_from([1, 6]))
    split = data.draw(st.sampled_from(["equal", "exponential"]))
    bias = data.draw(st.booleans())
    made = MIXED[dims](
        6,
        12,
        **options | {"kernel_size": sizes},
        groups=groups,
        bias=bias,
        split=split,
        dtype=torch.float64,
    )

    def definition(x):
        return convolved(x, *kernel_of(made), options, sides)

    agree(made, definition, torch.randn(2, 6, *lengths, dtype=torch.float64))


@settings(max_examples=40)
@given(data=st.data())
def test_is_the_same_without_a_gradient(data):
    """Where it may be computed as one convolution."""
    options, lengths, sides = data.draw(geometries(2, st.sampled_from([3, 5])))
    sizes = {"kernel_size": [1, options["kernel_size"]], "bias": data.draw(st.booleans())}
    layer = convolution.MixedConv2d(4, 4, **options | sizes, groups=4, dtype=torch.float64)
    x = torch.randn(2, 4, *lengths, dtype=torch.float64)
    assert not layer._faster_as_one(x)
    with torch.no_grad():
        assert layer._faster_as_one(x)
        assert_close(layer(x), convolved(x, *kernel_of(layer), options, sides))


@torch.no_grad()
def test_channels_stay_last_without_a_gradient():
    layer = convolution.MixedConv2d(4, 4, (1, 3), 2, "same", groups=4)
    x = torch.randn(2, 4, 5, 6)
    y = layer(x.contiguous(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert layer(x).is_contiguous()
    assert_close(y, layer(x))


def test_who_looks_at_the_parts_sees_them():
    layer, seen = convolution.MixedConv2d(4, 4, (1, 3), groups=4, padding=1), []
    x = torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        layer.parts[0].register_forward_hook(lambda part, given, made: seen.append(made.shape))
        layer(x)
        assert seen == [(2, 2, 5, 5)]
        layer.parts[1] = torch.nn.Identity()  # as a program that replaces modules does
        assert torch.equal(layer(x)[:, 2:], x[:, 2:])


def test_different_sizes_along_different_axes_are_centred_each():
    options = {"kernel_size": (5, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    options["padding_mode"] = "zeros"
    sizes = {"kernel_size": ((5, 1), (1, 3), (3, 3))}
    layer = convolution.MixedConv2d(2, 5, **options | sizes, dtype=torch.float64)
    assert layer.kernel_size == (5, 3)

    def definition(x):
        return convolved(x, *kernel_of(layer), options, [(1, 1), (0, 0)])

    agree(layer, definition, torch.randn(2, 2, 7, 8, dtype=torch.float64))


def test_as_many_groups_as_sizes_give_each_its_input_channels():
    layer = convolution.MixedConv1d(6, 3, (1, 3, 5), padding=2, groups=3, bias=False)
    assert [tuple(part.weight.shape) for part in layer.parts] == [(1, 2, 1), (1, 2, 3), (1, 2, 5)]


@pytest.mark.parametrize(
    ("number", "parts", "split", "expected"),
    [
        (32, 4, "equal", [8, 8, 8, 8]),
        (32, 4, "exponential", [16, 8, 4, 4]),
        (10, 3, "equal", [4, 3, 3]),
        (5, 1, "exponential", [5]),
    ],
)
def test_channels_are_split_as_in_the_paper(number, parts, split, expected):
    assert shares(number, parts, split) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": (3, 4)}, r"kernel_size must be odd in all sizes .*, got \(3, 4\)"),
        ({"kernel_size": ()}, "kernel_size must have one size or more"),
        ({"kernel_size": (1, 3, 5, 7, 9)}, "out_channels must give each of 5 kernel sizes a share"),
        (
            {"kernel_size": (1, 3, 5), "groups": 2},
            "groups must give each of 3 kernel sizes a share",
        ),
        ({"split": "exponentially"}, "did you mean 'exponential'"),
    ],
)
def test_errors_name_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        convolution.MixedConv2d(4, 4, **options)
