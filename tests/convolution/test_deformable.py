"""Deformable convolution: its worked examples, onnxruntime's own operator, its gradients."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation
from huashi.convolution import (
    DeformableConv1d,
    DeformableConv2d,
    DeformableConv3d,
    deform_conv1d,
    deform_conv2d,
    deform_conv3d,
)

FUNCTIONS = {1: deform_conv1d, 2: deform_conv2d, 3: deform_conv3d}
MODULES = {1: DeformableConv1d, 2: DeformableConv2d, 3: DeformableConv3d}
PLAIN = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
both = pytest.mark.parametrize("mode", ["kernel", "reference"])


def looked_at(image, *position):
    """What one tap sees of an image at a position."""
    x = torch.as_tensor(image, dtype=torch.float64)[None, None]
    weight = torch.ones(1, 1, *[1] * len(position), dtype=torch.float64)
    offset = torch.zeros(1, len(position), *x.shape[2:], dtype=torch.float64)
    for axis, at in enumerate(position):
        offset[:, axis] = at
    first = (0, 0, *[0] * len(position))
    return FUNCTIONS[len(position)](x, weight, offset)[first].item()


@both
@pytest.mark.parametrize(
    ("position", "want"), [((0.5, 0.25), 1.75), ((2.5, 2), 4), ((-0.5, 0), 0), ((3, 0), 0)]
)
def test_what_lies_between_elements_and_beyond_them(position, want, mode):
    with implementation(mode):
        assert looked_at(torch.arange(9.0).reshape(3, 3), *position) == want


@both
def test_a_line_and_a_volume(mode):
    with implementation(mode):
        assert looked_at([0.0, 10.0, 20.0], 1.25) == 12.5
        assert looked_at([0.0, 10.0, 20.0], 2.5) == 10
        assert looked_at(torch.arange(8.0).reshape(2, 2, 2), 0.5, 0.25, 0.75) == 2 + 0.5 + 0.75


@st.composite
def calls(draw, dims=(1, 2, 3), dtype=torch.float64):
    """Arguments of a call."""
    n = draw(st.sampled_from(dims))
    groups, offset_groups = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2, 3, 6]))
    several = st.lists(st.integers(1, 3), min_size=n, max_size=n)
    kernel, stride, dilation = draw(several), draw(several), draw(several)
    before = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    after = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    lengths = [max(draw(st.integers(1, 7)), span) for span in spans]
    axes = zip(lengths, before, after, spans, stride, strict=True)
    results = [(length + a + b - span) // step + 1 for length, a, b, span, step in axes]
    batch, taps = draw(st.integers(1, 3)), int(np.prod(kernel))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))

    def random(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)

    tensors = {
        "x": random(batch, 6, *lengths),
        "weight": random(6, 6 // groups, *kernel),
        "offset": 1.5 * random(batch, offset_groups * taps * n, *results),
    }
    if draw(st.booleans()):
        tensors["mask"] = random(batch, offset_groups * taps, *results)
    if draw(st.booleans()):
        tensors["bias"] = random(6)
    padding = list(zip(before, after, strict=True))
    return n, tensors, {"stride": stride, "padding": padding, "dilation": dilation}


@both
@given(call=calls(dims=(2,), dtype=torch.float32))
def test_onnxruntime_has_the_same(call, mode):
    """Its operator is of other hands; over all groups, offset groups, strides and dilations."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    _, tensors, options = call
    kernel = tensors["weight"].shape[2:]
    befores, afters = zip(*options["padding"], strict=True)
    order = "x", "weight", "offset", "bias", "mask"
    node = onnx.helper.make_node(
        "DeformConv",
        [name if name in tensors else "" for name in order],
        ["y"],
        kernel_shape=kernel,
        strides=options["stride"],
        dilations=options["dilation"],
        pads=[*befores, *afters],
        group=6 // tensors["weight"].shape[1],
        offset_group=tensors["offset"].shape[1] // (2 * kernel[0] * kernel[1]),
    )
    kinds = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, tensors[name].shape)
        for name in order
        if name in tensors
    ]
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "one", kinds, [result])
    opset = [onnx.helper.make_opsetid("", 19)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    run = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [want] = run.run(None, {name: tensor.numpy() for name, tensor in tensors.items()})
    with implementation(mode):
        y = deform_conv2d(**tensors, **options)
    assert_close(y, torch.from_numpy(want), rtol=1e-4, atol=2e-5)


def results_of(mode, call):
    """The result and the gradients of all tensors."""
    n, tensors, options = call
    leaves = {name: t.detach().clone().requires_grad_() for name, t in tensors.items()}
    with implementation(mode):
        y = FUNCTIONS[n](**leaves, **options)
        weights = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).to(y.dtype).view(y.shape)
        return y.detach(), *grad(y, list(leaves.values()), weights)


@given(calls())
def test_values_and_all_gradients_are_those_of_the_definition(call):
    assert_close(results_of("kernel", call), results_of("reference", call), rtol=1e-9, atol=1e-9)


@given(calls(dtype=torch.float32))
def test_in_single_precision(call):
    n, tensors, options = call
    wide = n, {name: t.double() for name, t in tensors.items()}, options
    for got, want in zip(results_of("kernel", call), results_of("reference", wide), strict=True):
        assert_close(got, want.float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("channels", [16, 20, 37])
def test_channels_fill_lanes_and_leave_a_rest(channels):
    torch.manual_seed(0)
    tensors = {
        "x": torch.randn(2, channels, 9, 8),
        "weight": torch.randn(5, channels, 3, 3),
        "offset": 2 * torch.randn(2, 18, 9, 8),
        "mask": torch.rand(2, 9, 9, 8),
    }
    call = 2, tensors, {"padding": 1}
    for got, want in zip(results_of("kernel", call), results_of("reference", call), strict=True):
        assert_close(got, want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dims", [1, 2, 3])
@both
def test_gradients_are_slopes(dims, mode):
    """Between the elements, where there are slopes."""
    torch.manual_seed(0)
    lengths = (4, 3, 3)[:dims]
    x = torch.randn(1, 2, *lengths, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, *[2] * dims, dtype=torch.float64, requires_grad=True)
    results = [n - 1 for n in lengths]
    offset = torch.randint(-2, 2, (1, 2 * 2**dims * dims, *results)).double()
    offset = (offset + 0.2 + 0.6 * torch.rand_like(offset)).requires_grad_()
    mask = torch.rand(1, 2 * 2**dims, *results, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    with implementation(mode):
        assert gradcheck(FUNCTIONS[dims], (x, weight, offset, mask, bias), fast_mode=True)


@both
@pytest.mark.parametrize(("at", "slope"), [(0.0, 1.0), (1.0, 3.0), (2.0, -4.0), (-1.0, 0.0)])
def test_at_an_element_the_slope_is_the_one_to_the_right(at, slope, mode):
    """Of 0, 1, 4 and nothing beyond."""
    x = torch.tensor([[[0.0, 1.0, 4.0]]], dtype=torch.float64)
    offset = torch.full((1, 1, 3), 100.0, dtype=torch.float64)
    offset[..., 0] = at
    offset.requires_grad_()
    with implementation(mode):
        y = deform_conv1d(x, torch.ones(1, 1, 1, dtype=torch.float64), offset)
    assert grad(y.sum(), offset)[0][0, 0].tolist() == [slope, 0, 0]


@pytest.mark.parametrize("far", [1e9, -1e30, float("inf"), -float("inf")])
def test_far_outside_there_is_nothing(far):
    tensors = {
        "x": torch.randn(1, 16, 4, 4),
        "weight": torch.randn(2, 16, 3, 3),
        "offset": torch.full((1, 18, 4, 4), far),
    }
    y, *slopes = results_of("kernel", (2, tensors, {"padding": 1}))
    assert not y.any()
    assert not any(slope.any() for slope in slopes)


@both
def test_a_position_that_is_no_number_gives_none(mode):
    offset = torch.zeros(1, 18, 4, 4)
    offset[0, 4, 2, 1] = torch.nan
    with implementation(mode):
        y = deform_conv2d(torch.randn(1, 16, 4, 4), torch.randn(2, 16, 3, 3), offset, padding=1)
    there = torch.zeros(4, 4, dtype=torch.bool)
    there[2, 1] = True
    assert (y.isnan() == there).all()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("mask", "share"), [(None, 1), ("sigmoid2", 1), ("sigmoid", 0.5)])
def test_a_layer_starts_as_a_plain_convolution(dims, mask, share):
    options = {"stride": 2, "padding": 1, "groups": 2}
    layer = MODULES[dims](4, 6, 3, **options, bias=False, offset_groups=2, mask=mask)
    x = torch.randn(2, 4, *(7, 6, 5)[:dims])
    assert_close(layer(x), share * PLAIN[dims](x, layer.weight, **options), rtol=1e-4, atol=1e-5)


def test_offsets_learn():
    """A layer of one tap finds the pixel to the left, which its own input cannot tell it."""
    torch.manual_seed(0)
    layer = DeformableConv2d(1, 1, 1, mask=None, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)
    optimizer = torch.optim.Adam([layer.offset.bias], lr=0.05)
    for _ in range(100):
        loss = (layer(ramp) - (ramp - 1))[..., 3:-3].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-3
    assert_close(layer.offset.bias[1].item(), -1.0, rtol=0, atol=0.05)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_formats_dtypes_and_empty_batches(dims):
    layer = MODULES[dims](8, 6, 3, padding=1)
    torch.nn.init.normal_(layer.offset.weight, std=0.2)
    x = torch.randn(2, 8, *(7, 6, 5)[:dims])
    assert layer(x[:0]).shape == (0, *layer(x).shape[1:])
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(x)
    assert half.dtype == torch.bfloat16
    assert_close(half.float(), layer(x), rtol=0.1, atol=0.1)
    small = layer.to(torch.bfloat16)(x.bfloat16())
    assert small.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"offset": (1, 17, 4, 4)}, "offset must have 2 numbers for each of 9 taps .*, got 17"),
        ({"offset": (1, 18, 3, 4)}, r"offset must have the \(4, 4\) results .*, got \(3, 4\)"),
        ({"offset": (2, 18, 4, 4)}, "offset must have a batch of 1, got 2"),
        ({"offset": (1, 90, 4, 4)}, "offset must have .* which divide the 4 channels"),
        ({"mask": (1, 18, 4, 4)}, "mask must have a number for each of 9 taps .*, 9, got 18"),
        ({"weight": (6, 3, 3, 3)}, "weight must have a divisor of the 4 channels of x"),
        ({"weight": (5, 2, 3, 3)}, "weight must have a multiple of 2, the number of groups"),
        ({"weight": (6, 4, 7, 7)}, "offset must have 2 numbers for each of 49 taps"),
        ({"weight": (6, 4, 7, 7), "offset": (1, 98, 1, 1)}, "kernel_size must fit into the padde"),
        ({"bias": (5,)}, "bias must have 6 numbers, got 5"),
        ({"x": (4, 4, 4)}, r"x must have shape \(batch, channels, height, width\), got \(4, 4, 4"),
    ],
)
def test_errors_name_the_argument(changes, complaint):
    shapes = {"x": (1, 4, 4, 4), "weight": (6, 4, 3, 3), "offset": (1, 18, 4, 4)} | changes
    with pytest.raises(ValueError, match=complaint):
        deform_conv2d(**{name: torch.randn(shape) for name, shape in shapes.items()}, padding=1)


def test_errors_of_a_layer():
    with pytest.raises(ValueError, match="padding_mode must be 'zeros' for a deformable"):
        DeformableConv2d(4, 4, 3, padding_mode="reflect")
    with pytest.raises(ValueError, match="offset_groups must divide in_channels, got 3 for 4"):
        DeformableConv2d(4, 4, 3, offset_groups=3)
    with pytest.raises(ValueError, match="mask must be one of 'sigmoid2', 'sigmoid', got 'soft'"):
        DeformableConv2d(4, 4, 3, mask="soft")
    x = torch.randn(1, 1, 2, 2, dtype=torch.float64)
    with pytest.raises(TypeError, match=r"weight must have the dtype of x, torch.float64, got"):
        deform_conv2d(x, torch.randn(1, 1, 1, 1), torch.zeros(1, 2, 2, 2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize(
    ("dims", "padding", "mask"), [(1, "same", None), (2, "same", "sigmoid2"), (2, 1, None)]
)
def test_a_file_has_the_standards_node_and_takes_any_size(dims, padding, mask, dynamo):
    """By the older exporter it has the definition."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = MODULES[dims](4, 6, 3, 2, padding, groups=2, offset_groups=2, mask=mask).eval()
    torch.nn.init.normal_(layer.offset.weight, std=0.3)
    x, file = torch.randn(2, 4, *(9, 8)[:dims]), io.BytesIO()
    sizes = range(2, 2 + dims)
    if dynamo:
        free = dict.fromkeys(sizes, torch.export.Dim.DYNAMIC)
        torch.onnx.export(layer, (x,), dynamic_shapes=(free,), verbose=False).save(file)
    else:
        free = {"input_names": ["x"], "dynamic_axes": {"x": {i: f"size{i}" for i in sizes}}}
        torch.onnx.export(layer, (x,), file, dynamo=False, opset_version=19, **free)
    nodes = [node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node]
    assert nodes.count("DeformConv") == dynamo
    run = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for lengths in ((9, 8), (12, 11)):
        x = torch.randn(2, 4, *lengths[:dims])
        [y] = run.run(None, {run.get_inputs()[0].name: x.numpy()})
        assert_close(torch.from_numpy(y), layer(x).detach(), rtol=1e-4, atol=1e-4)
