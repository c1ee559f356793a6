"""The definition by PyTorch's own convolution."""

from torch import Tensor
from torch.nn import functional as F


def convolve(x: Tensor, weight: Tensor, dilation: int, left: int, time: int) -> Tensor:
    """Frames (batch, time, channels) by filters (taps, channels), ``left`` zeros before them."""
    right = time + (len(weight) - 1) * dilation - x.shape[1] - left
    frames = F.pad(x, (0, 0, left, right)).transpose(1, 2)
    filters = weight.t()[:, None]
    return F.conv1d(frames, filters, dilation=dilation, groups=len(filters)).transpose(1, 2)
