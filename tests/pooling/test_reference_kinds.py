"""The other reductions of a window: what each means, on windows of any geometry."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.testing import assert_close

from huashi._windows import axes_of
from huashi.pooling import reference

TWO = torch.tensor(2.0, dtype=torch.double)
SCORES = torch.tensor([0.3, -0.2, 0.1], dtype=torch.double)


def softmax(v):
    return np.exp(v - v.max()) / np.exp(v - v.max()).sum()


def sorted_mean(v):
    scores = SCORES.numpy()[: len(v)]
    return softmax(scores) @ np.sort(v)[::-1][: len(scores)]


KINDS = {  # name: (through the reference, of the elements of one window)
    "power": (
        lambda x, axes, mask=None: reference.power(x, axes, TWO + 1, mask, eps=0.1),
        lambda v: np.mean(np.maximum(v, 0.1) ** 3) ** (1 / 3),
    ),
    "soft": (reference.soft, lambda v: softmax(v) @ v),
    "log_sum_exp": (
        lambda x, axes, mask=None: reference.log_sum_exp(x, axes, TWO, mask),
        lambda v: np.log(np.mean(np.exp(2 * v))) / 2,
    ),
    "stochastic": (
        lambda x, axes, mask=None: reference.stochastic(x, axes, mask, training=False),
        lambda v: (np.maximum(v, 0) ** 2).sum() / max(np.maximum(v, 0).sum(), 1e-300),
    ),
    "sorted_mean": (
        lambda x, axes, mask=None: reference.sorted_mean(x, axes, SCORES, mask),
        sorted_mean,
    ),
    "quantile": (
        lambda x, axes, mask=None: reference.quantile(x, axes, 0.3, mask),
        lambda v: np.quantile(v, 0.3),
    ),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@st.composite
def geometries(draw):
    n = draw(st.integers(1, 2))
    lengths = [draw(st.integers(3, 6)) for _ in range(n)]
    kernel = [draw(st.integers(1 if n == 2 else 3, 3)) for _ in range(n)]
    kernel[0] = 3  # so that a window has at least three places
    padding = [(draw(st.integers(0, 4)), draw(st.integers(0, 4))) for _ in range(n)]
    return lengths, axes_of(
        lengths,
        kernel,
        draw(st.integers(1, 3)),
        padding,
        draw(st.integers(1, 2)) if min(lengths) > 4 else 1,
    )


@pytest.mark.parametrize("name", KINDS)
@given(geometry=geometries(), seed=st.integers(0, 99), masked=st.booleans())
def test_is_what_its_formula_says_of_each_window(name, geometry, seed, masked):
    run, of_elements = KINDS[name]
    lengths, axes = geometry
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((2, 1, *lengths), generator=generator, dtype=torch.double)
    mask = torch.rand(x.shape, generator=generator) < 0.7 if masked else None
    values, real, _ = reference.windows(x, axes, mask)
    real = real.expand(values.shape)
    y = run(x if mask is None else x.masked_fill(~mask, torch.nan), axes, mask)
    for at in np.ndindex(tuple(y.shape)):
        own = values[at][real[at]].numpy()
        assert_close(y[at].item(), float(of_elements(own)) if own.size else 0.0)


def test_derivatives_of_both_orders(kind):
    run, _ = kind
    x = torch.randn(2, 1, 3, 4, dtype=torch.double, requires_grad=True)
    axes = axes_of([3, 4], [2, 3], 2, padding=[(1, 1), (1, 2)])
    assert gradcheck(lambda x: run(x, axes), x)
    assert gradgradcheck(lambda x: run(x, axes), x)


def test_empty_windows_and_masked_elements_have_no_gradient(kind):
    run, _ = kind
    x = torch.full((1, 1, 6), torch.nan, dtype=torch.double)
    x[..., 0] = 1.0
    x.requires_grad_()
    mask = torch.tensor([True, False, False, False, False, False])
    y = run(x, axes_of([6], 3), mask)
    (slope,) = grad(y.sum(), x)
    assert y[0, 0, 1] == 0
    assert_close(slope, torch.eye(6, dtype=torch.double)[:1, None] * slope[0, 0, 0])
    assert slope.isfinite().all()


def test_golden_value_of_the_generalised_mean():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.double)
    y = reference.power(x, axes_of([2, 2], 2), TWO + 1)
    assert_close(y.item(), 2.924017738, rtol=1e-9, atol=0)
    large = reference.power(x * 1e30, axes_of([2, 2], 2), TWO * 50)
    assert_close(large.item(), 4e30 * 0.25**0.01, rtol=1e-6, atol=0)


def test_soft_gradient_is_that_of_its_paper():
    x = torch.randn(1, 1, 4, dtype=torch.double, requires_grad=True)
    y = reference.soft(x, axes_of([4], 4))
    want = x.softmax(-1) * (1 + x - y)
    assert_close(grad(y.sum(), x)[0], want)


def test_exponent_and_sharpness_and_scores_can_be_learned():
    x = torch.randn(2, 3, 4, dtype=torch.double)
    axes = axes_of([4], 3, 1)
    p = torch.tensor(3.0, dtype=torch.double, requires_grad=True)
    v = torch.randn(3, 2, dtype=torch.double, requires_grad=True)  # for each channel its own
    assert gradcheck(lambda p: reference.power(x, axes, p), p)
    assert gradcheck(lambda r: reference.log_sum_exp(x, axes, r), p)
    assert gradcheck(lambda v: reference.sorted_mean(x, axes, v), v)


def test_limits_of_the_families():
    x, axes = torch.randn(1, 2, 5, 5, dtype=torch.double), axes_of([5, 5], 2)
    high, mean = reference.extremum(x, axes)[0], reference.average(x, axes)
    assert_close(reference.sorted_mean(x, axes, SCORES[:1]), high)
    assert_close(reference.sorted_mean(x, axes, torch.zeros(4)), mean)
    assert_close(reference.log_sum_exp(x, axes, 1e4 * TWO), high, rtol=0, atol=1e-3)
    assert_close(reference.log_sum_exp(x, axes, 1e-6 * TWO), mean, rtol=0, atol=1e-4)
    assert_close(reference.quantile(x, axes, 1.0), high)
    assert_close(reference.quantile(x, axes, 0.0), reference.extremum(x, axes, sign=-1)[0])
    assert reference.quantile(torch.full((1, 1, 2), torch.nan), axes_of([2], 2), 0.5).isnan().all()


@pytest.mark.parametrize("weights", ["relu", "softmax"])
def test_draws_have_their_probabilities(weights):
    """A chi-square test of 40,000 draws from one window; and a mean that is the expectation."""
    window = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.5])
    x, axes = window.expand(1, 40_000, 5), axes_of([5], 5)
    draws = reference.stochastic(
        x, axes, weights=weights, generator=torch.Generator().manual_seed(1)
    )
    share = window.relu() / window.relu().sum() if weights == "relu" else window.softmax(0)
    counts = torch.stack([(draws == value).sum() for value in window]).double()
    likely = share > 0
    assert counts.sum() == 40_000
    assert not counts[~likely].any()
    wanted = 40_000 * share[likely].double()
    chi_square = ((counts[likely] - wanted) ** 2 / wanted).sum()
    assert chi_square < 18.5  # the 0.999 quantile for 4 degrees of freedom
    expected = reference.stochastic(x[:, :1], axes, weights=weights, training=False)
    assert_close(draws.mean(), expected[0, 0, 0], rtol=0, atol=0.02)


def test_a_draw_is_repeatable_and_alone_gets_the_gradient():
    x = torch.rand(2, 3, 8, dtype=torch.double).requires_grad_()
    axes = axes_of([8], 4)
    draw = lambda: reference.stochastic(x, axes, generator=torch.Generator().manual_seed(5))  # noqa: E731
    assert torch.equal(draw(), draw())
    (slope,) = grad(draw().sum(), x)
    assert set(slope.unique().tolist()) == {0.0, 1.0}
    assert torch.equal((slope * x).unflatten(-1, (2, 4)).sum(-1), draw())


def test_a_window_without_a_positive_element_draws_zero():
    x = -torch.rand(1, 1, 4)
    for training in (True, False):
        assert not reference.stochastic(x, axes_of([4], 2), training=training).any()
