"""Compaction: the same outputs from a smaller model."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from huashi.regularization import GroupLasso, GroupSquaredL2, Proximal, channels, compact
from tests.regularization.compaction.sparse_networks import (
    call,
    difference,
    silence,
    size,
    sparse,
)
from tests.regularization.topologies import TOPOLOGIES, Net, images

NO_TRAINING = {"sigmoid"}  # what is folded is constant in evaluation only, or nothing is


@pytest.mark.parametrize("share", [0.5, 0.2, 1.0])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_gives_the_same_from_less(name, share):
    model, example = sparse(name, share)
    before = copy.deepcopy(model.state_dict())
    done = compact(model, example)
    other = pytree.tree_map(
        lambda x: torch.randn_like(x) if x.is_floating_point() else x.flip(0), example
    )
    small = copy.deepcopy(done.model).eval()
    for x in (example, other):
        assert difference(call(copy.deepcopy(model).eval(), x), call(small, x)) <= 1e-4
    assert size(small) < size(model) or (name in {"grouped", "halves"} and share == 0.2)
    if share == 0.5:
        assert size(small) < 0.81 * size(model)
    assert done.report.parameters == (size(model), size(small))
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert done.model.training == model.training


@pytest.mark.parametrize("name", [name for name in TOPOLOGIES if name not in NO_TRAINING])
def test_gives_the_same_in_training(name):
    model, example = sparse(name)
    small = compact(model, example).model.train()
    assert difference(call(model.train(), example), call(small, example)) <= 1e-4


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_trains_on(name):
    model, example = sparse(name)
    small = compact(model, example).model
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    before = copy.deepcopy(small)
    sum(leaf.square().sum() for leaf in pytree.tree_leaves(call(small, example))).backward()
    optimizer.step()
    assert difference(call(before.eval(), example), call(small.eval(), example)) > 0


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["residual", "grouped", "flatten", "lstm", "attention"])
def test_training_takes_the_same_way(name, optimizer):
    """As the whole model of which the groups that are zero stay so."""
    model, example = sparse(name)
    chosen = OPTIMIZERS[optimizer](model.parameters())
    groups = channels(model, example)
    zero = [one.zeros() for one in groups]

    def step(model, optimizer, frozen):
        optimizer.zero_grad()
        leaves = pytree.tree_leaves(call(model, example))
        sum(leaf.square().mean() for leaf in leaves).backward()
        optimizer.step()
        with torch.no_grad():
            for one, which in zip(groups, zero, strict=True) if frozen else ():
                one.scatter_(one.gather() * ~which[:, None])
        return torch.cat([leaf.detach().flatten() for leaf in leaves])

    for _ in range(3):
        step(model, chosen, True)
    done = compact(model, example, optimizer=chosen)
    assert done.optimizer is not chosen
    assert size(done.model) < size(model)
    for _ in range(5):
        want = step(model, chosen, True)
        got = step(done.model, done.optimizer, False)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    held = {p for group in done.optimizer.param_groups for p in group["params"]}
    assert held == set(done.model.parameters())


@pytest.mark.parametrize("round_to", [4, 8])
def test_rounds_up(round_to):
    model, example = sparse("plain", 0.7)
    done = compact(model, example, round_to=round_to)
    assert done.model[0].out_channels == round_to
    assert done.model[3].out_channels == round_to
    assert any("rounded up" in kept.why for kept in done.report.kept)


def test_channels_that_nothing_reads_go():
    model, example = TOPOLOGIES["plain"]()
    with torch.no_grad():
        model[3].weight[:, :3] = 0
        model[7].weight[:, 2:4] = 0
    small = compact(model, example).model
    assert (small[0].out_channels, small[3].out_channels) == (5, 6)


def test_constant_channels_go_into_biases():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sigmoid(), nn.Conv2d(4, 2, 3, bias=False)
    )
    with torch.no_grad():
        model[1].weight[:2] = 0
        model[1].bias.normal_()
    small = compact(model, images()).model
    assert (small[0].out_channels, small[3].in_channels) == (2, 2)
    assert small[3].bias is not None
    assert model[3].bias is None


def test_a_new_bias_is_trained():
    model, example = sparse("sigmoid")
    optimizer = torch.optim.AdamW(model.parameters())
    done = compact(model, example, optimizer=optimizer)
    added = done.model[2].bias
    assert any(p is added for p in done.optimizer.param_groups[0]["params"])


def test_layers_behind_a_layer_of_zeros_go():
    """All of a branch is constant, so its inner layers keep what they must."""
    model, example = TOPOLOGIES["residual"]()
    with torch.no_grad():
        model.second.weight.zero_()
        model.bn3.weight.zero_()
        model.bn3.bias.zero_()
    small = compact(model, example).model
    assert small.first.out_channels == 1


def test_a_model_that_is_a_layer_of_torch():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    silence(model.linear1, *range(6))
    with torch.no_grad():
        model.self_attn.in_proj_weight[16:20] = 0
    done = compact(model, torch.randn(2, 5, 8))
    assert done.model.linear1.out_features == 10
    assert done.model.self_attn.num_heads == 1
    with pytest.raises(ValueError, match="what is kept: it is an output of the model"):
        channels(nn.LSTM(3, 5), torch.randn(4, 2, 3))


def test_a_model_that_cannot_be_traced_is_refused():
    class Looks(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match=r"model must be one that torch\.fx can trace"):
        compact(Looks(), torch.ones(2))


def test_errors():
    model, example = TOPOLOGIES["plain"]()
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got int"):
        compact(3, example)
    with pytest.raises(TypeError, match="example must be a tensor"):
        compact(model, 3)
    with pytest.raises(ValueError, match="example must be what the model is called with"):
        compact(model, (example, example))
    with pytest.raises(ValueError, match="round_to must be > 0, got 0"):
        compact(model, example, round_to=0)


def test_the_squared_form_is_warned_of():
    model, example = TOPOLOGIES["plain"]()
    with pytest.warns(UserWarning, match="GroupSquaredL2 is weight decay"):
        compact(model, example, penalties=[GroupSquaredL2()])


def test_an_optimizer_with_penalties_is_taken_out_of_its_wrapping():
    model, example = sparse("plain")
    inner = torch.optim.SGD(model.parameters(), lr=0.1)
    groups = channels(model, example)
    done = compact(model, example, optimizer=Proximal(inner, [(groups, GroupLasso())]))
    assert type(done.optimizer) is torch.optim.SGD
    with pytest.warns(UserWarning, match="GroupSquaredL2 is weight decay"):
        compact(model, example, optimizer=Proximal(inner, [(groups, GroupSquaredL2())]))
    again = Proximal(done.optimizer, [(channels(done.model, example), GroupLasso(strength=1e9))])
    call(done.model, example).sum().backward()
    again.step()
    assert all(groups.zeros().all() for groups in channels(done.model, example))


def test_reports():
    model, example = sparse("residual")
    report = compact(model, example, latency=(1,)).report
    json.dumps(report.to_dict())
    assert report.flops[1] < 0.5 * report.flops[0]
    assert report.zeros[0] > report.zeros[1]
    assert min(report.latency[1]) > 0
    text = str(report)
    assert "stem (Conv2d): weight (8, 3, 3, 3) -> (4, 3, 3, 3)" in text
    assert "FLOPs" in text
    assert "ms, 1" in text


def test_named_arguments():
    model, (x, y) = TOPOLOGIES["shared"]()
    with torch.no_grad():
        model.first.weight[:3] = 0
        model.first.bias[:3] = 0
    assert compact(model, {"y": y, "x": x}).model.first.out_channels == 5


def test_changes_in_place_are_followed():
    def body(self, x):
        y = self.stem(x)
        F.sigmoid(y)
        y.sigmoid_()
        return self.head(y)

    model = Net(body, stem=nn.Conv2d(3, 8, 3), head=nn.Conv2d(8, 2, 3, bias=False))
    with torch.no_grad():
        model.stem.weight[:3] = 0
        model.stem.bias[:3] = 0
    small = compact(model, images()).model
    assert small.stem.out_channels == 5
    assert small.head.bias.abs().min() > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes(dtype):
    model, example = sparse("residual")
    small = compact(model.to(dtype), example.to(dtype), tolerance=0.1).model
    assert small.head.weight.dtype == dtype
    assert size(small) < 0.5 * size(model)


def test_memory_format_and_frozen_parameters_stay():
    model, example = sparse("plain")
    model = model.to(memory_format=torch.channels_last)
    model[3].weight.requires_grad_(False)
    small = compact(model, example).model
    assert small[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert not small[3].weight.requires_grad
    assert small[0].weight.requires_grad


def test_nothing_is_drawn_from_the_random_numbers():
    model, example = sparse("attention")
    before = torch.get_rng_state()
    compact(model, example)
    assert torch.equal(torch.get_rng_state(), before)
