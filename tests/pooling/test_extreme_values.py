"""Where floats end: kernels and definitions agree on infinities, NaN, the huge and the tiny."""

import math

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation, pooling
from tests.conftest import by_kernel, with_gradient

inf, nan = math.inf, math.nan
KINDS = {
    "max": lambda x: pooling.max_pool1d(x, 4),
    "min": lambda x: pooling.min_pool1d(x, 4),
    "average": lambda x: pooling.avg_pool1d(x, 4),
    "lp 1": lambda x: pooling.lp_pool1d(x, 1, 4),
    "lp 2": lambda x: pooling.lp_pool1d(x, 2, 4),
    "lp 3": lambda x: pooling.lp_pool1d(x, 3, 4),
    "mean lp 3": lambda x: pooling.lp_pool1d(x, 3, 4, reduction="mean"),
    "gem": lambda x: pooling.gem_pool1d(x, 4, p=3.0),
    "log-sum-exp": lambda x: pooling.log_sum_exp_pool1d(x, 4, r=2.0),
    "soft": lambda x: pooling.soft_pool1d(x, 4),
    "expected": lambda x: pooling.stochastic_pool1d(x, 4, training=False),
    "expected by softmax": lambda x: pooling.stochastic_pool1d(
        x, 4, training=False, weights="softmax"
    ),
}
WINDOWS = {
    "nothing": [-inf, -inf, -inf, -inf],
    "an infinity": [1.0, inf, 2.0, 3.0],
    "two infinities": [1.0, inf, inf, 3.0],
    "both infinities": [1.0, inf, -inf, 3.0],
    "a negative infinity": [1.0, 2.0, -inf, 3.0],
    "NaN": [1.0, nan, 2.0, 3.0],
    "NaN and an infinity": [1.0, nan, inf, 3.0],
    "huge": [1e30, 2e30, -3e30, 1e38],
    "tiny": [1e-30, 2e-30, -3e-30, 1e-38],
    "zero": [0.0, -0.0, 0.0, 0.0],
    "far apart": [-1e4, 1e4, 0.0, 1e-4],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("count", [1, 5])  # a single one has kernels of its own
def test_kernel_and_definition_agree(kind, window, count, device):
    x = torch.tensor(WINDOWS[window], device=device).repeat(count)[None]
    g = torch.linspace(1, 2, count, device=device)[None]
    with implementation("reference"):
        want, slope = with_gradient(KINDS[kind], x, g)

    def run(mode):
        with implementation(mode):
            return with_gradient(KINDS[kind], x, g)

    y, dx = by_kernel(run, "average_of_all")
    assert_close(y, want, equal_nan=True, rtol=2e-5, atol=2e-6)
    if want.isfinite().all():  # else there is no derivative
        assert_close(dx, slope, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("weights", ["relu", "softmax"])
@pytest.mark.parametrize("mode", ["reference", "kernel"])
def test_a_draw_shows_what_is_wrong(weights, mode, device):
    x = torch.tensor([[1.0, nan, 2.0, 3.0, 1.0, inf, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0]], device=device)
    with implementation(mode):
        y = pooling.stochastic_pool1d(x, 4, weights=weights)
    assert y.isnan().tolist() == [[True, True, False]]


def test_the_powers_of_an_infinity_are_infinite(device):
    x = torch.tensor([[1.0, -inf, inf, 3.0]], device=device)
    for kind in ("lp 1", "lp 2", "lp 3", "mean lp 3", "gem", "log-sum-exp"):
        assert KINDS[kind](x).item() == inf, kind
