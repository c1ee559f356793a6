"""Torch computes where its own pool means the same and takes less time, and nowhere else."""

import pytest
import torch
from torch.autograd import grad
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import huashi
from huashi import implementation, pooling
from huashi.pooling import torch_pools

NAN, INF = float("nan"), float("inf")
SMALL = (2, 3, 8, 6)


class Seen(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.name())
        return func(*args, **(kwargs or {}))


def is_by_torch(call):
    with Seen() as seen:
        call()
    return not any(name.startswith("huashi::") for name in seen.names)


POOLS = {
    "max": lambda x: pooling.max_pool2d(x, 2),
    "max, padded": lambda x: pooling.max_pool2d(x, (3, 2), 2, (1, 1)),
    "max, ceil": lambda x: pooling.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "average": lambda x: pooling.avg_pool2d(x, 2),
    "average, real": lambda x: pooling.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "average, counted": lambda x: pooling.avg_pool2d(x, 3, 1, 1),
    "adaptive max": lambda x: pooling.adaptive_max_pool2d(x, (4, 3)),
    "adaptive average": lambda x: pooling.adaptive_avg_pool2d(x, 2),
    "adaptive, whole": lambda x: pooling.adaptive_avg_pool2d(x, 1),
    "global average": pooling.global_avg_pool,
    "module": pooling.MaxPool2d(2),
    "module, average": pooling.AvgPool2d(3, 2, 1),
    "module, adaptive": pooling.AdaptiveAvgPool2d((4, None)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", POOLS)
def test_small_inputs_are_for_torch_and_mean_the_same(name, last, dtype):
    x = torch.randn(SMALL).mul(4).round().div(4).to(dtype)  # with equals
    x[0, 0, 0, 0], x[0, 1, 2, 3], x[1, 1, 1, 1] = INF, NAN, -0.0
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    assert is_by_torch(lambda: POOLS[name](x))
    found = POOLS[name](x)
    with implementation("reference"):
        want = POOLS[name](x)
    assert found.dtype == want.dtype
    assert found.is_contiguous(memory_format=torch.channels_last) >= (last and found.ndim == 4)
    assert_close(found, want, equal_nan=True)
    if (
        "average" not in name and "whole" not in name
    ):  # infinity and NaN have no certain gradient there
        g = torch.randn_like(found)
        assert_close(grad(found, x, g), grad(want, x, g))


@pytest.mark.parametrize("learns", [False, True])
def test_lines_and_volumes_of_few_elements_are_for_torch_too(learns):
    line, volume = torch.randn(2, 3, 40), torch.randn(2, 3, 4, 6, 4)
    for pool, theirs, x in (
        (pooling.max_pool1d, F.max_pool1d, line),
        (pooling.avg_pool1d, F.avg_pool1d, line),
        (pooling.max_pool3d, F.max_pool3d, volume),
        (pooling.avg_pool3d, F.avg_pool3d, volume),
    ):
        x = x.clone().requires_grad_(learns)
        assert is_by_torch(lambda pool=pool, x=x: pool(x, 2, 2, 1))
        assert torch.equal(pool(x, 2, 2, 1), theirs(x, 2, 2, 1))


@pytest.mark.parametrize("last", [False, True])
def test_indices_are_those_of_the_kernel(last):
    """The first of equals, the last NaN, the first of nothing but -inf."""
    x = torch.randint(-2, 3, SMALL).float()
    x[0, 0, :2, :2], x[1, 2, 4, 4:6] = -INF, NAN
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    windows = {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}
    assert is_by_torch(lambda: pooling.max_pool2d(x, **windows))
    found = pooling.max_pool2d(x, **windows)
    with implementation("kernel"):
        want = pooling.max_pool2d(x, **windows)
    assert torch.equal(found[1], want[1])
    assert_close(found[0], want[0], equal_nan=True)


NOT_FOR_TORCH = {
    "padding of more than half": lambda x: pooling.max_pool2d(x, 2, 2, 2),
    "one side": lambda x: pooling.max_pool2d(x, 2, 2, [(1, 0), (1, 0)]),
    "dilation": lambda x: pooling.max_pool2d(x, 2, 1, 0, 2),
    "offsets": lambda x: pooling.max_pool2d(x, 2, return_indices="compact"),
    "mask": lambda x: pooling.max_pool2d(x, 2, mask=torch.ones(8, 6, dtype=torch.bool)),
    "average over a number": lambda x: pooling.avg_pool2d(x, 2, divisor_override=3),
    "average, ceil": lambda x: pooling.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "float16": lambda x: pooling.max_pool2d(x.half(), 2),
    "integers": lambda x: pooling.max_pool2d(x.int(), 2),
    "neither layout": lambda x: pooling.max_pool2d(x.transpose(2, 3), 2),
    "minimum": lambda x: pooling.min_pool2d(x, 2),
    "large": lambda x: pooling.max_pool2d(x.repeat(64, 16, 4, 4), 3, 1, 1),
    "many sums in half precision": lambda x: pooling.avg_pool2d(
        x.bfloat16().requires_grad_(), 5, 1, 2
    ),
    "asked for": lambda x: by_kernel(pooling.max_pool2d, x, 2),
}


def by_kernel(pool, *arguments):
    with implementation("kernel"):
        return pool(*arguments)


@pytest.mark.parametrize("name", NOT_FOR_TORCH)
def test_what_torch_has_not_or_is_slower_at_is_for_the_kernel(name):
    assert not is_by_torch(lambda: NOT_FOR_TORCH[name](torch.randn(SMALL)))


def test_wrong_arguments_are_told_as_ever():
    x = torch.randn(SMALL)
    with pytest.raises(ValueError, match="kernel_size must be >= 1, got 0"):
        pooling.max_pool2d(x, 0)
    with pytest.raises(ValueError, match="kernel_size must fit into the padded input"):
        pooling.max_pool2d(x, 9)
    with pytest.raises(TypeError, match="kernel_size must be made of ints"):
        pooling.avg_pool2d(x, 2.5)
    with pytest.raises(TypeError, match="kernel_sise"):
        pooling.max_pool2d(x, kernel_sise=2)
    with pytest.raises(ValueError, match="x must have shape"):
        pooling.max_pool2d(x[0, 0], 2)
    with pytest.raises(ValueError, match="no dimension of size 0"):
        pooling.avg_pool2d(x[:, :0], 2)
    with pytest.raises(ValueError, match="output_size must be >= 1"):
        pooling.adaptive_avg_pool2d(x, 0)


@pytest.mark.parametrize("two", [2.0, True, (2.0, 2), (2, True)])
def test_what_equals_a_known_setting_is_not_taken_for_it(two):
    x = torch.randn(SMALL)
    for pool in (pooling.max_pool2d, pooling.avg_pool2d, pooling.adaptive_avg_pool2d):
        for known in (2, (2, 2), 1, (2, 1)):
            pool(x, known)
        with pytest.raises(TypeError, match="must be made of ints"):
            pool(x, two)


@pytest.mark.parametrize("size", [4, 64])
def test_flags_are_taken_alike_for_small_and_large_inputs(size):
    np = pytest.importorskip("numpy")
    x = torch.randn(8, 16, size, size)
    want = F.max_pool2d(x, 3, 2, ceil_mode=True)
    for yes in (1, np.True_, np.int64(1)):
        assert torch.equal(pooling.max_pool2d(x, 3, 2, ceil_mode=yes), want)
        assert_close(pooling.MaxPool2d(3, 2, ceil_mode=yes)(x), want)
        indices = pooling.max_pool2d(x, 2, return_indices=yes)[1]
        assert torch.equal(indices, F.max_pool2d(x, 2, return_indices=True)[1])
    real = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    for no in (0, np.False_):
        assert_close(pooling.avg_pool2d(x, 3, 2, 1, count_include_pad=no), real)
    with pytest.raises(TypeError, match="ceil_mode must be a bool, got 2"):
        pooling.max_pool2d(x, 2, ceil_mode=2)
    with pytest.raises(TypeError, match="count_include_pad must be a bool, got 'yes'"):
        pooling.avg_pool2d(x, 2, count_include_pad="yes")


@pytest.mark.parametrize("size", [4, 64])
@pytest.mark.parametrize("stride", [100, 2**31, 10**12, 10**30])
def test_any_stride_is_right_for_a_single_window(stride, size):
    x = torch.randn(8, 16, size, size, requires_grad=True)
    corner = x[..., :2, :2]
    for pool, want in (
        (pooling.max_pool2d, corner.amax((2, 3), keepdim=True)),
        (pooling.avg_pool2d, corner.mean((2, 3), keepdim=True)),
        (pooling.min_pool2d, corner.amin((2, 3), keepdim=True)),
    ):
        y = pool(x, 2, stride)
        assert_close(y, want)
        assert_close(grad(y.sum(), x)[0], grad(want.sum(), x)[0])


@pytest.mark.parametrize("size", [8, 32])
def test_autocast_changes_no_dtype(size):
    x = torch.randn(2, 4, size, size, size).bfloat16()
    pools = {
        name: getattr(pooling, name)
        for name in ("max_pool3d", "avg_pool3d", "min_pool3d", "adaptive_max_pool3d",
                     "adaptive_avg_pool3d", "adaptive_min_pool3d")
    }  # fmt: skip
    for name, pool in pools.items():
        for number in (2, 3):
            with torch.autocast("cpu", torch.bfloat16):
                y = pool(x, number)
            assert y.dtype == torch.bfloat16, name
            assert_close(y, pool(x, number))
            with implementation("reference"):
                assert_close(y, pool(x, number))


@pytest.mark.parametrize("pool", [pooling.avg_pool2d, pooling.max_pool2d])
def test_gradients_of_many_windows_are_added_up_in_float32(pool):
    x = torch.randn(2, 3, 24, 24).bfloat16().requires_grad_()
    y, exact = pool(x, 9, 1, 4), x.detach().double().requires_grad_()
    g = torch.rand_like(y)
    with implementation("reference"):
        want = grad(pool(exact, 9, 1, 4), exact, g.double())[0]
    assert_close(grad(y, x, g)[0].double(), want, rtol=2**-8, atol=1e-6)


def test_lists_numbers_of_numpy_and_one_tuples_work():
    np = pytest.importorskip("numpy")
    x = torch.randn(SMALL)
    want = F.max_pool2d(x, 2)
    for size in ([2, 2], np.int64(2), (2,), [np.int32(2), 2]):
        assert torch.equal(pooling.max_pool2d(x, size), want)


def test_transforms_and_traces_work():
    x = torch.randn(4, *SMALL)
    assert_close(
        torch.vmap(lambda y: pooling.max_pool2d(y, 2))(x),
        torch.stack([F.max_pool2d(y, 2) for y in x]),
    )
    traced = torch.jit.trace(huashi.accelerate(torch.nn.MaxPool2d(2)), x[0])
    assert_close(traced(x[0, :, :, :4]), F.max_pool2d(x[0, :, :, :4], 2))
    compiled = torch.compile(lambda y: pooling.avg_pool2d(y, 2), backend="eager", fullgraph=True)
    assert_close(compiled(x[0]), F.avg_pool2d(x[0], 2))


def test_the_model_of_costs_is_told_by_its_terms():
    """By hand: 100 results of windows of 4, of an input of 400 in 1 plane and 10 rows."""
    costs = torch_pools.Costs(
        torch_pools.Cost(call=10, results=20, elements=30),
        torch_pools.Cost(call=50, results=0, elements=10, planes=1000, rows=200, inputs=5, plane=3),
    )
    by_torch, by_kernel = torch_pools.predicted(costs, pooling_axes(), (1, 1, 20, 20), last=False)
    assert by_torch == pytest.approx(10 + (20 * 100 + 30 * 400) / 1e3)
    assert by_kernel == pytest.approx(
        50 + (1000 + 200 * 10 + 5 * 400 + 3 * 400 + 10 * 100 * 2) / 1e3
    )


def pooling_axes():
    from huashi._windows import axes_of

    return axes_of((20, 20), 2)


@pytest.mark.parametrize("pool", ["max_pool1d", "avg_pool1d"])
def test_short_sequences_that_are_transposed_are_torchs_too(pool, monkeypatch):
    """As models of time series have them, (batch, time, feature)."""
    x = torch.randn(2, 20, 8).transpose(1, 2).requires_grad_()
    with implementation("kernel"):
        want = getattr(pooling, pool)(x, 5, 1)
    monkeypatch.setattr("huashi.pooling.arguments.axes_of", None)  # what a kernel is called by
    got = getattr(pooling, pool)(x, 5, 1)
    assert_close(got, want)
    assert got.stride() == want.stride()
    assert_close(*(grad(y.square().sum(), x)[0] for y in (got, want)))
