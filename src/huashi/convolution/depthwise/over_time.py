r"""A filter for each feature over time, for the short sequences of sentences.

.. math:: y_{t, c} = \sum_{k} w_{c, k} \, x_{t + k d - l, \, c}

for dilation d and l frames of zero on the left. The frames outside of a sequence are zero. The
kernel skips them: a filter of 31 taps over a sentence of 16 words costs as much as one of 16.

Kaiser, Gomez, Chollet: Depthwise Separable Convolutions for Neural Machine Translation (2017),
https://arxiv.org/abs/1706.03059
"""

from torch import Tensor

from huashi._checks import check_ndim, check_positive
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi.convolution.depthwise import reference
from huashi.convolution.depthwise.operators import depthwise


@example((2, 8, 3), (3, 4), call=lambda f, x, w: f(x, w, dilation=2, left=1, right=2))
def depthwise_conv1d(
    x: Tensor, weight: Tensor, *, dilation: int = 1, left: int = 0, right: int = 0
) -> Tensor:
    """Filter each feature by itself over time.

    Args:
        x: frames, (batch, time, channels).
        weight: filters, (channels, taps).
        dilation: frames from one tap to the next.
        left: frames of zero before the first.
        right: frames of zero after the last.

    Returns:
        (batch, time + left + right - (taps - 1) * dilation, channels), in the dtype of ``x``;
        summed in the precision of ``x``.

    Raises:
        ValueError: the shapes do not fit, or there are fewer frames than a filter needs.

    >>> import torch
    >>> depthwise_conv1d(torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[1.0, -1.0]]))
    tensor([[[-1.],
             [-2.]]])
    """
    check_ndim("x", x, "batch time channels")
    check_ndim("weight", weight, "channels taps")
    check_positive("dilation", dilation)
    channels, taps = weight.shape
    if channels != x.shape[2]:
        raise ValueError(f"weight must have {x.shape[2]} channels, got {channels}")
    if min(left, right) < 0:
        raise ValueError(f"left and right must be at least 0, got {left} and {right}")
    time = x.shape[1] + left + right - (taps - 1) * dilation
    if time < 0:
        raise ValueError(f"x must have {-time} frames more for such filters, got {x.shape[1]}")
    if not time:
        return x[:, :0]
    unless = weight.dtype != x.dtype and "dtypes"
    serves = kernel_serves("depthwise", x, weight, unless=unless)
    convolve = depthwise if serves else reference.convolve
    return convolve(x, weight.t(), dilation, left, time)
