"""Penalties: golden values, and that no point is better than where a proximal step ends."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from huashi.regularization import (
    L1,
    AtMost,
    ElasticNet,
    Exclusive,
    GroupHalf,
    GroupLasso,
    GroupMax,
    GroupMCP,
    GroupSCAD,
    GroupSquaredL2,
    NOfM,
    Nuclear,
    SparseGroupLasso,
    prox,
)

V = torch.tensor([[3.0, -4.0, 0.0, 1.0]], dtype=torch.float64)
H = torch.tensor([[1.0, 2.0, 4.0, 0.5]], dtype=torch.float64)
PENALTIES = {
    "l1": L1(strength=0.7),
    "squared": GroupSquaredL2(strength=0.7),
    "elastic net": ElasticNet(l1=0.4, l2=0.3),
    "group lasso": GroupLasso(strength=0.8),
    "group lasso, by size": GroupLasso(strength=0.3, weights="sqrt"),
    "group lasso, weighted": GroupLasso(weights=torch.tensor([0.0, 0.5, 2.0])),
    "sparse group lasso": SparseGroupLasso(l1=0.3, strength=0.5),
    "exclusive": Exclusive(strength=0.6),
    "largest": GroupMax(strength=0.8),
    "nuclear": Nuclear(strength=0.7),
}
CONCAVE = {
    "mcp": GroupMCP(strength=0.8, gamma=2.0),
    "scad": GroupSCAD(strength=0.6, a=3.0),
    "half": GroupHalf(strength=0.7),
}
CONSTRAINTS = {"at most": AtMost(groups=2), "n of m": NOfM(n=1, m=2)}
NORMS = [name for name in PENALTIES if name not in ("squared", "elastic net", "exclusive")]
every_penalty = pytest.mark.parametrize("name", PENALTIES)
seeds = st.integers(0, 2**20)


def point(seed, scale=2.0):
    """Three groups of four; some elements, and at times whole groups, are 0."""
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(3, 4, generator=generator, dtype=torch.float64)
    x *= torch.rand(3, 4, generator=generator) < 0.8
    return x * (torch.rand(3, 1, generator=generator) < 0.8)


def metric(seed, name=""):
    generator = torch.Generator().manual_seed(seed + 1)
    h = torch.exp(torch.randn(3, 4, generator=generator, dtype=torch.float64))
    return h if name != "nuclear" else h.amax().expand(3, 4)  # it knows no other


@pytest.mark.parametrize(
    ("penalty", "step", "want"),
    [
        (L1(), 1.0, [2, -3, 0, 0]),
        (GroupLasso(), 2.0, [1.823303189, -2.431070919, 0, 0.60776773]),
        (GroupLasso(), 6.0, [0, 0, 0, 0]),
        (SparseGroupLasso(l1=0.5), 1.0, [1.922649731, -2.691709623, 0, 0.384529946]),
        (GroupSquaredL2(), 0.5, [1.5, -2, 0, 0.5]),
        (Exclusive(), 0.25, [1.833333333, -2.833333333, 0, 0]),
    ],
)
def test_golden_steps(penalty, step, want):
    assert_close(
        penalty.prox(V, step), torch.tensor([want], dtype=torch.float64), rtol=0, atol=1e-9
    )


def test_golden_steps_in_a_metric():
    x = GroupLasso().prox_metric(V, 3.0, H)
    want = torch.tensor([[1.530553541, -2.702634064, 0, 0.342448121]], dtype=torch.float64)
    assert_close(x, want, rtol=0, atol=1e-9)
    assert x.norm().item() == pytest.approx(3.124755309, abs=1e-9)
    assert not GroupLasso().prox_metric(V, 9.0, H).any()
    assert GroupLasso().prox_metric(V, 8.5, H).any()  # ||h v|| = 8.5586


def test_golden_other_thresholds():
    half = prox.half_threshold(torch.tensor([1.0, 0.9], dtype=torch.float64), 0.5)
    assert_close(half, torch.tensor([0.7015158584, 0], dtype=torch.float64), rtol=0, atol=1e-10)
    matrix = torch.tensor([[3.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    assert_close(prox.singular_value_threshold(matrix, 3.0), torch.full_like(matrix, 0.5))


@every_penalty
@given(seed=seeds, step=st.floats(0.0, 4.0), in_metric=st.booleans())
def test_no_point_is_better(name, seed, step, in_metric):
    """By the three-point inequality, which a step in a convex penalty has to hold everywhere."""
    penalty, v, h = PENALTIES[name], point(seed), metric(seed, name)
    if not in_metric:
        h = torch.ones_like(h)
    x = penalty.prox_metric(v, step, h) if in_metric else penalty.prox(v, step)

    def cost(z):
        return (h * (z - v).square()).sum() / 2 + step * penalty.value(z)

    for other in (v, torch.zeros_like(v), x + 1e-3 * point(seed + 2), point(seed + 3), 1.01 * x):
        gap = (h * (other - x).square()).sum() / 2
        assert cost(x) + gap <= cost(other) + 1e-9 * (1 + cost(other))


@every_penalty
@given(seed=seeds)
def test_a_step_ends_where_it_is_stationary(name, seed):
    penalty, v, h = PENALTIES[name], point(seed), metric(seed, name)
    x = penalty.prox(v, 1.0)
    assert penalty.distance(x - v, x).max() < 1e-9
    x = penalty.prox_metric(v, 1.0, h)
    assert penalty.distance(h * (x - v), x).max() < 1e-6


@every_penalty
@given(seed=seeds)
def test_distance_is_how_far_the_nearest_subgradient_is(name, seed):
    """Zero along the penalty's own slope; and no further than the slope that autograd knows."""
    penalty, w, gradient = PENALTIES[name], point(seed), point(seed + 1)
    distance = penalty.distance(gradient, w)
    leaf = w.clone().requires_grad_()
    (slope,) = torch.autograd.grad(penalty.value(leaf), leaf)
    assert (distance <= (gradient + slope.nan_to_num()).norm(dim=1) + 1e-12).all()
    if (w != 0).all():
        assert_close(distance, (gradient + slope).norm(dim=1))


@pytest.mark.parametrize("name", CONCAVE)
@given(seed=seeds, step=st.floats(0.0, 6.0))
def test_no_point_is_better_of_a_concave_penalty(name, seed, step):
    """Steps from 2 on are longer than these penalties stay convex."""
    penalty, v = CONCAVE[name], point(seed)
    x = penalty.prox(v, step)
    best = ((x - v).square().sum(1) / 2).sum() + step * penalty.value(x)
    factors = torch.linspace(0, 1.2, 200, dtype=torch.float64)
    for row in range(3):
        others = x.repeat(200, 1, 1)
        others[:, row] = factors[:, None] * v[row]
        costs = (others - v).square().sum((1, 2)) / 2 + step * torch.vmap(penalty.value)(others)
        assert (best <= costs + 1e-9).all()


@pytest.mark.parametrize("name", CONCAVE)
@given(seed=seeds)
def test_slopes_of_concave_penalties(name, seed):
    penalty, w = CONCAVE[name], point(seed)
    leaf = w.clone().requires_grad_()
    (slope,) = torch.autograd.grad(penalty.value(leaf), leaf)
    some = w.norm(dim=1) > 0
    assert penalty.distance(-slope, w)[some].sum() < 1e-12
    assert not penalty.distance(torch.zeros_like(w), w)[~some].any()
    x = penalty.prox(w, 0.5)
    assert penalty.distance((x - w) / 0.5, x).max() < 1e-9


@pytest.mark.parametrize("name", CONSTRAINTS)
@given(seed=seeds, in_metric=st.booleans())
def test_the_nearest_point_that_is_allowed(name, seed, in_metric):
    constraint, v, h = CONSTRAINTS[name], point(seed), metric(seed)
    if name == "n of m":  # each row for itself
        v, h = v[:1], h[:1]
    x = constraint.prox_metric(v, 1.0, h) if in_metric else constraint.prox(v, 1.0)
    h = h if in_metric else torch.ones_like(h)
    assert constraint.value(x) == 0
    shape = (3, 1) if name == "at most" else (1, 4)
    for choice in itertools.product([0.0, 1.0], repeat=math.prod(shape)):
        other = v * torch.tensor(choice, dtype=v.dtype).view(shape)
        if constraint.value(other) == 0:
            better = (h * (other - v).square()).sum() < (h * (x - v).square()).sum() - 1e-12
            assert not better
    assert not constraint.distance(torch.where(x != 0, 0, v), x).any() or not v.all()


@pytest.mark.parametrize("name", NORMS)
@given(seed=seeds)
def test_zero_is_stationary_from_lambda_max_on(name, seed):
    penalty, gradient = PENALTIES[name], point(seed)
    least, zero = penalty.lambda_max(gradient), torch.zeros_like(gradient)
    if math.isinf(least):
        assert name == "group lasso, weighted"  # the first weighs nothing
        assert gradient[0].any()
        return
    assert penalty.scaled(least * (1 + 1e-9)).distance(gradient, zero).max() < 1e-9
    if least > 0:
        assert penalty.scaled(least * 0.99).distance(gradient, zero).max() > 0


def test_only_the_norm_of_groups_makes_groups_zero():
    """The same toy, with the two penalties that texts confuse."""
    torch.manual_seed(0)
    x = torch.randn(200, 12, dtype=torch.float64)
    truth = torch.zeros(4, 3, dtype=torch.float64)
    truth[1] = torch.tensor([1.0, -2.0, 1.5])
    y = x @ truth.flatten()
    zero = {}
    for penalty in (GroupLasso(strength=0.1), GroupSquaredL2(strength=0.1)):
        w, step = torch.zeros(4, 3, dtype=torch.float64), 0.1
        for _ in range(500):
            gradient = (x.mT @ (x @ w.flatten() - y) / len(y)).view(4, 3)
            w = penalty.prox(w - step * gradient, step)
        zero[type(penalty)] = (w == 0).all(1).tolist()
        gradient = (x.mT @ (x @ w.flatten() - y) / len(y)).view(4, 3)
        assert penalty.distance(gradient, w).max() < 1e-6
    assert zero == {GroupLasso: [True, False, True, True], GroupSquaredL2: [False] * 4}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_zeros_and_empty_thresholds_give_no_nan(dtype):
    zero = torch.zeros(2, 3, dtype=dtype)
    for name, penalty in PENALTIES.items():
        if "weighted" in name:
            continue
        for step in (0.0, 1.0):
            assert not penalty.prox(zero, step).any(), name
            assert not penalty.prox_metric(zero, step, torch.ones_like(zero)).any(), name


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="strength must be >= 0, got -1"):
        GroupLasso(strength=-1)
    with pytest.raises(ValueError, match="l1 must be >= 0, got nan"):
        SparseGroupLasso(l1=math.nan)
    with pytest.raises(ValueError, match="did you mean 'sqrt'"):
        GroupLasso(weights="sqr")
    with pytest.raises(ValueError, match=r"weights must have shape \(3,\), one for each group"):
        GroupLasso(weights=torch.ones(2)).value(torch.ones(3, 4))
