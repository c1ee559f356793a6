"""Networks of Huashi's convolutions made smaller: the same outputs, of images of any size."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import huashi
from huashi import convolution
from huashi.convolution.plain import Conv1d, Conv2d
from huashi.regularization import channels, compact, load_compact, save_compact
from tests.regularization.compaction.sparse_networks import difference, settle, size


def images():
    return torch.randn(2, 3, 26, 25)


def made(name, *args, **kwargs):
    return getattr(convolution, name)(*args, **kwargs)


def around(layer, width):
    """Plain convolutions before and after a layer of 8 channels."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 1),
        nn.ReLU(),
        layer,
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2, 1),
    )


def padded(padding, mode="zeros", activation=nn.ReLU):
    """With sigmoids zero channels are one half, which padding by zeros keeps out of biases."""
    return nn.Sequential(
        Conv2d(3, 8, 3, padding=[(0, 2), (1, 1)], padding_mode=mode),
        activation(),
        Conv2d(8, 8, 3, 2, padding=padding, padding_mode=mode),
        nn.BatchNorm2d(8),
        activation(),
        Conv2d(8, 8, 4, 2, padding=padding, groups=8, padding_mode=mode),
        activation(),
        Conv2d(8, 8, 3, padding=padding, groups=2, padding_mode=mode),
        activation(),
        nn.Conv2d(8, 2, 1),
    )


class Shuffled(nn.Module):
    """By torch's function, with a sum around it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 1)
        self.first = nn.Conv2d(12, 12, 1, groups=3)
        self.middle = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.last = nn.Conv2d(12, 12, 1, groups=3)
        self.head = nn.Conv2d(12, 2, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = F.channel_shuffle(F.relu(self.first(x)), 3)
        return self.head(F.relu(x + self.last(self.middle(y))))


NETWORKS = {
    "same, stride 2": lambda: padded("same"),
    "same_lower": lambda: padded("same_lower"),
    "asymmetric": lambda: padded([(2, 0), (0, 1)]),
    "same beside numbers": lambda: padded(["same", (1, 2)]),
    "reflected": lambda: padded([(2, 0), (0, 1)], "reflect"),
    "sigmoids, same": lambda: padded("same", activation=nn.Sigmoid),
    "sigmoids, valid": lambda: padded("valid", activation=nn.Sigmoid),
    "sigmoids, reflected": lambda: padded("same", "reflect", nn.Sigmoid),
    "sigmoids, asymmetric": lambda: padded([(1, 0), (0, 0)], activation=nn.Sigmoid),
    "shuffled by hand": Shuffled,
    "shuffle": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 1, groups=4),
        nn.ChannelShuffle(4),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1, groups=4),
        nn.ReLU(),
        nn.Conv2d(8, 2, 1),
    ),
    "depthwise separable": lambda: around(made("DepthwiseSeparableConv2d", 8, 12, 3, 2, 1), 12),
    "with a multiplier": lambda: around(
        made("DepthwiseSeparableConv2d", 8, 12, 3, 1, 1, multiplier=2, between=nn.BatchNorm2d),
        12,
    ),
    "super-separable": lambda: around(
        made("DepthwiseSeparableConv2d", 8, 12, 3, padding="same", groups=2), 12
    ),
    "spatially separable": lambda: around(
        made("SpatiallySeparableConv2d", 8, 12, 3, 2, "same", middle_channels=6), 12
    ),
    "flattened": lambda: around(made("FlattenedConv2d", 8, 12, 3, 2, 1), 12),
    "shuffled": lambda: around(
        made("ShuffledConv2d", 8, 16, 3, 2, 1, groups=4, between=nn.BatchNorm2d), 16
    ),
    "pointwise grouped": lambda: around(
        made("PointwiseGroupedConv2d", 8, 12, 3, 1, 1, groups=2, middle_channels=8), 12
    ),
    "mixed": lambda: around(made("MixedConv2d", 8, 12, (3, 5), 2, 2), 12),
    "mixed, in groups": lambda: around(made("MixedConv2d", 8, 8, (3, 5, 7), 1, 3, groups=8), 8),
    "mixed, in pairs": lambda: around(made("MixedConv2d", 8, 16, (3, 5), 2, "same", groups=4), 16),
    "mixed, beginning within": lambda: around(made("MixedConv2d", 8, 12, (3, 7), 1, 1), 12),
    "deformable": lambda: around(made("DeformableConv2d", 8, 12, 3, 1, 1), 12),
    "dynamic": lambda: around(made("DynamicKernelConv2d", 8, 12, 3, 1, 1), 12),
    "channel-wise": lambda: around(made("GroupChannelwiseConv2d", 8, 12, 3, 1, 1), 12),
}
WHOLE = {"mixed, beginning within", "deformable", "dynamic", "channel-wise"}
"""Layers of which nothing is known but that they read and write all channels."""


def sparse(name, share=0.5):
    model = NETWORKS[name]()
    example = images()
    settle(model)
    found = []
    for groups in channels(model, example):
        found.append(groups.name)
        matrix = groups.gather().detach().clone()
        matrix[torch.randperm(len(groups))[: max(1, int(share * len(groups)))]] = 0
        with torch.no_grad():
            groups.scatter_(matrix)
    return model.eval(), found


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_gives_the_same_from_less(name, share):
    model, found = sparse(name, share)
    done = compact(model, images())
    small = done.model
    for x in (images(), torch.randn(3, 3, 29, 31)):
        assert difference(model(x), small(x)) <= 1e-4
    assert len(found) >= (1 if name in WHOLE else 2)
    assert size(small) <= size(model)
    if share == 1:
        assert size(small) < size(model) * (1 if name in WHOLE else 0.95)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_gives_it_back(name, tmp_path):
    model, _ = sparse(name)
    small = compact(model, images()).model
    save_compact(tmp_path / "small.safetensors", small)
    torch.manual_seed(1)
    back = load_compact(tmp_path / "small.safetensors", NETWORKS[name]()).eval()
    x = images()
    assert torch.equal(back(x), small(x))
    assert repr(back) == repr(small)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_smaller_one_trains_compiles_and_exports(name):
    model, _ = sparse(name)
    small = compact(model, images()).model.train()
    small(images()).square().sum().backward()
    assert all(p.grad is not None for p in small.parameters())
    x = images()
    program = torch.export.export(small.eval(), (x,))
    assert difference(program.module()(x), small(x)) <= 1e-5


def test_over_time():
    model = nn.Sequential(
        Conv1d(3, 8, 3, padding=[(2, 0)]),
        nn.Sigmoid(),
        Conv1d(8, 8, 2, 2, padding="same"),
        nn.ReLU(),
        made("GLUConv1d", 8, 6, 3, padding="same"),
        nn.Conv1d(6, 2, 1),
    )
    x = torch.randn(2, 3, 11)
    for groups in channels(model, x):
        with torch.no_grad():
            matrix = groups.gather().detach().clone()
            matrix[: len(groups) // 2] = 0
            groups.scatter_(matrix)
    small = compact(model, x).model
    assert difference(model(x), small(x)) <= 1e-5
    assert small[2].out_channels == 4
    assert (small[4].in_channels, small[4].out_channels) == (4, 3)


def test_accelerated_pools_beside_them():
    model, _ = sparse("same, stride 2")
    model = nn.Sequential(nn.MaxPool2d(2, 1), model)
    x = images()
    want = model(x)
    huashi.accelerate(model)
    assert huashi.acceleration(model).accelerated == {"0": "MaxPool2d"}
    assert difference(model(x), want) <= 1e-6
    small = copy.deepcopy(compact(model, x).model)
    assert difference(small(x), want) <= 1e-4
