"""Lightweight and dynamic convolutions, against loops."""

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.convolution.lightweight import (
    DynamicConv1d,
    LightweightConv1d,
    dynamic_conv1d,
    lightweight_conv1d,
)

MODULES = (LightweightConv1d, DynamicConv1d)


def by_hand(x, weight, left):
    """Every result a sum written out; ``weight`` (batch, time, heads, kernel), normalised."""
    _, time, channels = x.shape
    heads, kernel = weight.shape[2:]
    y = torch.zeros_like(x)
    for t in range(time):
        for c in range(channels):
            for j in range(kernel):
                if 0 <= t + j - left < time:
                    y[:, t, c] += weight[:, t, c * heads // channels, j] * x[:, t + j - left, c]
    return y


@pytest.mark.parametrize(
    ("padding", "left"), [("same", lambda k: (k - 1) // 2), ("left", lambda k: k - 1)]
)
@pytest.mark.parametrize(("time", "kernel"), [(5, 3), (6, 4), (1, 3), (3, 7), (70, 5), (4, 1)])
def test_is_the_sum_over_taps(padding, left, time, kernel):
    x = torch.randn(2, time, 6).double()
    weight = torch.randn(2, time, 3, kernel).double()
    want = by_hand(x, weight.softmax(-1), left(kernel))
    assert_close(dynamic_conv1d(x, weight, padding=padding), want)
    shared = weight[:1, :1].expand(2, time, -1, -1)
    want = by_hand(x, shared.softmax(-1), left(kernel))
    assert_close(lightweight_conv1d(x, weight[0, 0], padding=padding), want)


def test_valid_is_causal_after_the_first_frames():
    x, weight = torch.randn(2, 9, 4).double(), torch.randn(2, 9, 2, 3).double()
    whole = dynamic_conv1d(x, weight, padding="left")
    assert_close(dynamic_conv1d(x, weight[:, 2:], padding="valid"), whole[:, 2:])


@pytest.mark.parametrize("module", MODULES)
def test_padding_counts_as_zero(module):
    layer = module(4, 2, 3).double()
    x = torch.randn(2, 6, 4).double()
    mask = torch.tensor([[True] * 4 + [False] * 2, [False] * 6])
    y = layer(x, mask)
    assert_close(y[0, :4], layer(x[:1, :4])[0])
    assert (y[1] == 0).all()


@pytest.mark.parametrize("time", [4, 40])
def test_gradients(time):
    x = torch.randn(1, time, 2).double().requires_grad_()
    weight = torch.randn(1, time, 2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(dynamic_conv1d, (x, weight), fast_mode=True)
    assert torch.autograd.gradcheck(lightweight_conv1d, (x, weight[0, 0]), fast_mode=True)


@pytest.mark.parametrize("module", MODULES)
def test_weights_are_dropped_in_training_alone(module):
    layer, x = module(4, 2, 3, dropout=0.5), torch.randn(2, 6, 4)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert_close(layer(x), layer(x))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="channels must be a multiple of 3 heads, got 4"):
        LightweightConv1d(4, 3, 3)
    with pytest.raises(ValueError, match="weight must have 5 positions, got 4"):
        dynamic_conv1d(torch.ones(1, 5, 2), torch.ones(1, 4, 1, 3))
    with pytest.raises(ValueError, match=r"padding must be one of .*, got 'causal'"):
        DynamicConv1d(4, 2, 3, padding="causal")


def test_no_kernel_serves():
    x, weight = torch.randn(2, 6, 4), torch.randn(2, 3)
    with implementation("kernel"):
        with pytest.raises(RuntimeError, match="lightweight_conv1d: torch's own products"):
            lightweight_conv1d(x, weight)
        with pytest.raises(RuntimeError, match="dynamic_conv1d: torch's own products"):
            dynamic_conv1d(x, weight.expand(2, 6, 2, 3))
