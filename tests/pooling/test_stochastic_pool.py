"""Draws from windows by the kernels: their probabilities, their gradient, their repetition."""

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from huashi import implementation
from huashi.pooling import max_pool2d, soft_pool1d, stochastic_pool1d, stochastic_pool2d

WEIGHTS = pytest.mark.parametrize("weights", ["relu", "softmax"])


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


@WEIGHTS
@pytest.mark.parametrize("training", [True, False])
def test_a_window_of_padding_or_of_nothing_positive_gives_zero(weights, training):
    x = -torch.rand(1, 2, 6)
    options = {"weights": weights, "training": training}
    y = stochastic_pool1d(x, 2, padding=4, **options)
    assert not y[..., :2].any()
    assert not y[..., -2:].any()
    assert bool(y[..., 2:-2].any()) == (weights == "softmax")


@pytest.mark.parametrize("n", [6, 300])
def test_an_input_of_nothing_positive_has_no_gradient(n):
    x = torch.ones(1, 3, n)
    x[:, 1] = -1
    x.requires_grad_()
    with implementation("kernel"):  # the one window is the input
        (dx,) = grad(stochastic_pool1d(x, n, generator=seeded()).sum(), x)
    assert dx.sum(-1).tolist() == [[1, 0, 1]]


@WEIGHTS
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_draws_have_their_probabilities(weights, scale):
    """A chi-square test of 40,000 draws; the padding in each window is never drawn."""
    window = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.5]) * (scale if weights == "relu" else 1)
    with implementation("kernel"):
        x = window.expand(1, 40_000, 5)
        y = stochastic_pool1d(x, 7, padding=1, weights=weights, generator=seeded())
    share = window.relu() / window.relu().sum() if weights == "relu" else window.softmax(0)
    counts = (y.flatten() == window[:, None]).sum(-1).double()
    possible = share > 0
    assert counts.sum() == counts[possible].sum() == 40_000
    wanted = 40_000 * share[possible].double()
    chi_square = ((counts[possible] - wanted) ** 2 / wanted).sum()
    assert chi_square < 18.5  # the 0.999 quantile for 4 degrees of freedom


@WEIGHTS
def test_the_expectation_is_that_of_its_formula(weights):
    x = torch.randn(2, 3, 12)
    rows = x.unflatten(-1, (4, 3)).double()
    a = rows.relu() if weights == "relu" else rows
    share = a / a.sum(-1, keepdim=True).clamp(min=1e-300) if weights == "relu" else a.softmax(-1)
    with implementation("kernel"):
        y = stochastic_pool1d(x, 3, weights=weights, training=False)
    assert_close(y, (share * a).sum(-1).float())
    if weights == "softmax":
        assert torch.equal(y, soft_pool1d(x, 3))


@WEIGHTS
def test_a_generator_makes_draws_repeatable(weights):
    x = torch.rand(2, 3, 9, 8)
    windows = {"kernel_size": 3, "stride": 2, "padding": 1, "weights": weights}
    draws = [stochastic_pool2d(x, **windows, generator=seeded()) for _ in range(2)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], stochastic_pool2d(x, **windows, generator=seeded(4)))
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(stochastic_pool2d(last, **windows, generator=seeded()), draws[0])
    with implementation("reference"):
        assert torch.equal(stochastic_pool2d(x, **windows, generator=seeded()), draws[0])


@WEIGHTS
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_drawn_element_alone_gets_the_gradient(weights, memory):
    x = torch.randn(2, 3, 6, 8).contiguous(memory_format=memory).requires_grad_()
    y = stochastic_pool2d(x, 2, weights=weights)
    g = torch.rand_like(y)
    (dx,) = grad(y, x, g)
    windows = dx.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    elements = x.detach().unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    drawn = windows != 0
    assert torch.equal(drawn.sum(-1), (y != 0).long())
    assert_close(windows.sum(-1), torch.where(y != 0, g, 0))
    assert_close((elements * drawn).sum(-1), y)


def test_checkpointing_repeats_the_draw():
    """Where the forward pass runs again, the gradient goes to what was drawn at first."""
    x = torch.rand(2, 3, 8, 8, requires_grad=True)

    def network(x):
        return max_pool2d(stochastic_pool2d(x.exp(), 2), 2)

    gradients = []
    for run in (network, lambda x: checkpoint(network, x, use_reentrant=False)):
        torch.manual_seed(1)
        y = run(x)
        torch.rand(5)  # the state of the generator goes on
        gradients.append((y.detach(), *grad(y.sum(), x)))
    assert_close(*gradients, rtol=0, atol=0)


def test_not_a_number_is_not_drawn_from_elsewhere():
    """A NaN stays in its own window, and NaN or 0 is what that gives."""
    x = torch.tensor([[[1.0, 2.0, torch.nan, 3.0, 4.0, 5.0]]])
    y = stochastic_pool1d(x, 2)
    assert y[..., [0, 2]].isfinite().all()
    assert y[..., 0] in (1, 2)
    assert y[..., 2] in (4, 5)


@WEIGHTS
def test_what_is_masked_is_never_drawn(weights):
    """The numbers that decide are the reference's, so that the same elements are drawn."""
    mask = torch.rand(4, 1, 9, 8) < 0.5
    x = torch.randn(4, 3, 9, 8).masked_fill(~mask, torch.nan).requires_grad_()
    found = []
    for name in ("kernel", "reference"):
        with implementation(name):
            y = stochastic_pool2d(x, 3, 2, weights=weights, generator=seeded(), mask=mask)
        found.append((y, grad(y.sum(), x)[0]))
    assert_close(*found)
    assert not found[0][1].masked_fill(mask, 0).any()
