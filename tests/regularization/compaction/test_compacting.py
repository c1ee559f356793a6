"""Compaction: the same outputs from a smaller model, and what stays is named."""

import copy
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from huashi.regularization import GroupLasso, GroupSquaredL2, Proximal, channels, compact
from tests.regularization.topologies import TOPOLOGIES, Net, images

NO_TRAINING = {"sigmoid"}  # what is folded is constant in evaluation only, or nothing is


def call(model, example):
    return model(*(example if isinstance(example, tuple) else (example,)))


def settle(model):
    """Statistics and scales as after some training."""
    with torch.no_grad():
        for module in model.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
            if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):
                module.weight.normal_()
                module.bias.normal_()
            if isinstance(module, nn.MultiheadAttention) and module.in_proj_bias is not None:
                module.in_proj_bias.normal_()
                module.out_proj.bias.normal_()


def sparse(name, share=0.5, seed=0):
    """A network of which some random groups are zero."""
    torch.manual_seed(seed)
    model, example = TOPOLOGIES[name]()
    settle(model)
    for groups in channels(model, example):
        matrix = groups.gather().detach().clone()
        matrix[torch.randperm(len(groups))[: max(1, int(share * len(groups)))]] = 0
        with torch.no_grad():
            groups.scatter_(matrix)
    return model, example


def difference(a, b):
    pairs = zip(pytree.tree_leaves(a), pytree.tree_leaves(b), strict=True)
    return max(float((x - y).detach().abs().max()) for x, y in pairs)


def size(model):
    return sum(p.numel() for p in model.parameters())


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


def padded(activation):
    return nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.Conv2d(8, 4, 3, padding=1))


def literal(self, x):
    return self.head(torch.relu(self.stem(x)).view(-1, 8 * 36))


def averaged(self, x):
    x = self.stem(x)
    return self.head(x / x.size(1))


def mixed(self, x):
    x = self.stem(x)
    return self.head(x - x.mean(1, keepdim=True))


def with_input(self, x):
    return self.head(x + self.stem(x))


def given_state(self, x):
    y, _ = self.rnn(x, torch.zeros(1, x.size(0), 6))
    return self.head(y)


def weights_read(self, x):
    y, weights = self.attend(x, x, x)
    return self.head(y), weights


STAY = {  # name: (model, example, what writes the channels, a part of why they stay)
    "output": lambda: (nn.Sequential(nn.Conv2d(3, 8, 3)), images(), "0", "output of the model"),
    "padding": lambda: (padded(nn.Sigmoid()), images(), "0", "cannot be folded"),
    "layer norm": lambda: (
        nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2)),
        torch.randn(2, 4),
        "0",
        "'1' (LayerNorm) normalizes over it",
    ),
    "softmax": lambda: (
        nn.Sequential(nn.Linear(4, 8), nn.Softmax(-1), nn.Linear(8, 2)),
        torch.randn(2, 4),
        "0",
        "'1' mixes or fixes channels",
    ),
    "size in the code": lambda: (
        Net(literal, stem=nn.Conv2d(3, 8, 3), head=nn.Linear(8 * 36, 2)),
        images(),
        "stem",
        "view mixes or fixes channels",
    ),
    "size as a number": lambda: (
        Net(averaged, stem=nn.Conv2d(3, 8, 3), head=nn.Conv2d(8, 2, 1)),
        images(),
        "stem",
        "truediv mixes or fixes channels",
    ),
    "mean over channels": lambda: (
        Net(mixed, stem=nn.Conv2d(3, 8, 3), head=nn.Conv2d(8, 2, 1)),
        images(),
        "stem",
        "mean mixes or fixes channels",
    ),
    "sum with the input": lambda: (
        Net(with_input, stem=nn.Conv2d(3, 3, 3, padding=1), head=nn.Conv2d(3, 2, 1)),
        images(),
        "stem",
        "add mixes or fixes channels",
    ),
    "weight norm": lambda: (
        nn.Sequential(
            nn.Linear(4, 8),
            nn.utils.parametrizations.weight_norm(nn.Linear(8, 6)),
            nn.ReLU(),
            nn.Linear(6, 2),
        ),
        torch.randn(2, 4),
        "0",
        "'1' (ParametrizedLinear) is not followed",
    ),
    "shuffle": lambda: (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.ChannelShuffle(2), nn.Conv2d(8, 2, 1)),
        images(),
        "0",
        "'1' mixes or fixes channels",
    ),
    "state": lambda: (
        Net(given_state, rnn=nn.GRU(4, 6, batch_first=True), head=nn.Linear(6, 2)),
        torch.randn(2, 5, 4),
        None,
        None,
    ),
}


@pytest.mark.parametrize("case", STAY)
def test_what_cannot_go_stays_and_is_named(case):
    model, example, name, why = STAY[case]()
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.ndim):
            parameter[:2] = 0
        done = compact(model, example)
    assert size(done.model) == size(model)
    if name is not None:
        named = [kept for kept in done.report.kept if kept.name == name]
        assert [kept.count for kept in named] == [2]
        assert why in named[0].why


def test_heads_stay_where_their_weights_are_read():
    attend = nn.MultiheadAttention(8, 4, batch_first=True)
    model = Net(weights_read, attend=attend, head=nn.Linear(8, 2))
    with torch.no_grad():
        attend.out_proj.weight[:, :4] = 0
    small = compact(model, torch.randn(2, 5, 8)).model
    assert small.attend.num_heads == 4


def test_code_that_cannot_be_traced_inside_stays():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Conv2d(8, 8, 1)

        def forward(self, x):
            return self.inner(x) if x.sum() > 0 else x

    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), Branches(), nn.Conv2d(8, 2, 1)
    )
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight[:3] = 0
            layer.bias[:3] = 0
    done = compact(model, images())
    assert (done.model[0].out_channels, done.model[2].out_channels) == (5, 8)
    assert "'3' (Branches) is not followed" in done.report.kept[0].why


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


def test_a_model_that_hides_what_it_does_is_caught():
    class Hides(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x):
            return self.head(self.stem(x)) + self.stem.out_channels

    model = Hides()
    with torch.no_grad():
        model.stem.weight[:3] = 0
        model.stem.bias[:3] = 0
    with pytest.raises(RuntimeError, match="outputs must stay, but differ by 3"):
        compact(model, images())


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


def silence(layer, *rows):
    """Make rows of a layer zero, and their biases."""
    with torch.no_grad():
        for parameter in layer.parameters(recurse=False):
            parameter[list(rows)] = 0


def test_layers_of_units_keep_equally_many():
    layer = nn.LSTM(3, 8, 2, batch_first=True)
    model = Net(lambda self, x: self.head(self.rnn(x)[0]), rnn=layer, head=nn.Linear(8, 2))
    one, two = channels(model, torch.randn(2, 5, 3))
    for groups, count in ((one, 2), (two, 5)):
        with torch.no_grad():
            groups.scatter_(groups.gather() * (torch.arange(8) >= count)[:, None])
    done = compact(model, torch.randn(2, 5, 3))
    assert done.model.rnn.hidden_size == 6
    assert [(kept.name, kept.count) for kept in done.report.kept] == [("rnn[1]", 3)]


def test_a_unit_that_reads_only_units_that_stay_zero():
    layer = nn.GRU(3, 6, batch_first=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter[12:15] = 0  # what proposes the values of the units 0, 1 and 2
        layer.weight_hh_l0[12, 1] = 1.0  # 0 reads 1, which stays zero
        layer.weight_hh_l0[14, 5] = 1.0  # 2 reads 5, which does not
    model = Net(lambda self, x: self.head(self.rnn(x)[0]), rnn=layer, head=nn.Linear(6, 2))
    assert compact(model, torch.randn(2, 5, 3)).model.rnn.hidden_size == 4


def test_what_mixes_channels_only_at_times_is_not_taken_for_harmless():
    class Mixes(nn.Module):
        def forward(self, x):
            return x - x.amin(1, keepdim=True) if (x < 0).any() else x

    model = nn.Sequential(nn.Conv2d(3, 8, 1), Mixes(), nn.Conv2d(8, 2, 1))
    silence(model[0], 0, 1)
    assert compact(model, images()).model[0].out_channels == 8


def test_code_that_cannot_be_traced_and_takes_channels_one_by_one_is_passed():
    class Clips(nn.Module):
        def forward(self, x):
            return x.clamp(min=-1) if (x < -1).any() else x

    model = nn.Sequential(nn.Conv2d(3, 8, 1), Clips(), nn.Conv2d(8, 2, 1))
    silence(model[0], 0, 1)
    assert compact(model, images()).model[0].out_channels == 6


def test_a_constant_that_meets_another_input_is_none():
    def body(self, x, y):
        return self.head(torch.sigmoid(self.stem(x)) + y)

    model = Net(body, stem=nn.Conv2d(3, 8, 1), head=nn.Conv2d(8, 2, 1))
    silence(model.stem, 0, 1)
    small = compact(model, (images(), torch.zeros(1, 1, 1, 1))).model
    assert small.stem.out_channels == 8


def test_a_constant_times_another_input_goes_if_it_is_zero():
    def body(self, x, y):
        return self.head(torch.relu(self.stem(x)) * y)

    model = Net(body, stem=nn.Conv2d(3, 8, 1), head=nn.Conv2d(8, 2, 1))
    silence(model.stem, 0, 1)
    small = compact(model, (images(), torch.ones(2, 1, 8, 8))).model
    assert small.stem.out_channels == 6


def test_a_constant_that_a_pool_pads_is_none():
    layers = nn.Conv2d(3, 8, 1), nn.Sigmoid(), nn.AvgPool2d(3, 1, 1), nn.Conv2d(8, 2, 1)
    silence(layers[0], 0, 1)
    assert compact(nn.Sequential(*layers), images()).model[0].out_channels == 8
    inside = *layers[:2], nn.AvgPool2d(3, 1), layers[3]
    assert compact(nn.Sequential(*inside), images()).model[0].out_channels == 6


def test_a_constant_that_a_depthwise_convolution_pads_is_none():
    for padding, left in ((1, 8), (0, 6)):
        model = nn.Sequential(
            nn.Conv2d(3, 8, 1),
            nn.Sigmoid(),
            nn.Conv2d(8, 8, 3, padding=padding, groups=8),
            nn.Conv2d(8, 2, 1),
        )
        silence(model[0], 0, 1)
        small = compact(model, images()).model
        assert (small[0].out_channels, small[2].groups) == (left, left)


def test_groups_of_a_normalization_go_whole():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 1))
    settle(model)
    silence(model[0], 0, 1, 2, 3, 6, 7)
    small = compact(model, images()).model
    assert (small[0].out_channels, small[1].num_groups, small[1].num_channels) == (4, 1, 4)


def test_a_layer_that_reads_two_constants_for_one_channel_keeps_it():
    def body(self, x):
        return self.head(torch.sigmoid(self.one(x))) + self.head(torch.sigmoid(self.two(x)))

    model = Net(body, one=nn.Conv2d(3, 8, 1), two=nn.Conv2d(3, 8, 1), head=nn.Conv2d(8, 2, 1))
    silence(model.one, 0, 1)
    silence(model.two, 0, 1)
    with torch.no_grad():
        model.two.bias[0] = 3.0
    done = compact(model, images())
    assert done.model.one.out_channels == 7
    assert "as different constants" in done.report.kept[0].why


def test_what_a_layer_with_two_names_holds_is_cut_once():
    both = nn.Conv2d(8, 8, 1)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), both, nn.ReLU(), both, nn.Conv2d(8, 2, 1))
    silence(model[0], 0, 1)
    silence(both, 0, 1)
    small = compact(model, images()).model
    assert small[1] is small[3]
    assert tuple(small[1].weight.shape) == (6, 6, 1, 1)


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


WIDTH = 4


def grow(draw, x):
    """A step of a random network: what it does, its modules, and its width."""
    kinds = ["conv", "point", "depthwise", "grouped", "norm", "group norm", "relu", "sigmoid"]
    kinds += ["add", "product", "cat", "halves", "pool"]
    kind = draw(st.sampled_from(kinds))
    width, other = x[draw(st.integers(0, len(x) - 1))], draw(st.integers(0, len(x) - 1))
    layer = {
        "conv": lambda: nn.Conv2d(width, WIDTH, 3, padding=1, bias=draw(st.booleans())),
        "point": lambda: nn.Conv2d(width, draw(st.sampled_from([WIDTH, 6])), 1, bias=False),
        "depthwise": lambda: nn.Conv2d(width, width, 3, padding=1, groups=width),
        "grouped": lambda: nn.Conv2d(width, WIDTH, 1, groups=2),
        "norm": lambda: nn.BatchNorm2d(width),
        "group norm": lambda: nn.GroupNorm(2, width),
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
        "pool": lambda: nn.MaxPool2d(3, 1, 1),
    }.get(kind)
    return kind, width, other, layer() if layer else None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_networks(data):
    """Any weights may be zero, not only those of a whole group."""
    torch.manual_seed(data.draw(st.integers(0, 99)))
    widths, steps, modules = [WIDTH], [], {"stem": nn.Conv2d(3, WIDTH, 1)}
    for place in range(data.draw(st.integers(3, 9))):
        kind, width, other, module = grow(data.draw, widths)
        at = widths.index(width)
        if kind in ("add", "product") and widths[other] != width:
            kind, module = "relu", nn.ReLU()
        if module is not None:
            modules[f"at{place}"] = module
        steps.append((kind, at, other, place))
        made = getattr(module, "out_channels", width)
        made = {"cat": width + widths[other], "halves": width // 2}.get(kind, made)
        widths.append(made if made % 2 == 0 else width)
        if made % 2:  # grouped layers need pairs
            steps[-1] = "keep", at, other, place
    modules["head"] = nn.Conv2d(widths[-1], 3, 1)

    def body(self, x):
        values = [self.stem(x)]
        for kind, at, other, place in steps:
            x, y = values[at], values[other]
            if kind in ("add", "product"):
                x = x + y if kind == "add" else x * y
            elif kind == "cat":
                x = torch.cat([x, y], 1)
            elif kind == "halves":
                x, y = x.chunk(2, 1)
                x = torch.maximum(x, y) if place % 2 else x - 0.5 * y
            elif kind != "keep":
                x = getattr(self, f"at{place}")(x)
            values.append(x)
        return self.head(values[-1])

    model = Net(body, **modules)
    settle(model)
    with torch.no_grad():
        for parameter in model.parameters():
            rows = torch.rand(len(parameter)) < data.draw(st.sampled_from([0.0, 0.5, 1.0]))
            parameter[rows] = 0
            if parameter.ndim > 1 and data.draw(st.booleans()):
                parameter[:, torch.rand(parameter.shape[1]) < 0.3] = 0
    small = compact(model, images()).model
    other = images(3)
    assert difference(model.eval()(other), small.eval()(other)) <= 1e-4
