"""Channels: what writes each is in one group, through sums, concatenations and groups."""

import pytest
import torch
from torch import nn

from huashi.regularization import channels, compact
from tests.regularization.topologies import TOPOLOGIES


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_coupled_channels_are_a_partition(name):
    model, example = TOPOLOGIES[name]()
    found = channels(model, example)
    counts = {p: torch.zeros_like(p) for p in model.parameters()}
    for groups in found:
        assert not groups.overlaps()
        for part in groups.parts:
            once = torch.zeros_like(part.parameter)
            part.scatter_(torch.ones_like(part.gather(once)), once)
            counts[part.parameter] += once
    assert all(count.max() <= 1 for count in counts.values())


def test_coupled_channels_through_a_sum():
    model, example = TOPOLOGIES["residual"]()
    stream, inner = channels(model, example)
    assert [part.name for part in stream.parts] == [
        *("stem.weight", "stem.bias", "bn1.weight", "bn1.bias"),
        *("second.weight", "bn3.weight", "bn3.bias"),
    ]
    assert [part.name for part in inner.parts] == ["first.weight", "bn2.weight", "bn2.bias"]
    assert channels(model, example, "first")[0].name == "first"


def test_coupled_channels_with_those_that_read_them():
    model, example = TOPOLOGIES["flatten"]()
    first, second = channels(model, example, consumers=True)
    assert first.gather().shape == (8, 27 + 1 + 12 * 16)
    assert second.gather().shape == (12, 128 + 1 + 4)
    with torch.no_grad():
        first.scatter_(torch.zeros(8, 220))
    assert not model[4].weight.any()
    grouped, example = TOPOLOGIES["grouped"]()
    shapes = [groups.gather().shape for groups in channels(grouped, example, consumers=True)]
    assert shapes == [(16, 3 + 1 + 27), (12, 36 + 1 + 2 + 4)]


def test_channels_that_cannot_go_are_in_no_group():
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"names must name modules of which .* normalizes over it"):
        channels(model, torch.randn(2, 4))
    model, example = TOPOLOGIES["plain"]()
    with pytest.raises(
        ValueError, match="names must name modules of which channels can go, got 'x'"
    ):
        channels(model, example, "x")


class GivenState(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 12, batch_first=True), nn.Linear(12, 2)

    def forward(self, x):
        zero = torch.zeros(1, 2, 12)
        return self.head(self.rnn(x, (zero, zero))[0][:, -1])


class Projecting(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 12, proj_size=4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Stepping(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(6, 12), nn.Linear(12, 2)

    def forward(self, x):
        h = torch.zeros(2, 12)
        for t in range(3):
            h = self.cell(x[:, t], h)
        return self.head(h)


def hooked():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    model.register_forward_hook(lambda *a: None)
    return model


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (GivenState, "'rnn' is given a state"),
        (Projecting, "'rnn' projects its hidden units"),
        (Stepping, r"'cell' \(GRUCell\) is not followed"),
        (hooked, "the Sequential is not followed: it has hooks"),
    ],
)
def test_the_reason_comes_before_that_something_is_an_output(build, reason):
    with pytest.raises(ValueError, match=f"what is kept: {reason}"):
        channels(build().eval(), torch.randn(2, 5, 6))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: torch.compile(model, backend="eager"),
        nn.DataParallel,
        lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
    ],
    ids=["compiled", "parallel", "both"],
)
def test_what_wraps_a_model_is_left_off(wrap):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    [found] = channels(wrap(model), torch.randn(2, 4))
    assert [part.name for part in found.parts] == ["0.weight", "0.bias"]
    with torch.no_grad():
        found.scatter_(torch.cat([found.gather()[:3], torch.zeros(5, 5)]))
    small = compact(wrap(model), torch.randn(2, 4)).model
    assert [layer.weight.shape for layer in (small[0], small[2])] == [(3, 4), (2, 3)]
