"""Proximal: each optimiser and step ends where it says."""

import pytest
import torch
from torch import nn, optim
from torch.testing import assert_close

from huashi.regularization import (
    L1,
    GroupLasso,
    Groups,
    GroupSquaredL2,
    LinearWarmUp,
    Proximal,
    Slices,
    SparseGroupLasso,
    certify,
    exact_zeros,
    filters,
    kkt_gap,
)
from huashi.regularization.optimizer.metric import count_gradients, metric
from tests.regularization.optimizer.regression import ADAPTIVE, OPTIMIZERS, Regression, golden, rows

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_the_mean_gradient_over_the_metric(name):
    """Seen where all gradients are equal, so that any mean of them is known."""
    w = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    gradient = torch.randn_like(w) + 0.1
    optimizer = OPTIMIZERS[name]([w])
    for step in range(12):
        before, w.grad = w.detach().clone(), gradient.clone()
        optimizer.step()
        group = optimizer.param_groups[0]
        count_gradients(optimizer, group, w)
        h, rate = metric(optimizer, group, w)
        moved = rate * gradient / (1 if h is None else h)
        if name != "centered" or step == 0:  # a momentum keeps older h
            loose = {"rtol": 0.2, "atol": 0} if name == "Adadelta" and step else {}
            loose = {"rtol": 10, "atol": 0} if name == "Adadelta" and not step else loose
            assert_close(before - w, moved, **loose)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_solves_what_is_written(name):
    problem, penalty = Regression(), SparseGroupLasso(l1=0.02, strength=0.05)
    optimizer = Proximal(OPTIMIZERS[name]([problem.w]), [(problem.groups, penalty)])
    problem.train(optimizer, 800, decay=0.98)
    assert problem.gap(penalty) < 5e-4
    assert exact_zeros(problem.groups) == {"w": 2}


def test_golden_group_lasso():
    w, loss = golden()
    optimizer = Proximal(optim.SGD([w], 0.5), [(rows(w, 2), GroupLasso(strength=1.0))])
    for _ in range(80):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert_close(w.data, torch.tensor([0.9, 1.2, 0, 0], dtype=torch.float64))
    assert w[2:].tolist() == [0, 0]


@pytest.mark.parametrize("name", ADAPTIVE)
def test_only_the_metric_step_of_adam_solves_the_sum(name):
    penalty, gaps = GroupLasso(strength=0.1), {}
    for step in ("metric", "decoupled"):
        problem = Regression()
        optimizer = OPTIMIZERS[name]([problem.w])
        problem.train(Proximal(optimizer, [(problem.groups, penalty)], step=step), 800, 0.98)
        gaps[step] = problem.gap(penalty)
    assert gaps["metric"] < 1e-4
    assert gaps["decoupled"] > 1e-2


def test_a_decoupled_step_rests_where_weights_of_small_gradients_are_penalised_more():
    """By lambda times h, with h = |gradient| + eps: at rest |gradient| = lambda (|gradient| + 1)."""
    problem, strength = Regression(), 0.1
    optimizer = optim.Adam([problem.w], 0.2, eps=1.0)
    pairs = [(problem.groups, L1(strength=strength))]
    problem.train(Proximal(optimizer, pairs, step="decoupled"), 3000)
    (gradient,) = torch.autograd.grad(problem.loss(), problem.w)
    held = strength / (1 - strength)
    active = problem.w != 0
    assert active.any()
    assert not active.all()
    assert_close(gradient[active], -held * problem.w.sign()[active], rtol=0, atol=5e-3)
    assert (gradient[~active].abs() <= held).all()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_subgradient_step_of_the_squared_form_is_weight_decay(momentum):
    ours, theirs = Regression(), Regression()
    penalty = GroupSquaredL2(strength=0.05)
    ours.train(
        Proximal(
            optim.SGD([ours.w], 0.02, momentum=momentum),
            [(ours.groups, penalty)],
            step="subgradient",
        ),
        50,
    )
    theirs.train(optim.SGD([theirs.w], 0.02, momentum=momentum, weight_decay=0.1), 50)
    assert_close(ours.w, theirs.w, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("step", ["metric", "subgradient"])
def test_the_squared_form_ends_where_weight_decay_does(step):
    """And makes nothing zero, where the norm of groups does."""
    ours, theirs, lasso = Regression(), Regression(), Regression()
    pairs = [(ours.groups, GroupSquaredL2(strength=0.05))]
    ours.train(Proximal(optim.SGD([ours.w], 0.1), pairs, step=step), 800)
    theirs.train(optim.SGD([theirs.w], 0.1, weight_decay=0.1), 800)
    assert_close(ours.w, theirs.w, rtol=0, atol=1e-6)
    lasso.train(Proximal(optim.SGD([lasso.w], 0.1), [(lasso.groups, GroupLasso(strength=0.1))]))
    assert exact_zeros(ours.groups) == {"w": 0}
    assert exact_zeros(lasso.groups) == {"w": 2}


def test_the_subgradient_step_solves_the_sum_but_for_zeros():
    problem, penalty, exact = Regression(), GroupLasso(strength=0.1), Regression()
    optimizer = Proximal(
        optim.SGD([problem.w], 0.1), [(problem.groups, penalty)], step="subgradient"
    )
    problem.train(optimizer, 800, 0.98)
    exact.train(Proximal(optim.SGD([exact.w], 0.1), [(exact.groups, penalty)]))
    assert_close(problem.w, exact.w, rtol=0, atol=1e-2)
    assert exact_zeros(problem.groups) == {"w": 0}
    assert exact_zeros(exact.groups) == {"w": 2}


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_half_spaces_solve_the_sum_among_those_left(name):
    problem, penalty = Regression(), GroupLasso(strength=0.1)
    optimizer = Proximal(
        OPTIMIZERS[name]([problem.w]),
        [(problem.groups, penalty)],
        step="half_space",
        schedule=LinearWarmUp(steps=100, start=50),
    )
    problem.train(optimizer, 50)
    assert exact_zeros(problem.groups) == {"w": 0}  # its schedule was 0
    problem.train(optimizer, 800, decay=0.98)
    zeros = problem.groups.zeros()
    assert zeros.tolist() == [True, False, True, False]
    [distance] = certify([(problem.groups, penalty)], problem.loss).distances
    assert distance[~zeros].max() < 1e-3
    problem.train(optimizer, 5)
    assert torch.equal(problem.groups.zeros(), zeros)


def test_dual_averaging_solves_the_sum():
    problem, penalty = Regression(), GroupLasso(strength=0.1)
    optimizer = optim.SGD([problem.w], 0.1)
    problem.train(Proximal(optimizer, [(problem.groups, penalty)], step="dual_averaging"), 1500)
    assert problem.gap(penalty) < 1e-3  # it falls with 1 / steps
    assert exact_zeros(problem.groups) == {"w": 2}


def test_dual_averaging_is_a_step_from_the_start_along_all_gradients():
    problem, penalty = Regression(), GroupLasso(strength=0.1)
    start, total = problem.w.detach().clone(), 0
    optimizer = Proximal(
        optim.SGD([problem.w], 0.2), [(problem.groups, penalty)], step="dual_averaging"
    )
    for count in range(1, 5):
        optimizer.zero_grad()
        problem.loss().backward()
        total = total + problem.w.grad
        optimizer.step()
        want = penalty.prox((start - 0.2 * total).view(4, 3), 0.2 * count)
        assert_close(problem.w.view(4, 3), want)


def test_one_group_over_parameters_of_other_rates():
    """The metric step with h / lr: where it rests does not depend on the rates."""
    for factory in (optim.SGD, optim.Adam):
        problem, penalty = Regression(), GroupLasso(strength=0.1)
        left, right = (
            nn.Parameter(part.clone()) for part in problem.w.detach().view(4, 3).split([1, 2], 1)
        )
        parts = (Slices("left", left, (4, 1), (0,)), Slices("right", right, (4, 2), (0,)))
        groups = Groups("w", parts)
        optimizer = factory([{"params": [left], "lr": 0.1}, {"params": [right], "lr": 0.03}])
        proximal = Proximal(optimizer, [(groups, penalty)])

        def loss(left=left, right=right, problem=problem):
            return (
                problem.x @ torch.cat([left, right], 1).flatten() - problem.y
            ).square().mean() / 2

        for step in range(800):
            for group, lr in zip(optimizer.param_groups, (0.1, 0.03), strict=True):
                group["lr"] = lr * 0.98 ** max(step - 400, 0)
            problem.w.data = torch.cat([left, right], 1).detach().flatten()
            problem.backward()
            left.grad, right.grad = problem.w.grad.view(4, 3).split([1, 2], 1)
            proximal.step()
        assert kkt_gap(groups, penalty, loss) < 2e-3
        assert exact_zeros(groups) == {"w": 2}


@pytest.mark.parametrize("kind", ["metric", "decoupled", "subgradient", "half_space"])
def test_a_compiled_step_does_the_same(kind):
    def trained(compiled):
        torch.manual_seed(0)
        layer = nn.Linear(10, 32)
        pairs = [(filters(layer, bias=True), GroupLasso(strength=0.1))]
        optimizer = Proximal(torch.optim.AdamW(layer.parameters(), lr=0.01), pairs, step=kind)
        layer(torch.randn(8, 10)).square().mean().backward()
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for _ in range(2):
            step()
        return layer.weight.detach()

    torch.testing.assert_close(trained(True), trained(False))


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_with_momentum_rests_where_the_sum_is_least(centered):
    """On one weight, loss (w - 1)^2 / 2 and 0.25 |w|: w = 0.75."""
    w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    groups = Groups("w", (Slices("w", w, (1, 1), (0,)),))
    inner = torch.optim.RMSprop([w], lr=0.01, momentum=0.9, centered=centered, eps=1e-3)
    optimizer = Proximal(inner, [(groups, GroupLasso(strength=0.25))])
    for step in range(2000):
        inner.param_groups[0]["lr"] = 0.01 * (1 - step / 2000)
        optimizer.zero_grad()
        ((w - 1).square() / 2).sum().backward()
        optimizer.step()
    torch.testing.assert_close(w.detach(), w.new_tensor([0.75]), rtol=0, atol=2e-3)
