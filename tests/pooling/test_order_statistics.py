"""Sort, median and quantile pooling by their kernels, held to the reference in float64."""

import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.testing import assert_close

from huashi import implementation
from huashi.pooling import order
from huashi.pooling.cpu.sorting_network import network
from tests.conftest import GRADIENT_TOLERANCE, TOLERANCE, by_kernel
from tests.pooling.test_window_pools import LAST, geometries, laid_out

NAN, INF = math.nan, math.inf


def sort(dims, x, *args, scores=None, **options):
    scores = torch.tensor([0.5, -1.0, 2.0]) if scores is None else scores
    most = math.prod(options["kernel_size"])
    return order.sort_pool(dims, x, *args, scores=scores[..., :most], **options)


def quantile(dims, x, *args, q, **options):
    return order.quantile_pool(dims, x, *args, q=q, **options)


QUANTILES = {
    "median": order.median_pool,
    **{f"quantile {q}": partial(quantile, q=q) for q in (0, 0.3, 0.77, 1)},
}
KINDS = {"sort": sort, **QUANTILES}
ALONE = "nothing that lanes could sort side by side"  # why a window alone in a row has no kernel
DTYPES = [
    pytest.param(dtype, marks=pytest.mark.slow) if dtype == torch.float16 else dtype
    for dtype in TOLERANCE
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def without_ties(shape, dtype=torch.float32):
    """Numbers that bfloat16 tells apart, as long as there are not more than it has."""
    n = math.prod(shape)
    numbers = torch.randperm(n) - n // 2 if n < 256 else torch.randn(n)
    return (numbers / 64).to(dtype).view(shape)


def value(name, pool, x):
    with implementation(name):
        return pool(x=x).detach()


def results(name, pool, x, g):
    x = x.detach().requires_grad_()
    with implementation(name):
        alone, y = pool(x=x.detach()), pool(x=x)
    assert_close(alone, y, **TOLERANCE[x.dtype], equal_nan=True)
    return y.detach(), *grad(y, x, g.to(y.dtype))


def assert_agree(kind, x, windows, *, gradient=True):
    pool = partial(KINDS[kind], len(windows["kernel_size"]), **windows)
    with implementation("reference"):
        g = torch.rand(pool(x=x).shape).to(x.dtype)
    run = partial(results, pool=pool, x=x, g=g)
    y, dx = by_kernel(run, ALONE)
    y64, dx64 = results("reference", pool, x.double(), g)
    assert y.dtype == dx.dtype == x.dtype
    assert_close(y.double(), y64, **TOLERANCE[x.dtype], equal_nan=True)
    if gradient:
        assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])
    if x.ndim in LAST and x.is_contiguous(memory_format=LAST[x.ndim]) and not x.is_contiguous():
        assert y.is_contiguous(memory_format=LAST[x.ndim])
        if y.shape[-1] > 1:  # else the reference gave it
            assert dx.is_contiguous(memory_format=LAST[x.ndim])


@pytest.mark.parametrize("k", range(1, 13))
def test_a_network_sorts_and_a_part_of_it_finds_a_rank(k):
    """What sorts all zeros and ones sorts everything."""
    for wanted in (tuple(range(k)), (k // 2,), (0, k - 1)):
        for numbers in itertools.product((0, 1), repeat=k):
            line = list(numbers)
            for a, b, what in network(k, wanted):
                low, high = sorted((line[a], line[b]))
                line[a], line[b] = low if what & 1 else None, high if what & 2 else None
            assert [line[rank] for rank in wanted] == [sorted(numbers)[rank] for rank in wanted]


@every_kind
@settings(max_examples=30)
@given(data=st.data(), geometry=geometries())
def test_kernels_are_the_reference(kind, data, geometry):
    lengths, windows = geometry
    torch.manual_seed(data.draw(st.integers(0, 99)))
    x = torch.randn(2, data.draw(st.sampled_from([1, 3, 17])), *lengths, dtype=torch.double)
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
    x = laid_out(
        x.to(dtype), data.draw(st.sampled_from(["rows", "channels", "strided", "no batch"]))
    )
    assert_agree(kind, x, windows, gradient=dtype != torch.bfloat16)  # which has ties


@every_kind
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_gradients_in_each_dtype(kind, dtype, layout):
    x = laid_out(without_ties((2, 3, 6, 7), dtype), layout)
    windows = {"kernel_size": (3, 2), "stride": (1, 2), "padding": ((2, 0), (1, 1))}
    assert_agree(kind, x, windows)


@every_kind
@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_long_rows_and_large_windows(kind, layout):
    for lengths, k in (((5, 3000), (3, 3)), ((30, 130), (8, 8)), ((9, 8), (7, 8))):
        assert_agree(kind, laid_out(torch.randn(1, 3, *lengths), layout), {"kernel_size": k})
    windows = {"kernel_size": (5, 5), "stride": (1, 1), "padding": 2}
    assert_agree(kind, laid_out(torch.randn(2, 33, 40, 20), layout), windows)


@every_kind
def test_a_window_of_more_elements_is_left_to_the_reference(kind):
    x, pool = torch.randn(1, 2, 80), partial(KINDS[kind], 1, kernel_size=[65])
    with implementation("reference"):
        want = pool(x=x)
    assert torch.equal(pool(x=x), want)


@every_kind
@settings(max_examples=20)
@given(data=st.data(), geometry=geometries())
def test_values_with_nan_and_infinities_and_ties(kind, data, geometry):
    lengths, windows = geometry
    torch.manual_seed(data.draw(st.integers(0, 99)))
    some = torch.tensor([-INF, INF, NAN, *[-1.0, 0.0, 2.0] * 4])
    x = some[torch.randint(len(some), (2, 3, *lengths))]
    pool = partial(KINDS[kind], len(lengths), **windows)
    with implementation("reference"):
        want = pool(x=x)
        assert_close(pool(x=x.clone().requires_grad_()).detach(), want, equal_nan=True)
    for leaf in (x, x.clone().requires_grad_()):
        got = by_kernel(partial(value, pool=pool, x=leaf), ALONE)
        assert_close(got, want, equal_nan=True)


@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_of_equals_the_first_comes_first_and_none_twice(layout):
    """For a mean of the largest from the top, for a quantile from the bottom."""
    row = torch.tensor([1.0, 0.0, 1.0, 1.0]).repeat(2)
    x = laid_out(row.expand(1, 3, 1, 8).clone(), layout)
    x.requires_grad_()
    with implementation("kernel"):
        y = order.sort_pool(2, x, (1, 4), scores=torch.tensor([0.0, 1.0]))
        y += order.quantile_pool(2, x, (1, 4), q=0.5) * 10
    first, second = torch.tensor([0.0, 1.0]).softmax(0).tolist()
    want = torch.tensor([first + 5, 0, second + 5, 0]).repeat(2)
    assert_close(grad(y.sum(), x)[0][0, 0, 0], want)


def test_a_nan_is_the_largest_and_spoils_a_quantile():
    x = torch.tensor([[[3.0, INF, NAN, 4.0, NAN, 1.0, 2.0, 0.0]]], requires_grad=True)
    with implementation("kernel"):
        y = order.sort_pool(1, x, 4, scores=torch.tensor([0.0, 1.0]))
        (dx,) = grad(y.sum(), x)
        z = order.median_pool(1, x, 4)
    assert y.isnan().all()
    first, second = torch.tensor([0.0, 1.0]).softmax(0).tolist()
    assert_close(dx[0, 0], torch.tensor([0, second, first, 0, first, 0, second, 0]))
    assert z.isnan().all()
    assert not grad(z.sum(), x)[0].any()


def test_an_infinity_is_chosen_before_an_absent_element():
    for value, kind in ((-INF, "sort"), (INF, "quantile 1")):
        x = torch.full((1, 1, 2), value, requires_grad=True)
        with implementation("kernel"):
            y = KINDS[kind](1, x, kernel_size=[3], stride=1, padding=1)
        assert (y == value).all()
        assert (grad(y.sum(), x)[0].sum() - 2).abs() < 1e-6


@every_kind
def test_an_empty_window_is_zero_and_has_no_gradient(kind):
    x = torch.ones(1, 3, 1, 1, requires_grad=True)
    pool = partial(KINDS[kind], 2, kernel_size=(2, 2), padding=1, dilation=2)
    assert not by_kernel(partial(value, pool=pool, x=x), ALONE).any()
    y = pool(x=x)
    assert not grad(y.sum(), x)[0].any()


@every_kind
@pytest.mark.parametrize("layout", ["rows", "channels", "no batch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_masked_is_absent(kind, layout, dtype):
    """NaN at masked places is seen by nobody, and gets no gradient."""
    windows = {"kernel_size": (3, 2), "stride": (2, 1), "padding": ((2, 0), (1, 1))}
    x = laid_out(without_ties((2, 3, 6, 7), dtype), layout)
    for shape in ((7,), (x.shape[-3], 1, 7), (x.shape[-3], 6, 7)):
        mask = torch.rand(shape) < 0.5
        pool = partial(KINDS[kind], 2, **windows, mask=mask)
        with implementation("reference"):
            g = torch.rand(pool(x=x).shape).to(dtype)
        y, dx = results("kernel", pool, x.masked_fill(~mask, NAN), g)
        want, dx64 = results("reference", pool, x.double(), g)
        assert_close(y.double(), want, **TOLERANCE[dtype])
        assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[dtype])


@every_kind
@settings(max_examples=20)
@given(data=st.data(), geometry=geometries())
def test_values_of_what_is_real_with_nan_and_infinities_and_ties(kind, data, geometry):
    lengths, windows = geometry
    torch.manual_seed(data.draw(st.integers(0, 99)))
    some = torch.tensor([-INF, INF, NAN, *[-1.0, 0.0, 2.0] * 4])
    x = some[torch.randint(len(some), (2, 3, *lengths))]
    pool = partial(KINDS[kind], len(lengths), **windows, mask=torch.rand(x.shape) < 0.6)
    with implementation("reference"):
        want = pool(x=x)
    for leaf in (x, x.clone().requires_grad_()):
        assert_close(by_kernel(partial(value, pool=pool, x=leaf), ALONE), want, equal_nan=True)


def test_an_infinity_is_chosen_before_a_masked_element():
    mask = torch.tensor([False, True, True, False])
    for value, kind in ((-INF, "sort"), (INF, "quantile 1")):
        x = torch.full((1, 1, 4), value, requires_grad=True)
        with implementation("kernel"):
            y = KINDS[kind](1, x, kernel_size=[3], stride=1, mask=mask)
        assert (y == value).all()
        (dx,) = grad(y.sum(), x)
        assert (dx.sum() - 2).abs() < 1e-6
        assert not dx[0, 0, ~mask].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "channels", "no batch"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (1, 4), (3, 6)])
@pytest.mark.parametrize("masked", [False, True])
def test_scores_get_their_gradient(masked, shape, layout, dtype):
    """For windows of several sizes, and for scores of one channel or of each."""
    x = laid_out(without_ties((2, shape[0] if len(shape) == 2 else 3, 7, 5), dtype), layout)
    scores, slopes, others = torch.randn(shape), [], []
    windows = {"kernel_size": (3, 2), "stride": 2, "padding": ((2, 0), (1, 1)), "ceil_mode": True}
    windows |= {"mask": torch.rand(x.shape[-3:]) < 0.6} if masked else {}
    with implementation("reference"):
        g = torch.rand(sort(2, x, scores=scores, **windows).shape).to(dtype)
    for name, source in (("kernel", x), ("reference", x.double())):
        leaf, source = scores.clone().requires_grad_(), source.detach().requires_grad_()
        with implementation(name):
            y = sort(2, source, scores=leaf, **windows)
        slope, dx = grad(y, (leaf, source), g.to(y.dtype))
        assert slope.dtype == leaf.dtype
        slopes.append(slope)
        others.append((y.double(), dx.double()))
    most = slopes[1].abs().max().item()
    assert_close(*slopes, rtol=1e-4, atol=1e-5 * most)
    assert_close(*others, **GRADIENT_TOLERANCE[dtype])


@every_kind
def test_derivatives_of_both_orders(kind):
    x = torch.randn(1, 2, 4, 5, dtype=torch.double, requires_grad=True)
    scores = torch.randn(3, dtype=torch.double, requires_grad=kind == "sort")
    windows = {"kernel_size": [2, 3], "stride": 2, "padding": [(1, 0), (1, 1)], "ceil_mode": True}

    def pool(x, scores):
        return KINDS[kind](2, x, **windows, **({"scores": scores} if kind == "sort" else {}))

    with implementation("kernel"):
        assert gradcheck(pool, (x, scores))
        assert gradgradcheck(pool, (x, scores))


def test_what_is_kept_is_a_byte_for_each_element_that_counts():
    x = torch.randn(2, 8, 16, 16, requires_grad=True)
    for y, ranks in (
        (order.median_pool(2, x, 3), 2),
        (order.sort_pool(2, x, 3, scores=torch.zeros(4)), 4),
    ):
        kept = [t for t in y.grad_fn.saved_tensors if getattr(t, "dtype", None) == torch.uint8]
        assert [t.nbytes for t in kept] == [ranks * y.numel()]
