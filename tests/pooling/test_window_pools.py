"""Pools over windows as a user calls them: the kernels, held to the reference in float64."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation, pooling
from huashi.pooling import average, exponentials, extrema, powers, stochastic
from huashi.pooling.offsets import Places
from tests.conftest import GRADIENT_TOLERANCE, TOLERANCE, by_kernel

MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
NAN, INF = math.nan, math.inf


def lp(dims, x, *args, p, **options):
    return powers.lp_pool(dims, x, p, *args, **options)


def gem(dims, x, *args, p=2.5, **options):
    return powers.gem_pool(dims, x, *args, p=p, eps=0.1, **options)


def log_sum_exp(dims, x, *args, r=2.5, **options):
    return exponentials.log_sum_exp_pool(dims, x, *args, r=r, **options)


EXACT = {"max": extrema.max_pool, "min": extrema.min_pool}
AVERAGES = {
    "average": average.avg_pool,
    "average of real elements": partial(average.avg_pool, count_include_pad=False),
    "average by 3": partial(average.avg_pool, divisor_override=3),
}
FORMULAS = {
    **{f"lp {p}": partial(lp, p=p) for p in (1, 2, 3, 0.7, INF)},
    "lp 2, mean": partial(lp, p=2, reduction="mean"),
    "lp 3, mean": partial(lp, p=3, reduction="mean"),
    "gem": gem,
    "log-sum-exp": log_sum_exp,
    "soft": exponentials.soft_pool,
    "expected, relu": partial(stochastic.stochastic_pool, training=False),
    "expected, softmax": partial(stochastic.stochastic_pool, training=False, weights="softmax"),
}
KINDS = EXACT | AVERAGES | FORMULAS
BY_TORCH = "average_of_all", "the limit is the largest magnitude"  # why no kernel serves some
every_kind = pytest.mark.parametrize("kind", KINDS)


@st.composite
def geometries(draw, *, as_torch=False):
    """Lengths and windows, also of more padding than torch allows and with holes."""
    dims = draw(st.integers(1, 3))

    def each(least, most):
        return [draw(st.integers(least, most)) for _ in range(dims)]

    kernel, dilation = each(1, 5 if dims == 1 else 3), each(1, 3 if dims == 1 else 2)
    if as_torch:
        padding = [draw(st.integers(0, k // 2)) for k in kernel]
        sides = [2 * p for p in padding]
    else:
        padding = [(draw(st.integers(0, k + 1)), draw(st.integers(0, k + 1))) for k in kernel]
        sides = [sum(pair) for pair in padding]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    lengths = [
        max(span - p, 1) + more for span, p, more in zip(spans, sides, each(0, 5), strict=True)
    ]
    lengths[-1] += draw(st.sampled_from([0, 0, 110]))  # rows long enough to go line by line
    windows = {
        "kernel_size": kernel,
        "stride": each(1, 3),
        "padding": padding,
        "dilation": dilation,
    }
    return lengths, windows | {"ceil_mode": draw(st.booleans())}


@st.composite
def images(draw, lengths, *dtypes):
    """Numbers, often with ties, in one of the memory formats."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    x = torch.randn(
        (2, draw(st.sampled_from([1, 3, 17])), *lengths), generator=generator, dtype=torch.double
    )
    x = (2 * x).round() if draw(st.booleans()) else x
    x = x.to(draw(st.sampled_from(dtypes)))
    return laid_out(x, draw(st.sampled_from(["rows", "channels", "strided", "no batch"])))


def laid_out(x, layout):
    if layout == "no batch":
        return x[0]
    if layout == "channels" and x.ndim in LAST:
        return x.contiguous(memory_format=LAST[x.ndim])
    return torch.stack([x, x], -1)[..., 0] if layout == "strided" else x


def results(name, pool, x, g=None, param=None):
    """The pooled values, their gradient in x, and in a parameter if there is one."""
    leaves = [x.detach().requires_grad_()]
    options = {}
    if param is not None:
        leaves.append(torch.tensor(2.5, dtype=torch.double, requires_grad=True))
        options[param] = leaves[1]
    with implementation(name):
        y = pool(x=leaves[0], **options)
    return y.detach(), *grad(y, leaves, g.to(y.dtype))


def assert_agree(kind, x, windows, **options):
    dims = len(windows["kernel_size"])
    pool = partial(KINDS[kind], dims, **windows, **options)
    param = {"gem": "p", "log-sum-exp": "r"}.get(kind)
    with implementation("reference"):
        g = torch.rand(pool(x=x).shape).to(x.dtype)  # of one sign: little cancels
    run = partial(results, pool=pool, x=x, g=g, param=param)
    y, dx, *dparam = by_kernel(run, *BY_TORCH)
    y64, dx64, *dparam64 = results("reference", pool, x.double(), g, param)
    exact = {"rtol": 0, "atol": 0, "equal_nan": True}
    assert y.dtype == dx.dtype == x.dtype
    assert_close(y.double(), y64, **(exact if kind in EXACT else TOLERANCE[x.dtype]))
    assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])
    last = x.ndim in LAST and x.is_contiguous(memory_format=LAST[x.ndim]) and not x.is_contiguous()
    if last and kind != "lp inf":  # which are left to the reference
        assert y.is_contiguous(memory_format=LAST[x.ndim])
    for got, want in zip(dparam, dparam64, strict=True):  # a sum over all windows
        most = y64.numel() * g.abs().max().item()
        assert_close(got, want, rtol=0, atol=most * TOLERANCE[x.dtype]["rtol"])


def read_apart(kind):
    """The two dtypes that each kernel reads in its own way, and others where it computes so."""
    dtypes = [torch.float32, torch.bfloat16]
    dtypes += [torch.float16] if kind in ("max", "average", "gem") else []
    return dtypes + [torch.float64] * (kind in ("max", "gem", "soft", "log-sum-exp"))


@every_kind
@settings(max_examples=30)
@given(data=st.data(), geometry=geometries())
def test_kernels_are_the_reference(kind, data, geometry):
    lengths, windows = geometry
    assert_agree(kind, data.draw(images(lengths, *read_apart(kind))), windows)


@pytest.mark.slow
@every_kind
@settings(max_examples=60)
@given(data=st.data(), geometry=geometries())
def test_kernels_are_the_reference_in_every_dtype(kind, data, geometry):
    lengths, windows = geometry
    assert_agree(kind, data.draw(images(lengths, *TOLERANCE)), windows)


@every_kind
@pytest.mark.parametrize("lengths", [(40,), (9, 8), (3, 4, 5)])
@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_one_window_over_all(kind, lengths, layout):
    x = laid_out(torch.randn(3, 5, *lengths), layout)
    assert_agree(kind, x, {"kernel_size": lengths})


@every_kind
@pytest.mark.parametrize("lengths", [(9, 8), (5, 6, 7)])
@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_small_windows_of_many_channels(kind, lengths, layout):
    x = laid_out(torch.randn(2, 33, *lengths).round(decimals=1), layout)
    windows = {"kernel_size": (3, 2, 2)[: len(lengths)], "stride": 2, "dilation": 2}
    assert_agree(kind, x, windows | {"padding": [(3, 0), (1, 2), (0, 1)][: len(lengths)]})


@every_kind
def test_planes_larger_than_a_cache_and_windows_of_more_elements_than_a_byte_counts(kind):
    x = torch.randn(1, 2, 70, 90)
    windows = {"kernel_size": (17, 16), "stride": (3, 5), "padding": ((8, 9), (0, 20))}
    assert_agree(kind, laid_out(x, "channels"), windows)
    assert_agree(kind, x, windows)


@pytest.mark.parametrize("kind", EXACT)
@given(data=st.data(), geometry=geometries(as_torch=True), nan=st.booleans())
def test_extrema_and_indices_are_torchs(kind, data, geometry, nan):
    lengths, windows = geometry
    dims, sign = len(lengths), 1 if kind == "max" else -1
    x = data.draw(images(lengths, torch.float32))
    if nan:
        x = x.masked_fill(torch.rand(x.shape) < 0.3, NAN)
    with implementation("kernel"):
        y, index = KINDS[kind](dims, x, **windows, return_indices=True)
        assert_close(KINDS[kind](dims, x, **windows), y, rtol=0, atol=0, equal_nan=True)
        same, places = KINDS[kind](dims, x, **windows, return_indices="compact")
    want, torchs = MAX_POOL[dims](sign * x, **windows, return_indices=True)
    some = index >= 0  # torch has nonsense for an empty window
    assert torch.equal(some, y != -sign * INF)
    assert_close(y[some], sign * want[some], rtol=0, atol=0, equal_nan=True)
    assert torch.equal(index[some], torchs[some])
    assert_close(same, y, rtol=0, atol=0, equal_nan=True)
    assert isinstance(places, Places)
    assert places.offsets.dtype == torch.uint8
    assert torch.equal(places.indices(), index)


@pytest.mark.parametrize("dtype", [torch.uint8, pytest.param(torch.int64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", EXACT)
def test_integers_have_extrema(kind, dtype):
    limits = torch.iinfo(dtype)
    x = torch.randint(limits.min, limits.max, (2, 3, 7, 6), dtype=dtype) // 3 * 3
    windows = {"kernel_size": 3, "stride": 2, "padding": 4}
    with implementation("kernel" if dtype == torch.uint8 else "auto"):
        got = KINDS[kind](2, x, **windows, return_indices=True)
        assert torch.equal(KINDS[kind](2, x, **windows), got[0])
    with implementation("reference"):
        want = KINDS[kind](2, x, **windows, return_indices=True)
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
    empty = got[1] == -1
    assert empty.any()
    assert (got[0][empty] == (limits.min if kind == "max" else limits.max)).all()


@every_kind
def test_an_empty_window_is_the_identity_and_has_no_gradient(kind):
    x = torch.ones(1, 3, 1, 1, requires_grad=True)
    windows = {"kernel_size": 2, "padding": 1, "dilation": 2}
    y = KINDS[kind](2, x, **windows)
    assert (y == {"max": -INF, "min": INF}.get(kind, 0)).all()
    assert not grad(y.sum(), x)[0].any()


@pytest.mark.parametrize("p", [1, 2, 3, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_norms_of_any_size_neither_overflow_nor_vanish(scale, dtype, p):
    x = (torch.randn(2, 3, 12) * scale).to(dtype)
    assert_agree(f"lp {p}", x, {"kernel_size": [3], "stride": 2})
    y = pooling.lp_pool1d(x, p, 3)
    assert y.isfinite().all()
    assert (y > scale / 1e3).all()


def test_half_precision_does_not_overflow():
    x = torch.tensor([[[1e4, 2e4, -3e4, 300.0]]], dtype=torch.float16)
    for kind in ("soft", "lp 3", "gem", "log-sum-exp", "expected, relu"):
        assert_agree(kind, x, {"kernel_size": [2], "stride": 1})


@every_kind
def test_an_empty_batch(kind):
    x = torch.ones(0, 3, 5, 4, requires_grad=True)
    y = KINDS[kind](2, x, 2)
    assert y.shape == (0, 3, 2, 2)
    assert grad(y.sum(), x)[0].shape == x.shape


@every_kind
def test_derivatives_of_both_orders(kind):
    param = {"gem": "p", "log-sum-exp": "r"}.get(kind)
    leaves = [torch.randn(1, 2, 4, 5, dtype=torch.double, requires_grad=True)]
    leaves += [torch.tensor(2.5, dtype=torch.double, requires_grad=True)] if param else []

    def pool(x, value=None):
        options = {} if value is None else {param: value}
        windows = {"kernel_size": [2, 3], "stride": 2, "padding": [(1, 0), (1, 1)]}
        return KINDS[kind](2, x, **windows, ceil_mode=True, **options)

    assert gradcheck(pool, leaves)
    assert gradgradcheck(pool, leaves)
    second = []
    for name in ("auto", "reference"):
        with implementation(name):
            y = pool(*leaves)
        slopes = grad(y.square().sum(), leaves, create_graph=True)
        second.append(grad(sum(slope.square().sum() for slope in slopes), leaves))
    assert_close(*second)


def test_a_maximum_keeps_a_byte_for_each_result():
    """An eighth of torch's indices, and not the input beside them."""
    x = torch.randn(2, 8, 64, 64, requires_grad=True)

    def kept(pool):
        sizes = []
        with saved_tensors_hooks(lambda t: sizes.append(t.nbytes), lambda t: t):
            y = pool(x, 2)
        return sum(sizes), y.numel()

    with implementation("kernel"):
        ours, results = kept(pooling.max_pool2d)
    assert ours == results
    assert 8 * ours <= kept(F.max_pool2d)[0]


def test_indices_are_looked_for_only_where_they_are_needed():
    x, asked = torch.randn(1, 1, 4, 4, requires_grad=True), []
    with saved_tensors_hooks(asked.append, lambda t: t):
        pooling.max_pool2d(x.detach(), 2)
        with torch.no_grad():
            pooling.max_pool2d(x, 2)
        assert not asked
        pooling.max_pool2d(x, 2)
    assert asked
