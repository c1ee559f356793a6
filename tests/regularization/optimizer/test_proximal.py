"""Proximal: all that works with an optimiser works with penalties on its groups."""

import copy
import math

import pytest
import torch
from torch import nn, optim
from torch.testing import assert_close

from huashi.regularization import (
    L1,
    AtMost,
    CubicRamp,
    GroupLasso,
    Groups,
    LinearWarmUp,
    Proximal,
    Slices,
    channels,
    exact_zeros,
    filters,
)
from tests.regularization.optimizer.regression import OPTIMIZERS, Regression, rows

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "step", ["metric", "decoupled", "subgradient", "half_space", "dual_averaging"]
)
def test_goes_on_bit_for_bit_from_a_state_dict(step):
    def start(problem):
        make = OPTIMIZERS["momentum" if step == "dual_averaging" else "Adam"]
        pairs = [(problem.groups, GroupLasso(strength=0.1))]
        return Proximal(make([problem.w]), pairs, step=step, schedule=CubicRamp(steps=40))

    straight, broken = Regression(), Regression()
    straight.train(start(straight), 30)
    first = start(broken)
    broken.train(first, 17)
    saved = copy.deepcopy(first.state_dict())
    second = start(broken)
    second.load_state_dict(saved)
    broken.train(second, 13)
    assert torch.equal(straight.w, broken.w)


def test_state_dicts_of_the_optimizer_alone_pass_to_and_fro():
    problem = Regression()
    alone = optim.AdamW([problem.w], 0.01)
    problem.train(alone, 3)
    proximal = Proximal(optim.AdamW([problem.w], 0.01), [(problem.groups, GroupLasso())])
    proximal.load_state_dict(alone.state_dict())
    assert proximal.state[problem.w]["step"] == 3
    alone.load_state_dict(proximal.state_dict())
    with pytest.raises(ValueError, match="parameter group"):
        proximal.load_state_dict({"state": {}, "param_groups": []})


def test_copies_and_pickles_with_its_model():
    problem = Regression()
    optimizer = Proximal(
        optim.Adam([problem.w], 0.05), [(problem.groups, GroupLasso(strength=0.1))]
    )
    problem.train(optimizer, 5)
    problem.optimizer = optimizer
    other = copy.deepcopy(problem)
    other.train(other.optimizer, 5)
    assert not torch.equal(problem.w, other.w)
    problem.train(optimizer, 5)
    assert torch.equal(problem.w, other.w)


def test_schedulers_change_the_rate_of_the_penalty():
    problem, penalty = Regression(), GroupLasso(strength=0.1)
    inner = optim.SGD([problem.w], 1.0)
    optimizer = Proximal(inner, [(problem.groups, penalty)])
    scheduler = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (0 * problem.w).sum().backward()
        before = problem.w.detach().view(4, 3).clone()
        optimizer.step()
        assert_close(problem.w.view(4, 3), penalty.prox(before, inner.param_groups[0]["lr"]))
        scheduler.step()  # a warning if it did not see the step
    assert inner.param_groups[0]["lr"] == pytest.approx(0.01)


def test_one_cycle_and_plateaus_take_it_for_an_optimizer():
    problem = Regression()
    optimizer = Proximal(optim.Adam([problem.w]), [(problem.groups, GroupLasso(strength=0.1))])
    for scheduler in (
        optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5),
        optim.lr_scheduler.ReduceLROnPlateau(optimizer),
    ):
        problem.train(optimizer, 1)
        scheduler.step(*[1.0] * isinstance(scheduler, optim.lr_scheduler.ReduceLROnPlateau))


def test_a_step_that_a_gradient_scaler_leaves_out_moves_nothing():
    problem = Regression()
    problem.w = nn.Parameter(problem.w.detach().float())
    groups = rows(problem.w)
    optimizer = Proximal(optim.Adam([problem.w], 0.05), [(groups, GroupLasso(strength=0.1))])
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    moved = []
    for factor in (1.0, math.inf, 1.0):
        before = problem.w.detach().clone()
        optimizer.zero_grad()
        scaler.scale(factor * problem.w.square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        moved.append(not torch.equal(before, problem.w))
    assert moved == [True, False, True]
    assert optimizer.progress == {"steps": 2}


@pytest.mark.parametrize("step", ["metric", "subgradient", "half_space", "dual_averaging"])
def test_a_closure_does_the_same_as_gradients_before(step):
    pair = Regression(), Regression()
    ours, theirs = (
        Proximal(optim.SGD([p.w], 0.1), [(p.groups, GroupLasso(strength=0.1))], step=step)
        for p in pair
    )

    def closure():
        ours.zero_grad()
        loss = pair[0].loss()
        loss.backward()
        return loss

    losses = [ours.step(closure) for _ in range(10)]
    pair[1].train(theirs, 10)
    assert_close(pair[0].w, pair[1].w)
    assert losses[-1] < losses[0]


def test_accumulated_gradients_are_as_those_of_the_whole_batch():
    whole, parts = Regression(), Regression()
    whole.train(Proximal(optim.SGD([whole.w], 0.1), [(whole.groups, GroupLasso(strength=0.1))]), 10)
    optimizer = Proximal(optim.SGD([parts.w], 0.1), [(parts.groups, GroupLasso(strength=0.1))])
    for _ in range(10):
        optimizer.zero_grad()
        for x, y in zip(parts.x.split(20), parts.y.split(20), strict=True):
            ((x @ parts.w - y).square().mean() / 8).backward()
        optimizer.step()
    assert_close(whole.w, parts.w)


def test_a_subgradient_leaves_the_gradients_of_the_loss():
    problem = Regression()
    optimizer = Proximal(
        optim.SGD([problem.w], 0.1), [(problem.groups, GroupLasso())], step="subgradient"
    )
    problem.loss().backward()
    gradient = problem.w.grad
    before = gradient.clone()
    optimizer.step()
    assert problem.w.grad is gradient
    assert torch.equal(gradient, before)


def test_groups_without_gradients_stay():
    problem, other = Regression(), nn.Parameter(torch.ones(4, 3))
    groups = Groups("other", (Slices("other", other, (4, 3), (0,)),))
    optimizer = Proximal(
        optim.Adam([problem.w, other]), [([problem.groups, groups], GroupLasso(strength=9.0))]
    )
    before = problem.w.detach().clone()
    problem.train(optimizer, 1)
    assert not torch.equal(problem.w, before)
    assert torch.equal(other, torch.ones(4, 3))
    optimizer.param_groups[0]["lr"] = 0.0
    before = problem.w.detach().clone()
    problem.loss().backward()
    optimizer.step()
    assert torch.equal(problem.w, before)


@pytest.mark.parametrize("step", ["metric", "subgradient", "dual_averaging"])
def test_a_group_of_which_a_part_has_no_gradient_is_left_to_the_optimizer(step):
    moved, still = nn.Parameter(torch.ones(4, 2)), nn.Parameter(torch.ones(4, 3))
    parts = (Slices("moved", moved, (4, 2), (0,)), Slices("still", still, (4, 3), (0,)))
    optimizer = Proximal(
        optim.SGD([moved, still], 0.1),
        [(Groups("both", parts), GroupLasso(strength=9.0))],
        step=step,
    )
    for _ in range(2):
        optimizer.zero_grad()
        moved.sum().backward()
        optimizer.step()
    assert_close(moved.data, torch.full((4, 2), 0.8))
    assert torch.equal(still, torch.ones(4, 3))


def test_parameters_that_come_later():
    problem, other = Regression(), nn.Parameter(torch.ones(4, 3))
    optimizer = Proximal(optim.SGD([problem.w], 0.1), [(problem.groups, GroupLasso(strength=0.1))])
    optimizer.add_param_group({"params": [other], "lr": 1.0})
    assert len(optimizer.optimizer.param_groups) == 2
    other.square().sum().backward()
    optimizer.step()
    assert torch.equal(other, -torch.ones(4, 3))
    optimizer.zero_grad()
    assert other.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_filters_of_a_network_become_zero(dtype, layout):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).to(dtype)
    model = model.to(memory_format=layout)
    optimizer = Proximal(
        optim.AdamW(model.parameters(), 1e-2), [(filters(model), GroupLasso(strength=0.1))]
    )
    for _ in range(60):
        optimizer.zero_grad()
        x = torch.randn(4, 3, 8, 8, dtype=dtype).to(memory_format=layout)
        (model(x).mean((1, 2, 3)) - x[:, 0].mean((1, 2))).square().mean().backward()
        optimizer.step()
    assert sum(exact_zeros(filters(model)).values()) > 4
    assert model[0].weight.dtype == dtype
    assert model[0].weight.is_contiguous(memory_format=layout)


def test_slimming_is_a_soft_threshold_of_the_scales():
    from huashi.regularization import norm_scales

    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    with torch.no_grad():
        model[1].weight.copy_(torch.linspace(-0.35, 0.35, 8))
    optimizer = Proximal(
        optim.SGD(model.parameters(), 1.0), [(norm_scales(model), L1(strength=0.1))]
    )
    (0 * model(torch.randn(2, 3, 4, 4))).sum().backward()
    optimizer.step()
    want = torch.tensor([-0.25, -0.15, -0.05, 0, 0, 0.05, 0.15, 0.25])
    assert_close(model[1].weight.data, want)
    assert exact_zeros(norm_scales(model)) == {"1": 2}


def test_schedules_and_the_value_of_the_penalty():
    problem = Regression()
    optimizer = Proximal(
        optim.SGD([problem.w], 0.0),
        [(problem.groups, L1(strength=2.0))],
        schedule=LinearWarmUp(steps=2),
    )
    for factor in (0, 0.5, 1, 1):
        assert optimizer.factor() == factor
        assert_close(optimizer.penalty(), 2 * factor * problem.w.abs().sum())
        optimizer.step()
    optimizer.penalty().backward()
    assert_close(problem.w.grad, 2 * problem.w.sign())


def test_fabric_trains_with_it():
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=1)
    model = nn.Linear(6, 4)
    optimizer = Proximal(
        optim.Adam(model.parameters(), 0.1),
        [(filters(model), GroupLasso(strength=1.0))],
        schedule=LinearWarmUp(steps=2),
    )
    model, wrapped = fabric.setup(model, optimizer)
    scheduler = optim.lr_scheduler.LambdaLR(wrapped, lambda step: 1.0)
    for _ in range(30):
        wrapped.zero_grad()
        fabric.backward(model(torch.randn(3, 6)).square().mean())
        wrapped.step()
        scheduler.step()
    assert wrapped.factor() == 1
    assert wrapped.state_dict()["proximal"] == {"steps": 30}
    assert exact_zeros(filters(model.module)) == {"": 4}


def test_errors_name_the_argument():
    w, other = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(4, 3))
    sgd, groups = optim.SGD([w], 0.1), rows(w)
    with pytest.raises(ValueError, match=r"step must be one of .* did you mean 'metric'"):
        Proximal(sgd, [(groups, GroupLasso())], step="metrics")
    with pytest.raises(ValueError, match="'metric' for ASGD"):
        Proximal(optim.ASGD([w]), [(groups, GroupLasso())])
    with pytest.raises(ValueError, match="'dual_averaging' for Adam"):
        Proximal(optim.Adam([w]), [(groups, GroupLasso())], step="dual_averaging")
    with pytest.raises(
        ValueError, match="groups must be of parameters that the optimizer has, got 'b'"
    ):
        Proximal(sgd, [(rows(other, name="b"), GroupLasso())])
    with pytest.raises(ValueError, match=r"groups of GroupLasso.* must name a parameter"):
        Proximal(sgd, [([], GroupLasso())])
    with pytest.raises(TypeError, match=r"penalties must be pairs \(groups, penalty\)"):
        Proximal(sgd, (groups, GroupLasso()))
    with pytest.raises(TypeError, match="optimizer must be a torch optimizer, got list"):
        Proximal([w], [(groups, GroupLasso())])
    twice = Groups("w", (Slices("w", w, (4, 3), (0,), torch.tensor([[0, 1], [1, 2]])),))
    with pytest.raises(ValueError, match="groups must share no weight under GroupLasso, got 'w'"):
        Proximal(sgd, [(twice, GroupLasso())])
    with pytest.raises(
        ValueError, match="penalty must have a slope for step 'subgradient', got AtMost"
    ):
        Proximal(sgd, [(groups, AtMost(groups=1))], step="subgradient")
    with pytest.raises(ValueError, match="schedule must be >= 0, got -1"):
        Proximal(sgd, [(groups, GroupLasso())], schedule=lambda step: -1).step()
    with pytest.raises(ValueError, match="steps must be > 0, got 0"):
        CubicRamp(steps=0)


def test_groups_of_one_penalty_share_no_weight_with_one_another():
    """What a channel is read by belongs to the next channel too."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    example = torch.ones(1, 2)
    Proximal(sgd, [(channels(model, example), GroupLasso())])
    with pytest.raises(ValueError, match="groups must share no weight under GroupLasso, got '2'"):
        Proximal(sgd, [(channels(model, example, consumers=True), GroupLasso())])
