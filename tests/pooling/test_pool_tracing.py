"""Pools where something else reads their code: compiled, exported, transformed, under autocast."""

import io
from functools import partial

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.autograd import forward_ad, grad
from torch.testing import assert_close

from huashi import pooling
from huashi._windows import axes_of
from huashi.pooling import operators

IMAGE, LINE = (2, 3, 6, 8), (2, 3, 9)
KINDS = {  # name: (function of tensors, shape of the first of them, and a number for the second)
    "max": (lambda x: pooling.max_pool2d(x, 3, 2, 1), IMAGE),
    "max and indices": (lambda x: pooling.max_pool2d(x, 2, return_indices=True)[0], IMAGE),
    "min": (lambda x: pooling.min_pool2d(x, 2, dilation=2), IMAGE),
    "average": (lambda x: pooling.avg_pool2d(x, 3, 2, 1, ceil_mode=True), IMAGE),
    "lp 2": (lambda x: pooling.lp_pool2d(x, 2, 2), IMAGE),
    "lp 3": (lambda x: pooling.lp_pool2d(x, 3, 3, 2, padding=1), IMAGE),
    "gem": (lambda x, p: pooling.gem_pool2d(x, 2, p=p, eps=0.1), IMAGE, 3.0),
    "log-sum-exp": (lambda x, r: pooling.log_sum_exp_pool2d(x, 2, r=r), IMAGE, 2.0),
    "soft": (lambda x: pooling.soft_pool2d(x, 2), IMAGE),
    "expected": (lambda x: pooling.stochastic_pool2d(x, 2, training=False), IMAGE),
    "sort": (lambda x: pooling.sort_pool2d(x, 2, scores=torch.arange(3.0)), IMAGE),
    "median": (lambda x: pooling.median_pool2d(x, 3, 2, 1), IMAGE),
    "masked gem": (
        lambda x, p: pooling.gem_pool2d(x, 2, p=p, eps=0.1, mask=x.detach() > -1),
        IMAGE,
        3.0,
    ),
    "masked median": (lambda x: pooling.median_pool2d(x, 3, 2, 1, mask=x.detach() > -1), IMAGE),
    "masked": (lambda x: pooling.max_pool1d(x, 3, lengths=torch.tensor([9, 7])), LINE),
    "global": (pooling.global_avg_pool, IMAGE),
    "k-max": (lambda x: pooling.k_max_pool1d(x, 3), LINE),
    "chunk-max": (lambda x: pooling.chunk_max_pool1d(x, 4), LINE),
}
OPERATORS = {
    name.split("::")[1].split(".")[0]
    for name in torch._C._dispatch_get_all_op_names()
    if name.startswith("huashi::")
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def of(kind):
    """The function, and leaves to call it with."""
    function, shape, *number = KINDS[kind]
    x = torch.randn(shape, requires_grad=True)
    return function, [x, *(torch.tensor(value, requires_grad=True) for value in number)]


def values_and_slopes(function, leaves):
    y = function(*leaves)
    return y, grad(y.square().sum(), leaves)


@every_kind
def test_compiles_in_one_graph_with_its_gradient(kind):
    function, leaves = of(kind)
    backend = "inductor" if kind in ("max", "gem") else "aot_eager"  # which takes seconds
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    assert_close(values_and_slopes(compiled, leaves), values_and_slopes(function, leaves))


def test_a_draw_compiles():
    x = torch.rand(1, 2, 4, 4, requires_grad=True)
    compiled = torch.compile(pooling.stochastic_pool2d, fullgraph=True, backend="aot_eager")
    runs = []
    for function in (compiled, pooling.stochastic_pool2d):
        torch.manual_seed(2)
        runs.append(values_and_slopes(partial(function, kernel_size=2), [x]))
    assert_close(*runs)


@every_kind
def test_compiles_once_for_all_sizes(kind):
    function, shape, *number = KINDS[kind]
    counter = CompileCounter()
    compiled = torch.compile(function, fullgraph=True, backend=counter, dynamic=True)
    for more in (0, 2, 5):
        sizes = [*shape[:2], *(n + more for n in shape[2:])]
        given = [torch.randn(sizes), *map(torch.tensor, number)]
        assert_close(compiled(*given), function(*given))
    assert counter.frame_count == 1


@every_kind
def test_an_exported_program_needs_no_huashi(kind):
    function, leaves = of(kind)
    leaves = [x.detach() for x in leaves]

    class Pool(nn.Module):
        def forward(self, *leaves):
            return function(*leaves)

    program = torch.export.export(Pool(), tuple(leaves))
    assert "huashi" not in str(program.graph)
    assert_close(program.module()(*leaves), function(*leaves))


@pytest.mark.parametrize(
    "pool",
    [
        *(
            pooling.MaxPool2d(3, 2),
            pooling.AvgPool2d(2),
            pooling.GeMPool2d(2),
            pooling.SoftPool2d(2),
        ),
        *(pooling.MedianPool2d(2), pooling.MaxBlurPool2d(2), pooling.AdaptiveGeMPool2d(2)),
        *(pooling.GlobalGeMPool(), pooling.SpatialPyramidPool2d((1, 2)), pooling.KMaxPool1d(2)),
    ],
    ids=lambda pool: type(pool).__name__,
)
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore:Constant folding"
)
def test_a_traced_module_needs_no_huashi(pool):
    """Nor do the files of torch's older exporter to ONNX, which traces."""
    x = torch.rand(LINE) if isinstance(pool, pooling.KMaxPool1d) else torch.rand(2, 3, 8, 8)
    traced = torch.jit.trace(pool, x)
    assert "huashi" not in "".join(node.kind() for node in traced.inlined_graph.nodes())
    assert_close(traced(x.flip(0)), pool(x.flip(0)))
    torch.onnx.export(pool, (x,), io.BytesIO(), dynamo=False)


@pytest.mark.parametrize(
    "pool",
    [
        *(pooling.AdaptiveAvgPool2d(2), pooling.AdaptiveMaxPool2d((3, 5))),
        *(pooling.AdaptiveMinPool2d(2), pooling.SpatialPyramidPool2d((1, 2, 3))),
        *(pooling.AdaptiveGeMPool2d(1), pooling.AdaptiveSoftPool2d(1)),
        *(pooling.GlobalAvgPool(), pooling.GlobalMaxPool(), pooling.GlobalMinPool()),
        *(pooling.GlobalGeMPool(), pooling.GlobalLogSumExpPool(), pooling.GlobalSoftPool()),
        *(pooling.GlobalLPPool(3.0), pooling.GeMPool2d(2), pooling.MaxPool2d(3, 1, 1)),
        *(pooling.AvgPool2d(2, ceil_mode=True), pooling.MedianPool2d(2), pooling.SoftPool2d(3, 2)),
        *(
            pooling.LPPool2d(2, (8, 3)),
            pooling.MaxBlurPool2d(2),
            pooling.StochasticPool2d(2).eval(),
        ),
    ],
    ids=lambda pool: type(pool).__name__,
)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_of_a_pool_of_any_length_takes_other_lengths(pool):
    traced = torch.jit.trace(pool, torch.rand(2, 3, 8, 8))
    x = torch.rand(1, 3, 9, 13)
    assert_close(traced(x), pool(x))


@pytest.mark.parametrize(
    "pool",
    [
        pooling.AdaptiveGeMPool2d(2),
        pooling.AdaptiveSoftPool2d((1, 3)),
        pooling.AdaptiveLPPool2d(2, 3),
    ],
    ids=lambda pool: type(pool).__name__,
)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_that_is_for_its_lengths_alone_says_so(pool):
    traced = torch.jit.trace(pool, torch.rand(2, 3, 8, 8))
    assert_close(traced(ones := torch.ones(1, 3, 8, 8)), pool(ones))  # of another batch
    with pytest.raises(RuntimeError, match=r"expanded size of the tensor \(8\) must match"):
        traced(torch.rand(2, 3, 16, 12))


@every_kind
def test_vmap_is_a_loop(kind):
    function, leaves = of(kind)
    x, *numbers = (t.detach() for t in leaves)
    if kind == "masked":
        function = partial(pooling.max_pool1d, kernel_size=3, lengths=torch.tensor([9, 7]))
    stacked = torch.stack([x, 2 * x, -x])
    mapped = torch.vmap(function, in_dims=(0, *[None] * len(numbers)))(stacked, *numbers)
    assert_close(mapped, torch.stack([function(each, *numbers) for each in stacked]))


@every_kind
def test_forward_and_reverse_derivatives_agree(kind):
    function, leaves = of(kind)
    tangents = [torch.randn_like(t) for t in leaves]
    y, slopes = values_and_slopes(function, leaves)
    plain = tuple(t.detach() for t in leaves)
    z, slope = torch.func.jvp(function, plain, tuple(tangents))
    assert_close(z, y)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(*pair) for pair in zip(plain, tangents, strict=True)]
        assert_close(forward_ad.unpack_dual(function(*duals)).tangent, slope)
    change = sum((g * t).sum() for g, t in zip(slopes, tangents, strict=True))
    assert_close((2 * y * slope).sum(), change, rtol=1e-4, atol=1e-4)
    assert_close(
        torch.func.grad(lambda x: function(x, *plain[1:]).square().sum())(plain[0]), slopes[0]
    )


def test_operators_are_registered_as_they_are():
    x, axes = torch.randn(2, 3, 5, 4), axes_of((5, 4), 2, 2, 1, 1, True)
    flat = operators.flat(axes)
    last = x.contiguous(memory_format=torch.channels_last)
    ops = torch.ops.huashi
    y, offsets = ops.pool_extremum_offsets(x, flat, 1)
    p, point = torch.tensor(3.0), torch.rand_like(y)
    v, mask = torch.randn(3, 2), torch.rand(2, 1, 5, 4) < 0.7
    ranked, ranked_last = (ops.pool_order_offsets(t, flat, "sorted_mean", v)[1] for t in (x, last))
    calls = {
        "pool_extremum": [(x, flat, 1), (last, flat, -1), (x.to(torch.uint8), flat, 1)],
        "pool_extremum_offsets": [(x, flat, 1), (last, flat, -1), (last.bfloat16(), flat, 1)],
        "pool_pick_backward": [(y, offsets, flat), (y, offsets.contiguous(memory_format=torch.channels_last), flat)],
        "pool_draw": [(x, flat, "relu", point), (last, flat, "softmax", point)],
        "pool_average": [(x, flat, True, None), (last.bfloat16(), flat, False, 3)],
        "pool_average_backward": [(y, flat, True, None), (y, flat, False, 3)],
        "pool_norm": [(x, flat, 1, False), (last, flat, 2, True), (last, flat, 2, True, mask)],
        "pool_norm_backward": [(y, x, y, flat, 2, False), (y, last, y, flat, 1, True), (y, last, y, flat, 2, True, mask)],
        "pool_formula": [(x, flat, "power", p, 0.1), (last.bfloat16(), flat, "soft", p, 0.0, mask)],
        "pool_formula_slope": [(x, flat, "power", p, 0.1, mask), (x.double(), flat, "log_sum_exp", p, 0.0)],
        "pool_formula_backward": [(y, x, flat, "lp", p, 0.0), (y, last, flat, "soft", p, 0.0, mask)],
        "pool_order": [(x, flat, "sorted_mean", v), (last.bfloat16(), flat, "quantile", p / 4, mask)],
        "pool_order_offsets": [(x, flat, "sorted_mean", v), (last, flat, "quantile", p / 4, mask), (x[0], flat, "sorted_mean", v)],
        "pool_order_backward": [(y, ranked, flat, "sorted_mean", v), (y, ranked_last, flat, "sorted_mean", v, mask)],
        "pool_order_slope": [(y, x, ranked, flat, "sorted_mean", v), (y, last, ranked_last, flat, "sorted_mean", v, mask)],
        "pool_k_largest": [(x, 3), (x.to(torch.uint8), 1)],
        "pool_chunk_largest": [(x[0], torch.tensor([[0, 2]]), torch.tensor([[3, 4]]))],
        "pool_taken": [(x, torch.zeros(2, 3, 5, 1).long()), (x.clone().requires_grad_(), torch.zeros(2, 3, 5, 6).long())],
        "pool_put_back": [(y, torch.zeros(y.shape).long(), 5)],
    }  # fmt: skip
    assert calls.keys() == {name for name in OPERATORS if name.startswith("pool_")}
    for name, arguments in calls.items():
        for each in arguments:
            torch.library.opcheck(getattr(ops, name).default, each)


@every_kind
def test_autocast_keeps_what_it_is_given(kind):
    function, leaves = of(kind)
    convolution = nn.Conv2d(3, 3, 1) if leaves[0].ndim == 4 else nn.Conv1d(3, 3, 1)
    with torch.autocast("cpu", torch.bfloat16):
        x = convolution(leaves[0])
        y = function(x, *leaves[1:])
        assert_close(y, function(x.detach(), *leaves[1:]), rtol=0, atol=0)
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert convolution.weight.grad.any()


EXPORTED = {
    "max": lambda x: pooling.max_pool2d(x, 3, 2, [(1, 0), (0, 2)], 2),
    "average": lambda x: pooling.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "average over another divisor": lambda x: pooling.avg_pool2d(x, 2, divisor_override=3),
    "average without padding": lambda x: pooling.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "lp 2": lambda x: pooling.lp_pool2d(x, 2, 2),
    "lp 3": lambda x: pooling.lp_pool2d(x, 3, 2),
    "gem": lambda x: pooling.gem_pool2d(x, 2, p=3),
    "soft": lambda x: pooling.soft_pool2d(x, 2),
    "k-max": lambda x: pooling.k_max_pool1d(x.flatten(2), 3),
    "adaptive average": lambda x: pooling.adaptive_avg_pool2d(x, (4, 3)),
    "adaptive max": lambda x: pooling.adaptive_max_pool2d(x, (4, 3)),
    "global gem": pooling.global_gem_pool,
    "global max": pooling.global_max_pool,
}


def run_onnx(functions, x):
    """What onnxruntime makes of functions, exported together with another input."""
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")

    class Pools(nn.Module):
        def forward(self, x):
            return [function(x) for function in functions]

    file = io.BytesIO()
    torch.onnx.export(Pools().eval(), (torch.zeros_like(x),), dynamo=True, verbose=False).save(file)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    (name,) = [entry.name for entry in session.get_inputs()]
    return [torch.from_numpy(y) for y in session.run(None, {name: x.numpy()})]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
def test_onnxruntime_computes_the_same():
    x = torch.randn(IMAGE)
    for got, (kind, function) in zip(run_onnx(EXPORTED.values(), x), EXPORTED.items(), strict=True):
        assert_close(got, function(x), msg=lambda text, kind=kind: f"{kind}: {text}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
def test_onnxruntime_pads_to_the_same_size_whatever_the_size():
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    pool, file = pooling.AvgPool2d(3, 2, "same").eval(), io.BytesIO()
    lengths = dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    options = {"dynamo": True, "verbose": False, "dynamic_shapes": (lengths,)}
    torch.onnx.export(pool, (torch.zeros(2, 3, 9, 8),), **options).save(file)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    [entry] = session.get_inputs()
    x = torch.randn(2, 3, 12, 11)
    [y] = session.run(None, {entry.name: x.numpy()})
    assert_close(torch.from_numpy(y), pool(x))
