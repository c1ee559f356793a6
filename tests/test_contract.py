"""What every public operation promises. A new operation is one entry here."""

import importlib
import inspect
import warnings
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from huashi import implementation, pooling
from huashi.entmax import entmax, entmax15, entmax_loss, sparsemax
from huashi.regularization import prox
from huashi.seq2seq import depthwise_conv1d
from huashi.seq2seq.operations.short_attention import short_attention

PUBLIC = (
    "huashi",
    "huashi.pooling",
    "huashi.regularization",
    "huashi.seq2seq",
    "huashi.entmax",
    "huashi.convolution",
    "huashi.seq2seq.search",
    "huashi.seq2seq.training",
)
DEPRECATED = ("huashi.seq2seq.entmax",)
NAMES = Path(__file__).parent / "public_names.txt"
IMAGE, LINE, CORNERS = (2, 3, 4, 6), (2, 3, 8), torch.tensor([[[0, 3], [8, 11]]])

OPERATIONS = {  # name: (function of tensors, shapes of its floating-point inputs)
    "entmax15": (entmax15, [(3, 5)]),
    "sparsemax": (sparsemax, [(3, 5)]),
    "entmax": (lambda x, a: entmax(x, 1 + a.sigmoid()), [(3, 5), (3, 1)]),
    "entmax_loss": (
        lambda x: entmax_loss(x, torch.tensor([1, 0, 4], device=x.device), 1.3),
        [(3, 5)],
    ),
    "max_pool": (lambda x: pooling.max_pool2d(x, 3, 2, 1), [IMAGE]),
    "min_pool": (lambda x: pooling.min_pool2d(x, 2), [IMAGE]),
    "avg_pool": (lambda x: pooling.avg_pool2d(x, 2), [IMAGE]),
    "lp_pool": (lambda x: pooling.lp_pool2d(x, 2, 2), [IMAGE]),
    "gem_pool": (lambda x, p: pooling.gem_pool2d(x, p.exp(), 2), [IMAGE, ()]),
    "stochastic_pool": (lambda x: pooling.stochastic_pool2d(x, 2), [IMAGE]),
    "soft_pool": (lambda x: pooling.soft_pool2d(x, 2), [IMAGE]),
    "log_sum_exp_pool": (lambda x, r: pooling.log_sum_exp_pool2d(x, r.exp(), 2), [IMAGE, ()]),
    "sort_pool": (lambda x, v: pooling.sort_pool2d(x, v, 2), [IMAGE, (3, 4)]),
    "quantile_pool": (lambda x: pooling.quantile_pool2d(x, 0.3, 2), [IMAGE]),
    "median_pool": (lambda x: pooling.median_pool2d(x, 2), [IMAGE]),
    "mixed_pool": (lambda x, a: pooling.mixed_pool2d(x, a, 2), [IMAGE, ()]),
    "gated_pool": (lambda x, w: pooling.gated_pool2d(x, w, 2), [IMAGE, (4,)]),
    "blur_pool": (lambda x: pooling.blur_pool2d(x, 3), [IMAGE]),
    "max_blur_pool": (lambda x: pooling.max_blur_pool2d(x, 2), [IMAGE]),
    "adaptive_max_pool": (lambda x: pooling.adaptive_max_pool2d(x, 3), [IMAGE]),
    "adaptive_min_pool": (lambda x: pooling.adaptive_min_pool2d(x, 3), [IMAGE]),
    "adaptive_avg_pool": (lambda x: pooling.adaptive_avg_pool2d(x, 3), [IMAGE]),
    "adaptive_lp_pool": (lambda x: pooling.adaptive_lp_pool2d(x, 2, 3), [IMAGE]),
    "adaptive_gem_pool": (lambda x: pooling.adaptive_gem_pool2d(x, 3, 3), [IMAGE]),
    "adaptive_soft_pool": (lambda x: pooling.adaptive_soft_pool2d(x, 3), [IMAGE]),
    "spatial_pyramid_pool": (lambda x: pooling.spatial_pyramid_pool2d(x, (1, 3)), [IMAGE]),
    "fractional_max_pool": (lambda x: pooling.fractional_max_pool2d(x, 2, 3), [IMAGE]),
    "s3_pool": (lambda x: pooling.s3_pool2d(x, 2), [IMAGE]),
    "global_max_pool": (pooling.global_max_pool, [IMAGE]),
    "global_min_pool": (pooling.global_min_pool, [IMAGE]),
    "global_avg_pool": (pooling.global_avg_pool, [IMAGE]),
    "global_lp_pool": (lambda x: pooling.global_lp_pool(x, 3), [IMAGE]),
    "global_gem_pool": (pooling.global_gem_pool, [IMAGE]),
    "global_log_sum_exp_pool": (lambda x: pooling.global_log_sum_exp_pool(x, 2.0), [IMAGE]),
    "global_soft_pool": (pooling.global_soft_pool, [IMAGE]),
    "global_attention_pool": (pooling.global_attention_pool, [IMAGE, (3,)]),
    "global_covariance_pool": (pooling.global_covariance_pool, [IMAGE]),
    "k_max_pool": (lambda x: pooling.k_max_pool1d(x, 3), [LINE]),
    "dynamic_k_max_pool": (lambda x: pooling.dynamic_k_max_pool1d(x, 1, 2, k_top=2)[0], [LINE]),
    "chunk_max_pool": (
        lambda x: pooling.chunk_max_pool1d(x, 3, lengths=torch.full(x.shape[:1], x.shape[-1])),
        [LINE],
    ),
    "max_unpool": (
        lambda x: pooling.max_unpool1d(x, CORNERS.to(x.device).expand(1, 2, 2), output_size=[12]),
        [(1, 2, 2)],
    ),
    "depthwise_conv1d": (
        lambda x, w: depthwise_conv1d(x.transpose(1, 2), w, dilation=2, left=1, right=2),
        [LINE, (3, 4)],
    ),
    "short_attention": (lambda x: short_attention(x, x.flip(2), x.sin()), [(2, 3, 4, 32)]),
    "metric_block_soft_threshold": (
        lambda v, h: prox.metric_block_soft_threshold(v, 0.7, h.exp()),
        [(4, 5), (4, 5)],
    ),
}
DECLARED = {  # torch.ops.huashi: an operation that runs it
    "entmax": "entmax15",
    "entmax_backward": "entmax15",
    "entmax_rows": "entmax",
    "entmax_rows_backward": "entmax",
    "entmax_loss": "entmax_loss",
    "entmax_loss_backward": "entmax_loss",
    "pool_extremum": "max_pool",
    "pool_extremum_offsets": "max_pool",
    "pool_pick_backward": "max_pool",
    "pool_draw": "stochastic_pool",
    "pool_average": "avg_pool",
    "pool_average_backward": "avg_pool",
    "pool_norm": "lp_pool",
    "pool_norm_backward": "lp_pool",
    "pool_formula": "gem_pool",
    "pool_formula_slope": "gem_pool",
    "pool_formula_backward": "gem_pool",
    "pool_order": "sort_pool",
    "pool_order_offsets": "sort_pool",
    "pool_order_backward": "sort_pool",
    "pool_order_slope": "sort_pool",
    "pool_k_largest": "k_max_pool",
    "pool_chunk_largest": "chunk_max_pool",
    "pool_taken": "k_max_pool",
    "pool_put_back": "k_max_pool",
    "depthwise": "depthwise_conv1d",
    "depthwise_backward": "depthwise_conv1d",
    "attention": "short_attention",
    "attention_backward": "short_attention",
    "metric_block_soft_threshold": "metric_block_soft_threshold",
}
PLAIN = {  # no kernel: plain PyTorch serves
    *("blur_pool", "fractional_max_pool"),
    *(f"adaptive_{kind}_pool" for kind in ("max", "min", "avg", "lp", "gem", "soft")),
    *("global_attention_pool", "global_covariance_pool"),
    *("global_avg_pool", "max_unpool"),
}
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def inputs(name, dtype, device="cpu"):
    return [
        torch.randn(shape, dtype=torch.float64).to(device, dtype) for shape in OPERATIONS[name][1]
    ]


def run(function, given):
    torch.manual_seed(0)  # for those that draw
    return function(*given)


class Operators(TorchDispatchMode):
    """Which operators of ``torch.ops.huashi`` run meanwhile."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "huashi":
            self.seen.add(func.name().removeprefix("huashi::"))
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=OPERATIONS)
def name(request):
    return request.param


@pytest.fixture(params=[name for name in OPERATIONS if name not in PLAIN])
def with_kernel(request):
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
def test_keeps_dtype_and_device(name, dtype, device):
    output = OPERATIONS[name][0](*inputs(name, dtype, device))
    assert (output.dtype, output.device.type) == (dtype, device)


@pytest.mark.parametrize("dtype", DTYPES)
def test_leaves_its_inputs_as_they_were(name, dtype, device):
    given = inputs(name, dtype, device)
    before = [x.clone() for x in given]
    leaves = [x.requires_grad_() for x in given]
    OPERATIONS[name][0](*leaves).sum().backward()
    for x, old in zip(leaves, before, strict=True):
        assert torch.equal(x.detach(), old)


def test_gives_the_same_twice(name, device):
    function, _ = OPERATIONS[name]
    given = inputs(name, torch.float32, device)
    assert torch.equal(run(function, given), run(function, given))


def test_kernel_and_reference_agree(with_kernel, device):
    function, _ = OPERATIONS[with_kernel]
    given = inputs(with_kernel, torch.float32, device)
    with implementation("reference"):
        want = run(function, given)
    with implementation("kernel"):  # an error where none serves
        assert_close(run(function, given), want)


def test_compiles_in_one_graph_for_every_size(name, device):
    function, (shape, *others) = OPERATIONS[name]
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    for more in (0,) if name == "max_unpool" else (0, 2, 3):
        sizes = [*shape[:2], *(size + more for size in shape[2:])]
        given = [torch.randn(size, device=device, requires_grad=True) for size in (sizes, *others)]
        y, z = run(compiled, given), run(function, given)
        assert_close(y, z)
        g = torch.randn_like(y)
        assert_close(torch.autograd.grad(y, given, g), torch.autograd.grad(z, given, g))


def test_strided_input_is_as_good_as_contiguous(name, device):
    function, _ = OPERATIONS[name]
    given = inputs(name, torch.float32, device)
    strided = [torch.stack([x, x], -1)[..., 0] for x in given]
    assert not strided[0].is_contiguous()
    with implementation("auto" if name in PLAIN else "kernel"):
        assert_close(run(function, strided), run(function, given))


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_keeps_channels_last(name, mode):
    function, shapes = OPERATIONS[name]
    first, *others = inputs(name, torch.float32)
    if shapes[0] != IMAGE:
        pytest.skip("has no channels to be last")
    with implementation(mode):
        y = function(first.to(memory_format=torch.channels_last), *others)
    assert y.ndim != 4 or y.is_contiguous(memory_format=torch.channels_last)


def test_every_operator_is_under_contract():
    """What the package declares to torch.library, by reading its sources."""
    source = Path(importlib.import_module("huashi").__file__).parent
    declared = set()
    for path in source.rglob("operators.py"):
        for piece in path.read_text(encoding="utf-8").split("declare(")[1:]:
            declared.add(piece.strip().strip('"').split("(")[0])
    assert declared == DECLARED.keys()


def test_operators_run_in_the_operations_that_have_them(name):
    function, _ = OPERATIONS[name]
    given = [x.requires_grad_() for x in inputs(name, torch.float32)]
    with Operators() as operators:
        function(*given).sum().backward()
        with torch.no_grad():
            function(*given)
    assert operators.seen >= {operator for operator, user in DECLARED.items() if user == name}
    assert bool(operators.seen) == (name not in PLAIN)


def public_names():
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        for module in (*PUBLIC, *DEPRECATED):
            yield from (f"{module}.{name}" for name in importlib.import_module(module).__all__)


def test_public_names_are_as_written_down():
    """A name that comes or goes is a change for users: note it here and in the changelog."""
    assert sorted(public_names()) == NAMES.read_text().split()


@pytest.mark.parametrize("public_name", sorted(public_names()))
def test_every_public_name_is_documented(public_name):
    module, _, name = public_name.rpartition(".")
    thing = getattr(importlib.import_module(module), name)
    doc = inspect.getdoc(thing) or ""
    assert doc, f"{public_name} has no docstring"
    assert not doc.startswith(f"{name}("), f"{public_name} has only its generated signature"
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        missing = [
            p for p in signature.parameters if f"{p}:" not in doc and "Takes what" not in doc
        ]
        assert not missing, f"{public_name} does not say what {missing} are"
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty
