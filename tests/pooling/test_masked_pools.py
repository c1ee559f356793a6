"""Pools over windows with a mask or lengths: the kernels, held to the reference in float64."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import grad
from torch.testing import assert_close

from huashi import implementation, pooling
from huashi.pooling import masks as marks
from huashi.pooling import order
from tests.conftest import GRADIENT_TOLERANCE, TOLERANCE, by_kernel
from tests.pooling.test_window_pools import (
    BY_TORCH,
    FORMULAS,
    KINDS,
    every_kind,
    geometries,
    images,
    laid_out,
    read_apart,
    results,
)

INF, NAN = math.inf, math.nan


@st.composite
def masks(draw, shape):
    """Of a shape that broadcasts to ``shape``; all of it may be absent, or nothing."""
    sizes = [size if draw(st.booleans()) else 1 for size in shape]
    share = draw(st.sampled_from([0.6, 0.6, 0.1, 0, 1]))
    return torch.rand(sizes[draw(st.integers(0, len(sizes) - 1)) :]) < share


def assert_masked(kind, x, mask, windows):
    """NaN at masked places is seen by nobody, and gets no gradient."""
    dims = len(windows["kernel_size"])
    pool = partial(KINDS[kind], dims, **windows, mask=mask)
    param = {"gem": "p", "log-sum-exp": "r"}.get(kind)
    with implementation("reference"):
        g = torch.rand(pool(x=x).shape).to(x.dtype)
    hidden = x.masked_fill(~mask, NAN)
    y, dx, *dparam = by_kernel(partial(results, pool=pool, x=hidden, g=g, param=param), *BY_TORCH)
    y64, dx64, *dparam64 = results("reference", pool, x.double(), g, param)
    assert_close(y.double(), y64, **TOLERANCE[x.dtype])
    assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])
    assert not dx.masked_fill(mask, 0).any()
    for got, want in zip(dparam, dparam64, strict=True):
        most = y64.numel() * g.abs().max().item()
        assert_close(got, want, rtol=0, atol=most * TOLERANCE[x.dtype]["rtol"])


@every_kind
@settings(max_examples=20)
@given(data=st.data(), geometry=geometries())
def test_what_is_masked_is_absent(kind, data, geometry):
    lengths, windows = geometry
    x = data.draw(images(lengths, *read_apart(kind)))
    assert_masked(kind, x, data.draw(masks(x.shape)), windows)


@pytest.mark.slow
@every_kind
@settings(max_examples=30)
@given(data=st.data(), geometry=geometries())
def test_what_is_masked_is_absent_in_every_dtype(kind, data, geometry):
    lengths, windows = geometry
    x = data.draw(images(lengths, *TOLERANCE))
    assert_masked(kind, x, data.draw(masks(x.shape)), windows)


@every_kind
@pytest.mark.parametrize("lengths", [(40,), (9, 8), (3, 4, 5)])
@pytest.mark.parametrize("layout", ["rows", "channels"])
def test_what_is_masked_is_absent_from_a_window_over_all(kind, lengths, layout):
    x = laid_out(torch.randn(3, 5, *lengths), layout)
    mask = torch.rand(3, 1, *lengths) < torch.tensor([0.7, 1, 0]).view(3, *[1] * (x.ndim - 1))
    assert_masked(kind, x, mask, {"kernel_size": lengths})
    assert_masked(kind, x, torch.rand(x.shape) < 0.5, {"kernel_size": lengths})


@every_kind
@pytest.mark.parametrize("k", [3, 12])
def test_a_nan_gives_no_gradient_to_what_is_masked_beside_it(kind, k):
    x, mask = torch.randn(2, 3, 12), torch.rand(2, 1, 12) < 0.6
    x = x.masked_fill(torch.rand(x.shape) < 0.2, NAN)
    pool = partial(KINDS[kind], 1, kernel_size=[k], mask=mask)
    dx = results("auto", pool, x, torch.ones(2, 3, 12 // k))[1]
    assert (dx.masked_fill(mask, 0) == 0).all()


@pytest.mark.parametrize("kind", [*KINDS, "sort", "quantile"])
def test_pooling_with_lengths_is_pooling_the_trimmed_sequence(kind):
    more = {
        "sort": lambda dims, x, *args, **rest: order.sort_pool(
            dims, x, *args, scores=torch.arange(3.0), **rest
        ),
        "quantile": lambda dims, x, *args, **rest: order.quantile_pool(
            dims, x, *args, q=0.3, **rest
        ),
    }
    pool = partial((KINDS | more)[kind], 1, kernel_size=4, stride=3, padding=1)
    x, lengths = torch.randn(3, 2, 13), torch.tensor([13, 8, 5])
    y = pool(x=x, lengths=lengths)
    kept = pooling.mask_pool1d(torch.arange(13) < lengths[:, None, None], 4, 3, 1)
    for i, length in enumerate(lengths):
        trimmed = pool(x=x[i, :, :length], padding=((1, 4),))
        n = int(kept[i].sum())
        if kind != "average":  # which counts masked elements, as it does padding
            assert_close(y[i, :, :n], trimmed[:, :n])


def test_a_generalised_mean_takes_every_number_for_real():
    least = torch.finfo(torch.float32).min
    x = torch.tensor([[[least, least, 2.0, -INF, -INF, marks.NONE, 5, 9, 9, 9]]])
    there = torch.tensor([True] * 7 + [False] * 3)
    with implementation("kernel"):
        y = pooling.gem_pool1d(x, 2, p=1.0, eps=0.5, mask=there)
        whole = pooling.global_gem_pool(x, 1.0, 0.5, mask=there)
    assert_close(y, torch.tensor([[[0.5, 1.25, 0.5, 5.0, 0.0]]]))
    assert_close(whole, torch.tensor([[9.5 / 7]]))


def test_a_masked_mean_of_squares_neither_overflows_nor_vanishes():
    mask = torch.tensor([True, True, False])
    for scale in (1e-30, 3e38):
        x = torch.full((1, 1, 3), scale, requires_grad=True)
        with implementation("kernel"):
            y = pooling.lp_pool1d(x, 2, 3, reduction="mean", mask=mask)
        assert_close(y.item(), scale, rtol=1e-5, atol=0)
        assert_close(grad(y, x)[0], torch.tensor([[[0.5, 0.5, 0.0]]]))


def test_a_mask_of_the_sample_and_of_the_channel():
    x = torch.tensor([[1.0, 5.0, 2.0, 4.0], [7.0, 3.0, 6.0, 8.0]])
    everywhere = torch.tensor([True, False, True, True])
    assert pooling.max_pool1d(x, 2, mask=everywhere).tolist() == [[1.0, 4.0], [7.0, 8.0]]
    one = torch.tensor([[True], [False]])
    assert pooling.min_pool1d(x, 2, mask=one).tolist() == [[1.0, 2.0], [INF, INF]]
    both = pooling.avg_pool1d(
        x, 4, mask=everywhere, lengths=torch.tensor(3), count_include_pad=False
    )
    assert both.tolist() == [[1.5], [6.5]]
    _, index = pooling.max_pool1d(x, 2, mask=everywhere, return_indices=True)
    assert index.tolist() == [[0, 3], [0, 3]]


@pytest.mark.parametrize("kind", FORMULAS)
def test_second_derivatives_with_a_mask(kind):
    x = torch.randn(2, 2, 4, 5, dtype=torch.double, requires_grad=True)
    mask, second = torch.rand(2, 1, 4, 5) < 0.6, []
    for name in ("auto", "reference"):
        with implementation(name):
            y = KINDS[kind](2, x, kernel_size=[2, 3], stride=2, padding=1, mask=mask)
        (slope,) = grad(y.square().sum(), x, create_graph=True)
        second.append(grad(slope.square().sum(), x)[0])
    assert second[0].any()
    assert_close(*second)
