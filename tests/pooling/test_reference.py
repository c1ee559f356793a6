"""The reference of pooling: torch where torch is right, and the definition where it is not."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi._windows import axes_of
from huashi.pooling import reference

MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@st.composite
def geometries(draw, *, dilated=True):
    """Lengths and arguments that torch accepts too, in one to three dimensions."""
    n = draw(st.integers(1, 3))
    kernel = [draw(st.integers(1, 3)) for _ in range(n)]
    dilation = [draw(st.integers(1, 2 if dilated else 1)) for _ in range(n)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    stride = [draw(st.integers(1, 3)) for _ in range(n)]
    least = [
        max(d * (k - 1) + 1 - 2 * p, 1) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    lengths = [low + draw(st.integers(0, 4)) for low in least]
    return lengths, {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
    }


def image(lengths, seed, *, ties=False, nan=False):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((2, 2, *lengths), generator=generator, dtype=torch.double)
    if ties:
        x = x.round()
    if nan:
        x = x.masked_fill(torch.rand(x.shape, generator=generator) < 0.3, torch.nan)
    return x


@given(geometries(), st.integers(0, 99), st.booleans(), st.booleans())
def test_maximum_is_torchs_in_value_index_and_gradient(geometry, seed, ties, nan):
    lengths, arguments = geometry
    x = image(lengths, seed, ties=ties, nan=nan).requires_grad_()
    axes = axes_of(lengths, **arguments)
    y, index = reference.extremum(x, axes)
    want, want_index = MAX_POOL[len(lengths)](x, **arguments, return_indices=True)
    held = ~reference.windows(x, axes).real.any(-1)  # torch gives nonsense for empty windows
    assert y.shape == want.shape
    keep = ~held.expand(y.shape)
    assert_close(y[keep], want[keep], equal_nan=True, rtol=0, atol=0)
    assert torch.equal(index[keep], want_index[keep])
    g = torch.randn_like(y)
    if not held.any():
        assert_close(grad(y, x, g), grad(want, x, g))


@given(geometries(), st.integers(0, 99))
def test_minimum_is_the_maximum_of_the_negative(geometry, seed):
    lengths, arguments = geometry
    x, axes = image(lengths, seed, ties=True), axes_of(lengths, **arguments)
    low, high = reference.extremum(x, axes, sign=-1), reference.extremum(-x, axes)
    assert torch.equal(low[0], -high[0])
    assert torch.equal(low[1], high[1])


@given(geometries(dilated=False), st.integers(0, 99), st.booleans(), st.sampled_from([None, 3]))
def test_average_is_torchs(geometry, seed, count_include_pad, divisor):
    lengths, arguments = geometry
    del arguments["dilation"]
    if len(lengths) == 3:  # where torch asks for an input as large as the kernel, padded or not
        assume(all(a >= k for a, k in zip(lengths, arguments["kernel_size"], strict=True)))
    options = {"count_include_pad": count_include_pad}
    if len(lengths) > 1:
        options["divisor_override"] = divisor
    x = image(lengths, seed).requires_grad_()
    y = reference.average(x, axes_of(lengths, **arguments), **options)
    want = AVG_POOL[len(lengths)](x, **arguments, **options)
    assert_close(y, want)
    g = torch.randn_like(y)
    assert_close(grad(y, x, g), grad(want, x, g))


def test_average_counts_padding_but_not_the_overhang():
    x, axes = torch.ones(1, 1, 4), axes_of([4], 3, 2, 1, ceil_mode=True)
    assert_close(reference.average(x, axes), torch.tensor([[[2 / 3, 1.0, 0.5]]]))
    assert_close(reference.average(x, axes, count_include_pad=False), torch.ones(1, 1, 3))


@given(
    geometries(), st.sampled_from([0.5, 1.0, 2.0, 3.0, math.inf]), st.booleans(), st.integers(0, 9)
)
def test_lp_is_the_norm_of_each_window(geometry, p, mean, seed):
    lengths, arguments = geometry
    x, axes = image(lengths, seed), axes_of(lengths, **arguments)
    values, real, _ = reference.windows(x, axes)
    y = reference.lp(x, axes, p, mean=mean)
    for at in np.ndindex(tuple(y.shape)):
        own = values[at][real.expand(values.shape)[at]].abs().numpy()
        if math.isinf(p):
            want = own.max(initial=0.0)
        else:
            want = ((own**p).mean() if mean else (own**p).sum()) ** (1 / p) if own.size else 0.0
        assert_close(y[at].item(), float(want))


def test_lp_stands_clear_of_torchs_faults():
    line = axes_of([5], 2, 2, ceil_mode=True)
    assert_close(reference.lp(torch.ones(1, 1, 5), line, 1.0), torch.tensor([[[2.0, 2.0, 1.0]]]))
    odd = reference.lp(torch.tensor([[[-1.0, -2.0]]]), axes_of([2], 2), 3.0)
    assert_close(odd, torch.tensor([[[9 ** (1 / 3)]]]))
    half = reference.lp(torch.full((1, 1, 2), 300.0, dtype=torch.float16), axes_of([2], 2), 2.0)
    assert half.item() == 424.25  # 300 * sqrt(2), to half precision


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_lp_of_any_size_neither_overflows_nor_vanishes(size):
    x = torch.tensor([[[3 * size, -4 * size]]])
    assert_close(reference.lp(x, axes_of([2], 2), 2.0).item(), 5 * size, rtol=1e-6, atol=0)


def test_an_empty_window_is_the_identity_and_has_no_gradient():
    x = torch.ones(1, 3, 1, 1, requires_grad=True)
    axes = axes_of([1, 1], 2, padding=1, dilation=2)  # torch's backward writes out of bounds here
    (high, index), (low, _) = reference.extremum(x, axes), reference.extremum(x, axes, sign=-1)
    assert high.isneginf().all()
    assert low.isposinf().all()
    assert (index == -1).all()
    assert not reference.average(x, axes).any()
    assert not reference.lp(x, axes, 2.0).any()
    for y in (high, low, reference.average(x, axes), reference.lp(x, axes, 2.0)):
        assert not grad(y.sum(), x)[0].any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int64])
def test_integers_have_extrema(dtype):
    x = torch.tensor([[[3, 1, 2, 2]]], dtype=dtype)
    y, index = reference.extremum(x, axes_of([4], 2))
    assert (y.tolist(), index.tolist()) == ([[[3, 2]]], [[[0, 2]]])
    assert y.dtype == dtype


@given(geometries(), st.integers(0, 99))
def test_what_is_masked_is_absent_as_padding_is(geometry, seed):
    lengths, arguments = geometry
    x, axes = image(lengths, seed), axes_of(lengths, **arguments)
    mask = torch.rand((2, 1, *lengths)) < 0.6
    poisoned = x.masked_fill(~mask, torch.nan)
    for run in (
        lambda x: reference.extremum(x, axes, mask)[0],
        lambda x: reference.average(x, axes, mask, count_include_pad=False),
        lambda x: reference.lp(x, axes, 2.0, mask),
    ):
        assert torch.equal(run(poisoned), run(x))
        assert not run(poisoned).isnan().any()
    lowest = x.masked_fill(~mask, -torch.inf)
    assert torch.equal(reference.extremum(x, axes, mask)[0], reference.extremum(lowest, axes)[0])


def test_one_window_over_all_has_what_is_real_alone():
    x, mask = torch.randn(1, 1, 4, 5), torch.rand(1, 1, 4, 5) < 0.6
    real, one = x[mask][None, None], torch.tensor(2.0)
    for pool in (
        lambda x, axes, mask: reference.extremum(x, axes, mask, sign=-1)[0],
        lambda x, axes, mask: reference.average(x, axes, mask, count_include_pad=False),
        lambda x, axes, mask: reference.lp(x, axes, 3.0, mask, mean=True),
        lambda x, axes, mask: reference.power(x, axes, one, mask),
        lambda x, axes, mask: reference.log_sum_exp(x, axes, one, mask),
        lambda x, axes, mask: reference.soft(x, axes, mask),
        lambda x, axes, mask: reference.quantile(x, axes, 0.3, mask),
    ):
        got = pool(x, axes_of((4, 5), (4, 5)), mask)
        want = pool(real, axes_of(real.shape[2:], real.shape[-1]), None)
        assert_close(got.flatten(), want.flatten())
    index = reference.extremum(x, axes_of((4, 5), (4, 5)), mask)[1]
    assert x.flatten()[index.item()] == real.max()


def test_masked_gradients_are_finite():
    x = torch.randn(1, 1, 6, dtype=torch.double)
    mask = torch.tensor([True, True, False, False, False, True])
    x = x.masked_fill(~mask, torch.nan).requires_grad_()
    axes = axes_of([6], 2)
    for y in (
        reference.extremum(x, axes, mask)[0].clamp(min=-9),
        reference.average(x, axes, mask),
        reference.lp(x, axes, 3.0, mask),
    ):
        (slope,) = grad(y.sum(), x)
        assert slope.isfinite().all()
        assert not slope[..., 2:5].any()


@pytest.mark.parametrize(
    "run",
    [
        lambda x, axes: reference.extremum(x, axes)[0],
        lambda x, axes: reference.average(x, axes, count_include_pad=False),
        lambda x, axes: reference.lp(x, axes, 3.0),
        lambda x, axes: reference.lp(x, axes, 2.0, mean=True),
    ],
)
def test_derivatives_of_both_orders(run):
    x = torch.randn(2, 1, 4, 5, dtype=torch.double, requires_grad=True)
    axes = axes_of([4, 5], [2, 3], 2, padding=1, ceil_mode=True)
    assert gradcheck(lambda x: run(x, axes), x)
    assert gradgradcheck(lambda x: run(x, axes), x)


def test_lp_has_no_slope_at_zero():
    x = torch.zeros(1, 1, 4, requires_grad=True)
    for p in (0.5, 1.0, 2.0):
        assert not grad(reference.lp(x, axes_of([4], 2), p).sum(), x)[0].any()
