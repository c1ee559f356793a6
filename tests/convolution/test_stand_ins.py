"""What all modules promise that can stand where ``nn.Conv1d/2d/3d`` stood.

A family joins by a line of :data:`FAMILIES`.
"""

import copy
import inspect
import io
import pickle
from itertools import product
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi import convolution

PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
LENGTHS = (8, 7, 9)  # of an input, as many as it has dimensions
OTHERS = (11, 12, 9)  # to run what was traced or exported


def as_it_is(kernel):
    return kernel


def mixed(kernel):
    return (1, kernel)


def between_elements(layer):
    """Taps that begin at the elements themselves, where there is no one slope."""
    with torch.no_grad():
        layer.offset.bias += 0.3
    return layer


class Family(NamedTuple):
    """Modules that differ in their dimensions."""

    name: str
    dims: tuple[int, ...] = (1, 2, 3)
    options: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    """Of the constructor, beside torch's."""
    kernel: Any = as_it_is
    """What it is given for the kernel size of a plain convolution of the same shape."""
    modes: tuple[str, ...] = ("zeros", "reflect", "replicate", "circular")
    """Of padding."""
    grouped: bool = True
    """Whether groups may be more than one."""
    settle: Any = as_it_is
    """Called with the layer where its gradients are compared with slopes, which it must have."""


FAMILIES = [
    Family("DepthwiseSeparableConv"),
    Family("DepthwiseSeparableConv", options={"groups": 2, "multiplier": 2}),
    Family("SpatiallySeparableConv", dims=(2, 3)),
    Family("FlattenedConv"),
    Family("ShuffledConv", options={"groups": 2}),
    Family("PointwiseGroupedConv", options={"groups": 2}),
    Family("MixedConv", kernel=mixed),
    Family("MixedConv", options={"groups": 4}, kernel=mixed),
    Family("GLUConv", dims=(1,)),
    Family("DeformableConv", modes=("zeros",), settle=between_elements),
    Family("DynamicKernelConv", options={"routing": "softmax", "kernels": 3}),
    Family("GroupChannelwiseConv", options={"groups": 2}),
    Family("DepthwiseSeparableChannelwiseConv", grouped=False),
]
IN, OUT = 4, 8


class StandIn(NamedTuple):
    """One module in one number of dimensions."""

    made: Any
    dims: int
    family: Family

    def __call__(self, kernel=3, channels=(IN, OUT), **options):
        return self.made(*channels, self.family.kernel(kernel), **self.family.options | options)

    def input(self, lengths=LENGTHS, **options):
        return torch.randn(2, IN, *lengths[: self.dims], **options)


def name_of(one):
    options = "-".join(f"{name}={value}" for name, value in one.family.options.items())
    return "-".join(filter(None, [one.made.__name__, options]))


STAND_INS = [
    StandIn(getattr(convolution, f"{family.name}{dims}d"), dims, family)
    for family in FAMILIES
    for dims in family.dims
]
stand_ins = pytest.mark.parametrize("one", STAND_INS, ids=name_of)
once = pytest.mark.parametrize(
    "one", {one.made: one for one in reversed(STAND_INS)}.values(), ids=name_of
)
pytestmark = pytest.mark.usefixtures("one_thread")


@once
def test_the_first_arguments_are_torchs(one):
    ours = list(inspect.signature(one.made).parameters.values())
    torchs = list(inspect.signature(PLAIN[one.dims]).parameters.values())
    for mine, other in zip(ours, torchs, strict=False):
        assert mine.name == other.name
        if mine.name != "kernel_size":
            assert mine.default == other.default
    assert all(mine.kind is mine.KEYWORD_ONLY for mine in ours[len(torchs) :])


@stand_ins
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_shape_is_torchs(one, kernel):
    for stride, padding, dilation in product((1, 2), (0, 1, 2), (1, 2)):
        geometry = {"stride": stride, "padding": padding, "dilation": dilation}
        plain, layer = PLAIN[one.dims](IN, OUT, kernel, **geometry), one(kernel, **geometry)
        for lengths in (LENGTHS, (5, 6, 7)):
            x = one.input(lengths)
            assert layer(x).shape == plain(x).shape, geometry


@pytest.mark.parametrize(
    ("one", "mode"),
    [
        pytest.param(one, mode, id=f"{name_of(one)}-{mode}")
        for one in STAND_INS
        for mode in one.family.modes
    ],
)
def test_same_padding_gives_the_lengths_over_the_stride(one, mode):
    for padding in ("same", "same_lower"):
        y = one(stride=2, padding=padding, padding_mode=mode)(one.input())
        assert y.shape == (2, OUT, *(4, 4, 5)[: one.dims])


@stand_ins
def test_numbers_for_each_axis_are_taken_in_their_order(one):
    kernel, stride = (1, 3, 5)[: one.dims], (1, 2, 3)[: one.dims]
    padding, dilation = (0, 1, 2)[: one.dims], (2, 1, 1)[: one.dims]
    plain = PLAIN[one.dims](IN, OUT, kernel, stride, padding, dilation)
    x = one.input()
    assert one(kernel, stride=stride, padding=padding, dilation=dilation)(x).shape == plain(x).shape


@pytest.mark.parametrize(
    ("one", "mode"),
    [
        pytest.param(one, mode, id=f"{name_of(one)}-{mode}")
        for one in STAND_INS
        for mode in one.family.modes
        if one.dims > 1
    ],
)
@pytest.mark.parametrize("padding", [1, "same_lower"])
def test_channels_stay_last(one, mode, padding):
    layer = one(stride=2, padding=padding, padding_mode=mode)
    x = one.input()
    last = x.contiguous(memory_format=LAST[one.dims]).requires_grad_()
    y = layer(last)
    assert y.is_contiguous(memory_format=LAST[one.dims])
    assert_close(y, layer(x))
    assert layer(x).is_contiguous()
    with torch.no_grad():
        assert layer(last).is_contiguous(memory_format=LAST[one.dims])


@stand_ins
def test_an_input_may_be_strided(one):
    layer, x = one(padding=1), one.input()
    strided = torch.stack([x, x], -1)[..., 0]
    assert not strided.is_contiguous()
    assert_close(layer(strided), layer(x))


@stand_ins
def test_one_input_needs_no_batch(one):
    layer, x = one(), one.input()
    assert_close(layer(x[0]), layer(x)[0])
    assert layer(x[0]).ndim == one.dims + 1


@stand_ins
def test_an_empty_batch_is_taken(one):
    layer = one()
    y = layer(one.input()[:0].requires_grad_())
    assert y.shape == (0, *layer(one.input()).shape[1:])
    y.sum().backward()
    assert all(not weight.grad.any() for weight in layer.parameters())


@stand_ins
def test_dtype_and_device_are_taken_and_changed(one):
    layer = one(dtype=torch.float64)
    assert {weight.dtype for weight in layer.parameters()} == {torch.float64}
    assert layer(one.input(dtype=torch.float64)).dtype == torch.float64
    shape = layer(one.input(dtype=torch.float64)).shape
    for far in (one(device="meta"), one().to("meta")):
        assert {weight.device.type for weight in far.parameters()} == {"meta"}
        y = far(one.input(device="meta"))
        assert (y.device.type, y.shape) == ("meta", shape)


@stand_ins
def test_without_a_bias_nothing_gives_nothing(one):
    assert not one(bias=False, padding=1)(torch.zeros_like(one.input())).any()
    assert len(list(one(bias=False).parameters())) < len(list(one().parameters()))


@stand_ins
def test_a_state_is_saved_and_loaded(one):
    layer, other, x = one(), one(), one.input()
    assert not torch.equal(layer(x), other(x))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    assert torch.equal(layer(x), other(x))


@stand_ins
def test_a_layer_can_be_copied(one):
    layer, x = one(), one.input()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        assert torch.equal(layer(x), other(x))
        assert repr(other) == repr(layer)


@stand_ins
def test_gradients(one):
    layer = one.family.settle(one(stride=2, padding=1)).double()
    names, weights = zip(*layer.named_parameters(), strict=True)

    def call(x, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    x = one.input((4, 3, 3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (x, *weights), fast_mode=True)


SOME = {one.family.name: one for one in reversed(STAND_INS)}.values()
dear = pytest.mark.parametrize(  # takes seconds: the first line of a family, in least dimensions
    "one",
    [pytest.param(one, marks=() if one in SOME else pytest.mark.slow) for one in STAND_INS],
    ids=name_of,
)


@once
def test_second_derivatives(one):
    layer = one(padding=1).double()
    x = one.input((3, 3, 3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, (x,), fast_mode=True)


@once
def test_gradients_of_each_sample(one):
    """By ``torch.func``: of the parameters, one for each sample."""
    layer, x = one(kernel=5, padding=2), one.input()
    weights = dict(layer.named_parameters())

    def loss(weights, sample):
        return torch.func.functional_call(layer, weights, (sample,)).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    total = torch.autograd.grad(layer(x).square().sum(), list(weights.values()))
    for name, whole in zip(weights, total, strict=True):
        assert_close(each[name].sum(0), whole, rtol=1e-4, atol=1e-4)


@dear
def test_compiles_in_one_graph(one):
    torch._dynamo.reset()
    layer = one(stride=2, padding="same")
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for lengths in (LENGTHS, OTHERS):
        x = one.input(lengths).requires_grad_()
        leaves = [x, *layer.parameters()]
        y, want = compiled(x), layer(x)
        assert_close(y, want)
        g = torch.randn_like(want)
        assert_close(torch.autograd.grad(y, leaves, g), torch.autograd.grad(want, leaves, g))


def dynamic(one):
    return dict.fromkeys(range(2, 2 + one.dims), torch.export.Dim.DYNAMIC)


@stand_ins
@pytest.mark.parametrize("padding", [1, "same"])
def test_exports_for_inputs_of_every_size(one, padding):
    layer = one(stride=2, padding=padding).eval()
    program = torch.export.export(layer, (one.input(),), dynamic_shapes=(dynamic(one),))
    x = one.input(OTHERS)
    assert_close(program.module()(x), layer(x))


@dear
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
def test_onnxruntime_computes_the_same_at_another_size(one):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    layer, file = one(stride=2, padding="same").eval(), io.BytesIO()
    options = {"dynamo": True, "verbose": False, "dynamic_shapes": (dynamic(one),)}
    torch.onnx.export(layer, (one.input(),), **options).save(file)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    x = one.input(OTHERS)
    [entry] = session.get_inputs()
    [y] = session.run(None, {entry.name: x.numpy()})
    assert_close(torch.from_numpy(y), layer(x).detach())


@stand_ins
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_trace_takes_other_sizes(one):
    layer = one(stride=2, padding="same").eval()
    traced = torch.jit.trace(layer, one.input())
    x = one.input(OTHERS)
    assert_close(traced(x), layer(x))


@stand_ins
def test_autocast_computes_in_bfloat16(one):
    layer, x = one(), one.input()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)


@stand_ins
def test_the_repr_has_what_defines_the_layer(one):
    geometry = {"stride": 2, "padding": 1, "dilation": 3}
    if len(one.family.modes) > 1:
        geometry["padding_mode"] = "circular"
    shown = repr(one(**geometry)).splitlines()[1].strip()
    for name, value in {**geometry, **one.family.options}.items():
        wanted = value if name not in ("stride", "dilation") else (value,) * one.dims
        assert f"{name}={wanted}" in shown
    assert shown.startswith(f"{IN}, {OUT}, kernel_size={(3,) * one.dims}")
    plain = repr(one()).splitlines()[1]
    assert not any(f"{name}=" in plain for name in geometry)


@once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (4, 9), "groups": 4}, "groups must divide out_channels, got 4 for 9"),
        ({"channels": (6, 8), "groups": 4}, "groups must divide in_channels, got 4 for 6"),
        ({"channels": (0, 8), "groups": 1}, "in_channels must be > 0, got 0"),
        ({"stride": 0}, "stride must be >= 1, got 0"),
        ({"dilation": 0}, "dilation must be >= 1, got 0"),
        ({"padding": -1}, "padding must be >= 0, got -1"),
        ({"padding": "sane"}, "padding must be one of .*; did you mean 'same'"),
        ({"padding_mode": "zero"}, "padding_mode must be one of .*; did you mean 'zeros'"),
    ],
)
def test_arguments_out_of_range_are_named(one, options, message):
    if options.get("groups", 1) > 1 and not one.family.grouped:
        options, message = options | {"groups": 4}, "groups must be 1, got 4"
    with pytest.raises(ValueError, match=message):
        one(**options)


@once
def test_an_input_that_does_not_fit_is_named(one):
    layer, x = one(kernel=5), one.input()
    with pytest.raises(ValueError, match=r"kernel_size must fit into the padded input, got a win"):
        layer(x[..., :4])
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 4, .*, got \(2, 3, "):
        layer(x[:, :3])
    with pytest.raises(ValueError, match="x must have shape"):
        layer(x[None])
    with pytest.raises(ValueError, match="kernel_size must fit"):
        one(padding="same")(x[..., :0])
