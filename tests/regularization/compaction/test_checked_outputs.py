"""A smaller model gives the same outputs: whatever their kind and size, and at other lengths."""

import dataclasses

import pytest
import torch
from torch import nn

from huashi.regularization import channels, compact, load_compact, save_compact


@dataclasses.dataclass
class Record:
    y: torch.Tensor


class Plain:
    def __init__(self, y):
        self.inner = {"y": y}


class ChangedThroughAView(nn.Module):
    """Adds to channels in a way that no graph shows."""

    def __init__(self, scale, wrap):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 2)
        self.scale, self.wrap = scale, wrap

    def forward(self, x):
        y = self.conv(x)
        y.flatten(2).add_(1.0)
        y = self.head(y.mean((2, 3))) * self.scale
        return y if self.wrap is None else self.wrap(y)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
@pytest.mark.parametrize("wrap", [None, Record, lambda y: [{"y": Record(y)}]])
def test_outputs_of_any_kind_and_size_are_compared(scale, wrap):
    model = ChangedThroughAView(scale, wrap).eval()
    with torch.no_grad():
        model.conv.weight[:4] = 0
        model.conv.bias[:4] = 0
    with pytest.raises(RuntimeError, match="outputs must stay, but differ by"):
        compact(model, torch.randn(2, 3, 8, 8))


POOLS = {
    "log-sum-exp": lambda y: y.logsumexp(2),
    "sum of sigmoids": lambda y: y.sigmoid().sum(2),
    "peak of softmax": lambda y: y.softmax(2).amax(2),
    "mean of sigmoids": lambda y: y.sigmoid().mean(2),
}


class Pooled(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.conv, self.head, self.pool = nn.Conv1d(3, 8, 3, padding=1), nn.Linear(8, 2), pool

    def forward(self, x):
        return self.head(self.pool(self.conv(x)))


@pytest.mark.parametrize("name", POOLS)
def test_what_depends_on_the_length_is_no_constant(name):
    model = Pooled(POOLS[name]).eval()
    [groups] = channels(model, torch.randn(2, 3, 10))
    with torch.no_grad():
        weights = groups.gather().clone()
        weights[:4] = 0
        groups.scatter_(weights)
        result = compact(model, torch.randn(2, 3, 10))
        assert result.model.conv.out_channels == (4 if name.startswith("mean") else 8)
        for length in (3, 25):
            x = torch.randn(2, 3, length)
            torch.testing.assert_close(result.model(x), model(x))


class Shifted(nn.Module):
    def __init__(self, start=0.0):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 2)
        shift = torch.linspace(start, 1, 8)[:, None, None]
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, x):
        return self.head((self.conv(x) * self.shift).mean((2, 3)))


def test_a_buffer_that_is_not_persistent_is_cut_and_survives_saving(tmp_path):
    model, x = Shifted().eval(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        model.conv.weight[:4] = 0
        model.conv.bias[:4] = 0
    small = compact(model, x).model
    assert small.shift.shape == (4, 1, 1)
    save_compact(tmp_path / "small.safetensors", small)
    loaded = load_compact(tmp_path / "small.safetensors", Shifted(0.5)).eval()
    torch.testing.assert_close(loaded(x), small(x), rtol=0, atol=0)
    assert "shift" not in loaded.state_dict()


def test_a_compact_model_of_nan_is_refused(tmp_path):
    layer = nn.Linear(2, 3)
    layer.bias.data[1] = torch.nan
    save_compact(tmp_path / "small.safetensors", layer)
    with pytest.raises(ValueError, match="must hold numbers, got NaN in bias"):
        load_compact(tmp_path / "small.safetensors", nn.Linear(5, 3))
