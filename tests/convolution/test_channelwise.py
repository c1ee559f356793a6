"""Channel-wise convolutions, against loops over the channels and torch's convolutions of 3-D."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.convolution import (
    ConvolutionalClassifier2d,
    DepthwiseSeparableChannelwiseConv1d,
    DepthwiseSeparableChannelwiseConv2d,
    DepthwiseSeparableChannelwiseConv3d,
    GroupChannelwiseConv1d,
    GroupChannelwiseConv2d,
    GroupChannelwiseConv3d,
    channelwise_conv,
    convolutional_classifier2d,
)

GROUP = {1: GroupChannelwiseConv1d, 2: GroupChannelwiseConv2d, 3: GroupChannelwiseConv3d}
SEPARABLE = {
    1: DepthwiseSeparableChannelwiseConv1d,
    2: DepthwiseSeparableChannelwiseConv2d,
    3: DepthwiseSeparableChannelwiseConv3d,
}
SIZES = {1: (7,), 2: (5, 6), 3: (4, 3, 5)}


def by_hand(x, weight, bias, stride, padding):
    """Every result a sum over the taps, written out."""
    filters, taps = weight.shape
    channels = x.shape[1]
    if padding == "valid":
        results, before = (channels - taps) // stride + 1, 0
    else:
        results = -(-channels // stride)
        total = max((results - 1) * stride + taps - channels, 0)
        before = total // 2 if padding == "same" else total - total // 2
    y = []
    for f in range(filters):
        for i in range(results):
            seen = [(j, i * stride - before + j) for j in range(taps)]
            one = sum((weight[f, j] * x[:, c] for j, c in seen if 0 <= c < channels), 0 * x[:, 0])
            y.append(one if bias is None else one + bias[f])
    return torch.stack(y, 1)


@given(
    channels=st.integers(1, 9),
    filters=st.integers(1, 3),
    taps=st.integers(1, 12),
    stride=st.integers(1, 4),
    padding=st.sampled_from(["same", "same_lower", "valid"]),
    lengths=st.lists(st.integers(1, 3), max_size=4),
    biased=st.booleans(),
)
def test_values_and_gradients_are_those_of_the_sums(
    channels, filters, taps, stride, padding, lengths, biased
):
    x = torch.randn(2, channels, *lengths, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(filters, taps, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(filters, dtype=torch.float64, requires_grad=True) if biased else None
    if padding == "valid" and taps > channels:
        with pytest.raises(ValueError, match="kernel_size must fit into the padded input"):
            channelwise_conv(x, weight, bias, stride=stride, padding=padding)
        return
    y = channelwise_conv(x, weight, bias, stride=stride, padding=padding)
    want = by_hand(x, weight, bias, stride, padding)
    assert_close(y, want)
    leaves = [x, weight, *([bias] if biased else [])]
    g = torch.randn_like(want)
    assert_close(torch.autograd.grad(y, leaves, g), torch.autograd.grad(want, leaves, g))


def test_worked_examples():
    x = torch.arange(1.0, 9)[None, :, None, None]
    filters = torch.stack([torch.ones(8), torch.arange(8.0)])
    want = [15.0, 28, 35, 30, 85, 140, 133, 70]
    assert channelwise_conv(x, filters, stride=2).flatten().tolist() == want
    y = channelwise_conv(x[:, :5], torch.tensor([[1.0, 2.0, 3.0]]))
    assert y.flatten().tolist() == [8, 14, 20, 26, 14]
    x = torch.arange(12.0).reshape(1, 3, 2, 2)
    assert convolutional_classifier2d(x, torch.ones(2, 2, 2)).tolist() == [[28, 60]]


@pytest.mark.parametrize("dims", GROUP)
def test_group_channelwise_is_a_grouped_convolution_and_filters_over_all_channels(dims):
    layer = GROUP[dims](12, 12, 3, stride=2, padding="same", groups=3)
    assert layer.channel_weight.shape == (3, 12)  # g filters of 4 g
    x = torch.randn(2, 12, *SIZES[dims])
    middle = layer.spatial(x)
    y = layer(x)
    assert y.shape == middle.shape
    for g, third in enumerate(y.chunk(3, 1)):  # what a filter gives is a group
        filters = layer.channel_weight[g : g + 1], layer.channel_bias[g : g + 1]
        assert_close(third, by_hand(middle, *filters, 3, "same"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dims", SEPARABLE)
@pytest.mark.parametrize(("before", "after"), [(6, 6), (6, 12), (6, 3), (6, 2)])
def test_separable_channelwise_is_a_filter_a_channel_and_one_over_them(dims, before, after):
    layer = SEPARABLE[dims](before, after, 3, padding=1, channel_kernel_size=4)
    x = torch.randn(2, before, *SIZES[dims])
    y = layer(x)
    assert y.shape == (2, after, *SIZES[dims])
    weights = layer.channel_weight, layer.channel_bias
    stride = max(1, before // after)
    want = by_hand(layer.spatial(x), *weights, stride, "same")
    assert_close(y, want, rtol=1e-4, atol=1e-5)
    assert layer.spatial.groups == before


def test_classifier_is_a_convolution_of_three_dimensions():
    layer = ConvolutionalClassifier2d(9, 5, (3, 4)).double()
    x = torch.randn(2, 9, 3, 4, dtype=torch.float64)
    depthwise = F.conv2d(x, layer.depthwise.weight, padding=1, groups=9)
    want = F.conv3d(depthwise[:, None], layer.weight[None, None])
    assert_close(layer(x), want.flatten(1))
    assert layer.weight.shape == (5, 3, 4)


def test_parameters_of_the_papers_classifier():
    assert ConvolutionalClassifier2d(1024, 1000, 7).weight.numel() == 1225
    assert nn.Linear(1024, 1000, bias=False).weight.numel() == 1_024_000


LAYERS = {
    "group": lambda: GroupChannelwiseConv2d(8, 8, 3, padding=1),
    "separable": lambda: DepthwiseSeparableChannelwiseConv2d(8, 16, 3, stride=2, padding="same"),
    "classifier": lambda: ConvolutionalClassifier2d(8, 5, 6),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]()


def test_gradcheck(layer):
    layer = layer.double()
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64, requires_grad=True)
    names = list(dict(layer.named_parameters()))
    assert torch.autograd.gradcheck(
        lambda x, *weights: torch.func.functional_call(
            layer, dict(zip(names, weights, strict=True)), (x,)
        ),
        (x, *layer.parameters()),
        fast_mode=True,
    )


def test_compiles_in_one_graph(layer):
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for batch in (1, 3):
        x = torch.randn(batch, 8, 6, 6, requires_grad=True)
        y, z = compiled(x), layer(x)
        assert_close(y, z)
        g = torch.randn_like(z)
        assert_close(torch.autograd.grad(y, x, g), torch.autograd.grad(z, x, g))


def dynamic(layer):
    """The axes whose lengths an exported program does not know."""
    axes = (0,) if isinstance(layer, ConvolutionalClassifier2d) else (0, 2, 3)
    return {"x": dict.fromkeys(axes, torch.export.Dim.DYNAMIC)}


def sizes(layer):
    return (5, 8, 6, 6) if isinstance(layer, ConvolutionalClassifier2d) else (5, 8, 7, 9)


def test_exports_with_unknown_sizes(layer):
    layer.eval()
    program = torch.export.export(layer, (torch.randn(2, 8, 6, 6),), dynamic_shapes=dynamic(layer))
    x = torch.randn(sizes(layer))
    assert_close(program.module()(x), layer(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
def test_runs_in_onnxruntime(layer, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    layer.eval()
    file = tmp_path / "layer.onnx"
    x = torch.randn(2, 8, 6, 6)
    torch.onnx.export(layer, (x,), dynamic_shapes=dynamic(layer), verbose=False).save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    x = torch.randn(sizes(layer))
    [name] = [one.name for one in session.get_inputs()]
    [y] = session.run(None, {name: x.numpy()})
    assert_close(torch.from_numpy(y), layer(x).detach(), rtol=1e-4, atol=1e-5)


def test_autocast(layer):
    x = torch.randn(2, 8, 6, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        y.float().square().mean().backward()
    assert y.dtype == torch.bfloat16
    assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["group", "separable"])
def test_channels_last_is_kept(name):
    layer, x = LAYERS[name](), torch.randn(2, 8, 6, 5)
    want = layer(x)
    assert want.is_contiguous()
    y = layer.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_close(y, want)


@pytest.mark.parametrize("name", ["group", "separable"])
def test_a_sample_without_batch_and_a_batch_of_none(name):
    layer, x = LAYERS[name](), torch.randn(8, 6, 5)
    y = layer(x[None])
    assert_close(layer(x), y[0])
    assert layer(x[None][:0]).shape == (0, *y.shape[1:])


@pytest.mark.parametrize("length", [8, 64, 100])
def test_filters_begin_on_their_own_fan(length):
    layer = GroupChannelwiseConv1d(400, 400, 1, groups=200, channel_kernel_size=length)
    plain = nn.Conv1d(1, 400, length)
    assert_close(layer.channel_weight.std(), plain.weight.std(), rtol=0.05, atol=0)
    assert_close(layer.channel_bias.std(), plain.bias.std(), rtol=0.2, atol=0)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (
            lambda: GroupChannelwiseConv2d(9, 8, 1, groups=2),
            "groups must divide in_channels, got 2 for 9",
        ),
        (lambda: GroupChannelwiseConv2d(8, 8, 1, groups=0), "groups must be > 0, got 0"),
        (
            lambda: DepthwiseSeparableChannelwiseConv2d(8, 12, 1),
            "out_channels must be a multiple of in_channels or divide them, got 12 for 8",
        ),
        (
            lambda: DepthwiseSeparableChannelwiseConv2d(8, 8, 1, groups=2),
            "groups must be 1, got 2",
        ),
        (
            lambda: DepthwiseSeparableChannelwiseConv2d(8, 8, 1, channel_kernel_size=0),
            "channel_kernel_size must be > 0, got 0",
        ),
        (lambda: ConvolutionalClassifier2d(8, 9, 3), "classes must be at most 8 channels, got 9"),
        (lambda: ConvolutionalClassifier2d(8, 5, (3, 0)), "size must be >= 1"),
        (
            lambda: ConvolutionalClassifier2d(8, 5, 3)(torch.ones(1, 8, 4, 3)),
            r"x must have the height and width of weight, \(3, 3\), got \(4, 3\)",
        ),
        (
            lambda: convolutional_classifier2d(torch.ones(1, 2, 3, 3), torch.ones(3, 3, 3)),
            "weight must have at most 2 taps, got 3",
        ),
        (
            lambda: channelwise_conv(torch.ones(1, 4, 3), torch.ones(2, 3), torch.ones(3)),
            r"bias must have shape \(2,\), got \(3,\)",
        ),
        (
            lambda: channelwise_conv(torch.ones(1, 4, 3), torch.ones(2, 3), stride=0),
            "stride must be > 0, got 0",
        ),
        (
            lambda: channelwise_conv(torch.ones(4), torch.ones(2, 3)),
            r"x must have shape \(batch, channels, \*lengths\), got \(4,\)",
        ),
        (
            lambda: channelwise_conv(torch.ones(1, 4, 3), torch.ones(2, 3), padding="full"),
            "padding must be one of 'same', 'same_lower', 'valid', got 'full'",
        ),
    ],
)
def test_errors(make, error):
    with pytest.raises(ValueError, match=error):
        make()
