"""Compaction: what cannot go stays, and is named."""

import pytest
import torch
from torch import nn

from huashi.regularization import channels, compact
from tests.regularization.compaction.sparse_networks import settle, silence, size
from tests.regularization.topologies import Net, images


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
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2), nn.Conv2d(2, 2, 1)),
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
