"""Groups within groups, groups that overlap, and the kernel of the step in a metric."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn, optim
from torch.nn.utils import parametrize
from torch.testing import assert_close

from huashi import implementation
from huashi.regularization import (
    L1,
    GroupLasso,
    Proximal,
    SparseGroupLasso,
    TreeGroupLasso,
    duplicate_weights,
    exact_zeros,
    prox,
)

TREE = TreeGroupLasso(levels={1: 0.2, 3: 0.3, 6: 0.5})
seeds = st.integers(0, 2**20)


def point(seed, shape=(4, 6), scale=1.5):
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return x * (torch.rand(shape, generator=generator) < 0.8)


def metric(seed, shape=(4, 6)):
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.exp(torch.randn(shape, generator=generator, dtype=torch.float64))


def test_a_tree_of_one_or_two_levels_is_what_is_known():
    v, h = point(0), metric(0)
    for tree, known in (
        (TreeGroupLasso(levels={6: 0.7}), GroupLasso(strength=0.7)),
        (TreeGroupLasso(levels={1: 0.3, 6: 0.7}), SparseGroupLasso(l1=0.3, strength=0.7)),
        (TreeGroupLasso(levels={1: 0.3}), L1(strength=0.3)),
    ):
        assert_close(tree.prox(v, 1.0), known.prox(v, 1.0))
        assert_close(tree.prox_metric(v, 1.0, h), known.prox_metric(v, 1.0, h))
        assert_close(tree.value(v), known.value(v))
        assert_close(tree.distance(h, v), known.distance(h, v))
        assert tree.lambda_max(v) == pytest.approx(known.lambda_max(v))


@given(seed=seeds, step=st.floats(0.0, 3.0), in_metric=st.booleans())
def test_no_point_is_better_than_where_a_tree_ends(seed, step, in_metric):
    v, h = point(seed), metric(seed) if in_metric else torch.ones(4, 6, dtype=torch.float64)
    x = TREE.prox_metric(v, step, h) if in_metric else TREE.prox(v, step)

    def cost(z):
        return (h * (z - v).square()).sum() / 2 + step * TREE.value(z)

    for other in (v, torch.zeros_like(v), x + 1e-3 * point(seed + 2), point(seed + 3), 1.01 * x):
        gap = (h * (other - x).square()).sum() / 2
        assert cost(x) + gap <= cost(other) + 1e-9 * (1 + cost(other))


@given(seed=seeds)
def test_a_tree_ends_where_it_is_stationary(seed):
    v, h = point(seed), metric(seed)
    x = TREE.prox(v, 1.0)
    assert TREE.distance(x - v, x).max() < 1e-9
    x = TREE.prox_metric(v, 1.0, h)
    assert TREE.distance(h * (x - v), x).max() < 1e-6


@given(seed=seeds)
def test_the_distance_of_a_tree_is_no_further_than_any_subgradient(seed):
    w, gradient = point(seed), point(seed + 1)
    leaf = w.clone().requires_grad_()
    (slope,) = torch.autograd.grad(TREE.value(leaf), leaf)
    distance = TREE.distance(gradient, w)
    assert (distance <= (gradient + slope).norm(dim=1) + 1e-12).all()
    least = TREE.lambda_max(gradient)
    zero = torch.zeros_like(w)
    assert TREE.scaled(least * (1 + 1e-9)).distance(gradient, zero).max() < 1e-9
    if least > 0:
        assert TREE.scaled(least * 0.99).distance(gradient, zero).max() > 0


def test_overlapping_groups_leave_a_union_of_groups():
    torch.manual_seed(0)
    truth = torch.tensor([0, 0, 1.0, 2.0, -1.5, 0, 0, 0])
    x = torch.randn(100, 8)
    layer = nn.Linear(8, 1, bias=False)
    before = layer.weight.detach().clone()
    groups = duplicate_weights(layer, [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7]])
    assert_close(layer.weight, before)
    assert groups.gather().shape == (4, 3)
    optimizer = Proximal(optim.Adam(layer.parameters(), 0.05), [(groups, GroupLasso(strength=0.1))])
    for _ in range(600):
        optimizer.zero_grad()
        (layer(x)[:, 0] - x @ truth).square().mean().backward()
        optimizer.step()
    assert exact_zeros(groups) == {"weight": 3}
    parametrize.remove_parametrizations(layer, "weight")
    assert (layer.weight[0] != 0).tolist() == (truth != 0).tolist()


def test_errors_name_the_argument():
    with pytest.raises(
        ValueError, match=r"levels must have sizes that divide the next, got \[2, 3\]"
    ):
        TreeGroupLasso(levels={2: 1.0, 3: 1.0})
    with pytest.raises(ValueError, match="levels must be >= 0, got -1"):
        TreeGroupLasso(levels={2: -1.0})
    with pytest.raises(ValueError, match="levels must divide the 6 elements of a group, got 4"):
        TreeGroupLasso(levels={4: 1.0}).value(torch.ones(2, 6))
    with pytest.raises(
        ValueError, match=r"members must be places in \[0, 2\], each once in a group"
    ):
        duplicate_weights(nn.Linear(3, 1), [[0, 1, 3]])
    with pytest.raises(
        ValueError, match=r"members must hold every weight of 'weight', but not \[2\]"
    ):
        duplicate_weights(nn.Linear(3, 1), [[0, 1]])


@pytest.mark.parametrize("mode", ["kernel", "reference"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 100.0])
def test_the_step_in_a_metric_is_exact_whatever_the_scales(mode, dtype, scale):
    """Many groups, h over eight orders of magnitude, steps from short to where most become zero."""
    shape = 3000, 40
    v = torch.randn(shape, dtype=torch.float64) * 10 ** torch.empty(3000, 1).uniform_(-3, 1)
    h = 10 ** torch.empty(shape, dtype=torch.float64).uniform_(-8, 0)
    v, h = v.to(dtype), h.to(dtype)
    t = scale * torch.rand(3000, dtype=dtype)
    with implementation(mode):
        x = prox.metric_block_soft_threshold(v, t, h)
    v, h, t, x = (y.double() for y in (v, h, t, x))
    zero = (x == 0).all(1)
    pull = (h * v).norm(dim=1)
    sure = (pull - t).abs() > 1e-6 * t  # elsewhere rounding decides
    assert torch.equal(zero[sure], (pull <= t)[sure])
    assert (~zero).any()
    x, v, h, t = x[~zero], v[~zero], h[~zero], t[~zero, None]
    left = (h * (x - v) + t * x / x.norm(dim=1, keepdim=True)).norm(dim=1)
    assert (left / pull[~zero]).max() < (1e-6 if dtype == torch.float32 else 1e-14)


@pytest.mark.parametrize("mode", ["kernel", "reference"])
def test_edges_of_the_step_in_a_metric(mode):
    v = torch.tensor([[3.0, -4.0], [3.0, -4.0], [0.0, 0.0], [math.nan, 1.0], [0.0, 1.0]])
    h = torch.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1e-8, 1.0]])
    t = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.5])
    with implementation(mode):
        x = prox.metric_block_soft_threshold(v, t, h)
        sparse = prox.metric_block_soft_threshold(v[:1], t[:1], h[:1], l1=0.5)
    assert_close(x[:1], prox.block_soft_threshold(v[:1], 1.0))
    assert torch.equal(x[1:3], v[1:3])
    assert x[3].isnan().any()
    assert_close(x[4], torch.tensor([0.0, 0.5]))
    assert_close(sparse, prox.block_soft_threshold(prox.soft_threshold(v[:1], 0.5), 1.0))
