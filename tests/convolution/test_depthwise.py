"""A filter for each feature over time: what the kernel says is what loops and PyTorch say."""

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.convolution.depthwise import depthwise_conv1d

SETTINGS = [
    {"dilation": 1, "left": 0, "right": 0},
    {"dilation": 1, "left": 2, "right": 2},
    {"dilation": 2, "left": 8, "right": 0},
    {"dilation": 3, "left": 1, "right": 5},
]


def by_hand(x, weight, dilation, left, right):
    """Frame by frame, tap by tap."""
    time = x.shape[1] + left + right - (weight.shape[1] - 1) * dilation
    y = torch.zeros(x.shape[0], time, x.shape[2], dtype=x.dtype)
    for t in range(time):
        for tap in range(weight.shape[1]):
            seen = t + tap * dilation - left
            if 0 <= seen < x.shape[1]:
                y[:, t] += weight[:, tap] * x[:, seen]
    return y


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("mode", ["kernel", "reference"])
@pytest.mark.parametrize("taps", [1, 2, 5])
def test_is_the_sum_over_the_taps(settings, mode, taps):
    x = torch.randn(2, 13, 3, dtype=torch.float64)
    weight = torch.randn(3, taps, dtype=torch.float64)
    with implementation(mode):
        assert_close(depthwise_conv1d(x, weight, **settings), by_hand(x, weight, **settings))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernel_and_reference_have_one_gradient(settings, dtype):
    x = torch.randn(40, 13, 24, dtype=dtype, requires_grad=True)  # enough for several threads
    weight = torch.randn(24, 5, dtype=dtype, requires_grad=True)
    found = {}
    for mode in ("kernel", "reference"):
        with implementation(mode):
            y = depthwise_conv1d(x, weight, **settings)
            found[mode] = y, *torch.autograd.grad(y, (x, weight), y.detach().cos())
    options = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {}
    assert_close(found["kernel"], found["reference"], **options)


@pytest.mark.parametrize("mode", ["kernel", "reference"])
def test_gradients_of_every_order(mode):
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

    def filtered(x, weight):
        with implementation(mode):
            return depthwise_conv1d(x, weight, dilation=2, left=3, right=1)

    torch.autograd.gradcheck(filtered, (x, weight))
    torch.autograd.gradgradcheck(filtered, (x, weight))


def test_operator_is_what_torch_expects():
    operator = torch.ops.huashi.depthwise.default
    x = torch.randn(2, 6, 3, requires_grad=True)
    weight = torch.randn(2, 3, requires_grad=True)
    torch.library.opcheck(operator, (x, weight, 1, 1, 6))


def test_memory_of_any_order():
    """Frames that lie feature by feature, and filters that are every second one of others."""
    x = torch.randn(2, 4, 9).transpose(1, 2)
    weight = torch.randn(8, 3)[::2]
    assert_close(depthwise_conv1d(x, weight), by_hand(x, weight, 1, 0, 0))


def test_nothing_in_nothing_out():
    weight = torch.randn(3, 5)
    assert depthwise_conv1d(torch.randn(0, 9, 3), weight).shape == (0, 5, 3)
    assert depthwise_conv1d(torch.randn(2, 4, 3), weight).shape == (2, 0, 3)
    y = depthwise_conv1d(torch.randn(2, 0, 3), weight, left=4, right=2)
    assert torch.equal(y, torch.zeros(2, 2, 3))


def test_what_does_not_fit_is_refused():
    x = torch.randn(2, 4, 3)
    with pytest.raises(ValueError, match="weight must have 3 channels, got 4"):
        depthwise_conv1d(x, torch.randn(4, 2))
    with pytest.raises(ValueError, match="x must have 2 frames more for such filters, got 4"):
        depthwise_conv1d(x, torch.randn(3, 7))
    with pytest.raises(ValueError, match="left and right must be at least 0, got -1 and 0"):
        depthwise_conv1d(x, torch.randn(3, 2), left=-1)
    with pytest.raises(ValueError, match="dilation must be"):
        depthwise_conv1d(x, torch.randn(3, 2), dilation=0)
    with pytest.raises(ValueError, match="x must have shape"):
        depthwise_conv1d(x[0], torch.randn(3, 2))


def test_says_that_the_kernel_wants_one_dtype():
    x, weight = torch.randn(2, 5, 3), torch.randn(3, 2, dtype=torch.float64)
    with (
        implementation("kernel"),
        pytest.raises(RuntimeError, match="depthwise: x and weight must have the same dtype"),
    ):
        depthwise_conv1d(x, weight)
    with pytest.raises(RuntimeError, match="should be the same"):  # torch says so as well
        depthwise_conv1d(x, weight)
