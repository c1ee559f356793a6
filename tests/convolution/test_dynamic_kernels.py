"""Convolutions with a mixture of kernels for each sample, against a loop over the samples."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.convolution import (
    DynamicKernelConv1d,
    DynamicKernelConv2d,
    DynamicKernelConv3d,
    kernel_correlation,
    set_routing_progress,
)
from huashi.convolution.plain import CONV

KINDS = {1: DynamicKernelConv1d, 2: DynamicKernelConv2d, 3: DynamicKernelConv3d}
PRESETS = {
    "condconv": DynamicKernelConv2d.condconv,
    "dynamic": DynamicKernelConv2d.dynamic,
    "dynet": DynamicKernelConv2d.dynet,
}


def by_hand(layer, x, routing):
    """Sample by sample: the kernel as a sum, then torch's own convolution of the chapter."""
    plain = CONV[layer.dims](
        *(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding),
        *(layer.dilation, layer.groups, layer.bias is not None, layer.padding_mode),
    )
    sets = layer.coefficient_groups
    share = routing.reshape(len(x), layer.kernels, sets).repeat_interleave(
        layer.out_channels // sets, 2
    )
    results = []
    for sample, r in zip(x, share, strict=True):
        numbers = (slice(None),) + (None,) * (layer.dims + 1)
        kernel = sum(r[k][numbers] * layer.fixed_kernels[k] for k in range(layer.kernels))
        weights = {"weight": kernel}
        if layer.bias is not None:
            weights["bias"] = sum(r[k] * layer.bias[k] for k in range(layer.kernels))
        results.append(torch.func.functional_call(plain, weights, (sample[None],)))
    return torch.cat(results)


@st.composite
def layers(draw):
    """A layer in float64, an input and a routing."""
    dims = draw(st.sampled_from([1, 2, 2, 3]))
    groups = draw(st.sampled_from([1, 2]))
    routing = draw(st.sampled_from(["sigmoid", "softmax"]))
    granularity = draw(st.sampled_from(["layer", "out_channel"]))
    padding = draw(st.sampled_from([0, 1, 2, "same", "same_lower", "uneven"]))
    if padding == "uneven":
        padding = [(0, 1)] + [(2, 0)] * (dims - 1)
    layer = KINDS[dims](
        2 * groups,
        4,
        draw(st.lists(st.integers(1, 3), min_size=dims, max_size=dims)),
        draw(st.integers(1, 2)),
        padding,
        draw(st.integers(1, 2)),
        groups,
        draw(st.booleans()),
        draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"])),
        kernels=draw(st.integers(1, 3)),
        routing=routing,
        granularity=granularity,
        coefficient_groups=draw(st.sampled_from([None, 2])) if granularity != "layer" else None,
        reduction=draw(st.sampled_from([None, 2])),
        dtype=torch.float64,
    )
    lengths = draw(st.lists(st.integers(5, 7), min_size=dims, max_size=dims))
    batch = draw(st.integers(1, 3))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    x = torch.randn(batch, 2 * groups, *lengths, dtype=torch.float64, generator=seed)
    sets = layer.coefficient_groups
    r = torch.rand(batch, layer.kernels, sets, dtype=torch.float64, generator=seed)
    r = r / r.sum(1, keepdim=True) if routing == "softmax" else r
    return layer, x, r[..., 0] if sets == 1 else r


@given(layers())
def test_values_and_all_gradients_are_those_of_the_loop(one_of):
    layer, x, routing = one_of
    x.requires_grad_()
    routing.requires_grad_()
    leaves = [x, routing, layer.weight, *([] if layer.bias is None else [layer.bias])]
    want = by_hand(layer, x, routing)
    g = torch.randn_like(want)
    wanted = torch.autograd.grad(want, leaves, g)
    ways = ["auto", "per_sample", "grouped", "products", "mixed_outputs"]
    for strategy in [*ways, *(["one_kernel"] if len(x) == 1 else [])]:
        layer.strategy = strategy
        y = layer(x, routing)
        assert_close(y, want, rtol=1e-10, atol=1e-10)
        assert_close(torch.autograd.grad(y, leaves, g), wanted, rtol=1e-10, atol=1e-10)


@given(layers())
def test_strategies_agree_in_single_precision(one_of):
    layer, x, routing = one_of
    want = by_hand(layer, x, routing).float()
    layer.float()
    for strategy in ("grouped", "products", "mixed_outputs"):
        layer.strategy = strategy
        assert_close(layer(x.float(), routing.float()), want, rtol=2e-5, atol=5e-6)


@given(layers())
def test_the_layers_own_routing_is_what_it_mixes_by(one_of):
    layer, x, _ = one_of
    assert_close(layer(x), by_hand(layer, x, layer.route(x)))


@pytest.mark.parametrize("preset", PRESETS)
def test_gradcheck(preset):
    layer = PRESETS[preset](2, 2, 2, padding=1, kernels=2).double()
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, *weights: torch.func.functional_call(
            layer, dict(zip(dict(layer.named_parameters()), weights, strict=True)), (x,)
        ),
        (x, *layer.parameters()),
        fast_mode=True,
    )


def routed(layer, bias=False):
    """Coefficients by the weights and the input of the worked example."""
    weight = torch.tensor([[0.5, 0.0, 0.25], [0.0, 1.0, -0.5]])
    with torch.no_grad():
        layer.router.coefficients.weight.copy_(weight)
        layer.router.coefficients.bias.zero_()
    pooled = torch.tensor([[1.0, -1.0, 2.0], [0.0, 0.5, -1.0]])
    spread = torch.tensor([[-1.0, 1.0], [3.0, -3.0]])
    return layer.route(pooled[..., None, None] + spread)


def test_coefficients_of_a_sigmoid():
    layer = DynamicKernelConv2d(3, 1, 1, kernels=2)
    want = torch.tensor([[0.731059, 0.119203], [0.437823, 0.731059]])
    assert_close(routed(layer), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("progress", "want"),
    [
        (0, [[0.524979, 0.475021], [0.489585, 0.510415]]),
        (1, [[0.952574, 0.047426], [0.2227, 0.7773]]),
    ],
)
def test_coefficients_of_a_softmax(progress, want):
    layer = DynamicKernelConv2d(3, 1, 1, kernels=2, routing="softmax")
    layer.set_progress(progress)
    assert_close(routed(layer), torch.tensor(want), rtol=0, atol=1e-5)


def test_the_hidden_layer_is_a_linear_one_and_relu():
    layer = DynamicKernelConv1d.dynamic(8, 8, 3, temperature=(1.0, 1.0))
    first, second = layer.router.hidden, layer.router.coefficients
    assert (first.weight.shape, first.bias, second.weight.shape) == ((2, 8), None, (4, 2))
    x = torch.randn(3, 8, 5)
    hidden = F.relu(x.mean(2) @ first.weight.T)
    assert_close(layer.route(x), F.softmax(hidden @ second.weight.T + second.bias, dim=1))


def test_the_temperature_falls_in_a_line_and_is_saved():
    layer = DynamicKernelConv2d.dynamic(4, 4, 1)
    seen = []
    for step in range(11):
        layer.set_progress(step / 10)
        seen.append(round(layer.router.temperature.item(), 4))
    assert seen == [30, 27.1, 24.2, 21.3, 18.4, 15.5, 12.6, 9.7, 6.8, 3.9, 1]
    layer.set_progress(0.5)
    other = DynamicKernelConv2d.dynamic(4, 4, 1)
    other.load_state_dict(layer.state_dict())
    assert other.router.temperature.item() == 15.5
    x = torch.randn(2, 4, 3, 3)
    assert_close(other(x), layer(x))


def test_the_temperature_of_a_whole_model():
    model = nn.Sequential(
        DynamicKernelConv1d.dynamic(4, 4, 1),
        DynamicKernelConv1d.condconv(4, 4, 1),
        nn.Sequential(DynamicKernelConv1d.dynamic(4, 4, 1, temperature=(10, 2))),
    )
    assert set_routing_progress(model, 0.5) == 2
    assert model[0].router.temperature == 15.5
    assert model[2][0].router.temperature == 6
    assert set_routing_progress(nn.ReLU(), 0.5) == 0


def plain_of(layer, k=0):
    """The kernel k as a layer of torch."""
    geometry = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups
    plain = CONV[layer.dims](layer.in_channels, layer.out_channels, *geometry)
    with torch.no_grad():
        plain.weight.copy_(layer.fixed_kernels[k])
        plain.bias.copy_(layer.bias[k])
    return plain


@pytest.mark.parametrize("preset", PRESETS)
def test_equal_kernels_are_a_plain_convolution_times_the_sum(preset):
    layer = PRESETS[preset](4, 6, 3, padding=1, stride=2)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[0].clone())
        layer.bias.copy_(layer.bias[0].clone())
    x = torch.randn(3, 4, 7, 6)
    total = layer.route(x).sum(1)
    total = total if preset == "dynet" else total[:, None]
    if preset == "dynamic":
        assert_close(total, torch.ones(3, 1))
    assert_close(layer(x), total[..., None, None] * plain_of(layer)(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dims", KINDS)
def test_a_routing_of_one_kernel_is_that_kernel(dims):
    layer = KINDS[dims](4, 6, 3, padding="same", groups=2, kernels=3, routing="softmax")
    x = torch.randn(3, 4, *(5, 4, 3)[:dims])
    y = layer(x, torch.eye(3))
    for k in range(3):
        assert_close(y[k], plain_of(layer, k)(x)[k], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_samples_do_not_see_one_another(preset):
    layer = PRESETS[preset](4, 6, 3, padding=1)
    x, order = torch.randn(5, 4, 6, 6), torch.tensor([3, 0, 4, 2, 1])
    y = layer(x)
    assert_close(layer(x[order]), y[order], rtol=2e-5, atol=5e-6)
    for i in range(5):  # alone, and as a batch of one
        assert_close(layer(x[i : i + 1])[0], y[i], rtol=2e-5, atol=5e-6)
        assert_close(layer(x[i]), y[i], rtol=2e-5, atol=5e-6)


def test_mixing_results_is_mixing_kernels():
    """DyNet trains by the one and infers by the other."""
    layer = DynamicKernelConv2d.dynet(4, 6, 3, padding=1).double()
    x = torch.randn(3, 4, 5, 5, dtype=torch.float64)
    shares = layer.route(x).unbind(1)
    maps = sum(r[..., None, None] * plain_of(layer, k).double()(x) for k, r in enumerate(shares))
    with torch.no_grad():
        assert_close(layer.eval()(x), maps, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("strategy", ["grouped", "products"])
def test_half_precision_is_near_single_precision(dtype, strategy):
    """Kernels and results are rounded, bfloat16 by up to 2 ** -9 of a number each time."""
    layer = DynamicKernelConv2d(32, 32, 3, padding=1, strategy=strategy).to(dtype)
    x, routing = torch.randn(4, 32, 8, 8).to(dtype), torch.rand(4, 8).to(dtype)
    want = copy.deepcopy(layer).float()(x.float(), routing.float())
    y = layer(x, routing)
    assert y.dtype == dtype
    error = y.float() - want
    if dtype == torch.float16:
        assert error.abs().max() < 2e-3
    assert error.norm() < (2e-3 if dtype == torch.float16 else 2**-8) * want.norm()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("strategy", ["auto", "grouped", "products", "mixed_outputs"])
def test_autocast(preset, strategy):
    layer = PRESETS[preset](8, 8, 3, padding=1, strategy=strategy)
    x = torch.randn(3, 8, 6, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        y.float().square().mean().backward()
    assert y.dtype == torch.bfloat16
    assert layer.weight.grad.dtype == torch.float32
    assert_close(y.float(), layer(x), rtol=0.05, atol=0.02)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("strategy", ["auto", "grouped", "products", "mixed_outputs"])
def test_channels_last_is_kept(strategy, batch):
    """Also where the layer itself has been moved to it."""
    layer = DynamicKernelConv2d(4, 6, 3, padding=1, strategy=strategy)
    x = torch.randn(batch, 4, 5, 7)
    want = layer(x)
    assert want.is_contiguous()
    last = layer.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert_close(last, want)


@pytest.mark.parametrize("dims", KINDS)
def test_each_kernel_begins_as_torchs(dims):
    """On its own fan: a stack of kernels begun as one tensor would be sqrt(K) too small."""
    layer = KINDS[dims](64, 64, 3, groups=2, kernels=5)
    plain = CONV[dims](64, 64, 3, groups=2)
    for k in range(5):
        assert layer.fixed_kernels[k].shape == plain.weight.shape
        assert_close(layer.fixed_kernels[k].std(), plain.weight.std(), rtol=0.05, atol=0)
        assert_close(layer.bias[k].std(), plain.bias.std(), rtol=0.4, atol=0)
        assert layer.weight[k].abs().max() <= 1 / math.sqrt(32 * 3**dims)


@pytest.mark.parametrize("preset", PRESETS)
def test_compiles_in_one_graph(preset):
    torch._dynamo.reset()
    layer = PRESETS[preset](4, 6, 3, padding="same", stride=2)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for batch, side in ((1, 6), (3, 6), (2, 7)):
        x = torch.randn(batch, 4, side, side, requires_grad=True)
        y, z = compiled(x), layer(x)
        assert_close(y, z)
        g = torch.randn_like(z)
        assert_close(torch.autograd.grad(y, x, g), torch.autograd.grad(z, x, g))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_exports_with_unknown_sizes(preset, strict):
    layer = PRESETS[preset](4, 6, 3, padding="same", stride=2).eval()
    sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    x = torch.randn(2, 4, 8, 9)
    program = torch.export.export(layer, (x,), dynamic_shapes={"x": sizes}, strict=strict)
    for shape in ((5, 4, 11, 8), (2, 4, 5, 5), (1, 4, 6, 7)):
        x = torch.randn(shape)
        assert_close(program.module()(x), layer(x), rtol=2e-5, atol=5e-6)


def test_exports_a_batch_of_one_as_a_plain_convolution():
    layer = DynamicKernelConv2d(4, 6, 3).eval()
    sizes = {"x": {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}}
    program = torch.export.export(layer, (torch.randn(1, 4, 8, 9),), dynamic_shapes=sizes)
    assert sum("conv2d" in str(node.target) for node in program.graph.nodes) == 1
    x = torch.randn(1, 4, 5, 12)
    assert_close(program.module()(x), layer(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
@pytest.mark.parametrize("preset", PRESETS)
def test_runs_in_onnxruntime(preset, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    layer = PRESETS[preset](4, 6, 3, padding=1).eval()
    sizes = {"x": dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)}
    file = tmp_path / "layer.onnx"
    x = torch.randn(2, 4, 8, 9)
    torch.onnx.export(layer, (x,), dynamic_shapes=sizes, verbose=False).save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    [name] = [one.name for one in session.get_inputs()]
    for shape in ((2, 4, 8, 9), (5, 4, 6, 11)):
        x = torch.randn(shape)
        [y] = session.run(None, {name: x.numpy()})
        assert_close(torch.from_numpy(y), layer(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_batch_of_none_and_a_result_of_none_are_as_torch_has_them():
    layer = DynamicKernelConv2d(4, 6, 3)
    plain = plain_of(layer)
    assert layer(torch.ones(0, 4, 5, 5)).shape == plain(torch.ones(0, 4, 5, 5)).shape
    for strategy in ("auto", "grouped", "products", "mixed_outputs"):
        layer.strategy = strategy
        with pytest.raises(ValueError, match="kernel_size must fit into the padded input"):
            layer(torch.ones(2, 4, 2, 5))


def test_correlation_of_kernels():
    layer = DynamicKernelConv2d(2, 4, 3, kernels=3)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[0] * torch.tensor([[1.0], [-2.0], [0.5]]))
    assert kernel_correlation(layer) == pytest.approx(1)
    random = kernel_correlation(DynamicKernelConv2d(64, 64, 3))
    assert random == pytest.approx(0, abs=0.01)
    by_channel = DynamicKernelConv2d.dynet(2, 2, 1, kernels=2, bias=False)
    with torch.no_grad():  # the first channel has orthogonal kernels, the second equal ones
        by_channel.weight.copy_(torch.tensor([[1.0, 0, 1, 1], [0, 1.0, 1, 1]]))
    assert kernel_correlation(by_channel) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="layer must have 2 kernels or more, got 1"):
        kernel_correlation(DynamicKernelConv2d(2, 2, 1, kernels=1))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kernels": 0}, "kernels must be > 0, got 0"),
        ({"routing": "softmin"}, "routing must be one of 'sigmoid', 'softmax', got 'softmin'"),
        ({"granularity": "pixel"}, "granularity must be one of 'layer', 'out_channel'"),
        ({"strategy": "fast"}, "strategy must be one of 'auto', .*, got 'fast'"),
        ({"coefficient_groups": 2}, "coefficient_groups must be None with granularity 'layer'"),
        (
            {"granularity": "out_channel", "coefficient_groups": 4},
            "coefficient_groups must divide out_channels, got 4 for 6",
        ),
        ({"reduction": 0}, "reduction must be > 0, got 0"),
        ({"temperature": (30, 1)}, r"temperature must be None with routing 'sigmoid'"),
        ({"routing": "softmax", "temperature": (30, 0)}, "temperature must be > 0, got 0"),
    ],
)
def test_errors_of_the_layer(options, error):
    with pytest.raises(ValueError, match=error):
        DynamicKernelConv2d(4, 6, 3, **options)


def test_errors_of_a_call():
    layer, x = DynamicKernelConv2d(4, 6, 3, kernels=2), torch.ones(3, 4, 5, 5)
    with pytest.raises(
        ValueError, match=r"x must have shape \(batch, 4, height, width\) .*, got \(3, 5, 5, 5\)"
    ):
        layer(torch.ones(3, 5, 5, 5))
    with pytest.raises(TypeError, match=r"x must be a floating-point tensor, got torch.int64"):
        layer(x.long())
    with pytest.raises(ValueError, match=r"routing must have shape \(3, 2\), got \(3, 3\)"):
        layer(x, torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"routing must have coefficients in \[0, 1\]"):
        layer(x, torch.full((3, 2), 1.5))
    with pytest.raises(ValueError, match=r"routing must have coefficients in \[0, 1\]"):
        layer(x, torch.full((3, 2), torch.nan))
    with pytest.raises(ValueError, match="fraction must be in"):
        layer.set_progress(2)
    with pytest.raises(ValueError, match="routing must be 'softmax' to have a temperature"):
        layer.set_progress(1)
    layer.strategy = "one_kernel"
    with pytest.raises(ValueError, match=r"x must be a batch of 1 .*, got 3"):
        layer(x)
    layer = DynamicKernelConv2d(4, 6, 3, kernels=2, routing="softmax")
    with pytest.raises(ValueError, match=r"routing must sum to 1 .*, got sums from 0.8 to 0.8"):
        layer(x, torch.full((3, 2), 0.4))
    assert layer(x, torch.full((3, 2), 0.5)).shape == (3, 6, 3, 3)


def test_shows_what_defines_it():
    assert repr(DynamicKernelConv2d.dynet(4, 6, 3, padding=1, coefficient_groups=3)).startswith(
        "DynamicKernelConv2d(\n  4, 6, kernel_size=(3, 3), padding=1, kernels=6, "
        "routing=sigmoid, coefficient_groups=3"
    )
