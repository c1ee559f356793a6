r"""Lightweight and dynamic convolution over time: few kernels, each normalised by a softmax.

.. math:: y_{tc} = \sum_{j=1}^{k} \operatorname{softmax}(w_{h(c)})_j \, x_{t + j - 1 - p, c}

for d channels in H heads, head :math:`h(c) = \lfloor c H / d \rfloor`, and p frames of zero before
the first one. Lightweight kernels w are parameters, (H, k); dynamic ones, (batch, time, H, k), are
made of the frame of their position by a linear layer. The softmax is over all k taps, so where
taps lie beyond the edges or on padding the weights that count sum to less than one (as in the
authors' program). DropConnect drops the normalised weights in training.

Both are products with band matrices in blocks of max(k, 32) positions, so that the cost is linear
in time and nothing holds (batch, time, channels, k): one band over the whole time is quadratic,
and unfolded windows take k times the memory of x. For short sequences one band may be the faster.

Wu, Fan, Baevski, Dauphin, Auli: Pay Less Attention with Lightweight and Dynamic Convolutions
(2019), https://arxiv.org/abs/1901.10430
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice, check_ndim, check_positive
from huashi._dropout import dropout as dropped
from huashi._kernel.example import example
from huashi._kernel.operator import without_kernel
from huashi.convolution.separable import PADDINGS, Padding, pad_time

BLOCK = 32  # the least positions of a block: small products are slow
_PRODUCTS = "torch's own products of matrices take most of the time"


@example((2, 6, 4), (2, 3))
@without_kernel(_PRODUCTS)
def lightweight_conv1d(
    x: Tensor,
    weight: Tensor,
    *,
    padding: Padding = "same",
    mask: Tensor | None = None,
    dropout: float = 0.0,
    training: bool = True,
) -> Tensor:
    """Convolve each channel with the kernel of its head.

    Args:
        x: (batch, time, channels).
        weight: kernels before the softmax, (heads, kernel); heads divide the channels.
        padding: ``same`` is centred (an even kernel sees one more to the right), ``left`` causal;
            ``valid`` makes no frame of what is not there.
        mask: (batch, time), False at frames that count as zero.
        dropout: probability of dropping a weight (DropConnect).
        training: whether weights are dropped.

    Returns:
        (batch, time, channels), with ``valid`` kernel - 1 frames less, in the dtype of ``x``;
        computed in its precision.

    Raises:
        ValueError: the shapes do not fit, or ``padding`` is unknown.

    >>> x = torch.tensor([3.0, 6.0, 9.0])[None, :, None]
    >>> lightweight_conv1d(x, torch.zeros(1, 3)).flatten()
    tensor([3., 6., 5.])
    """
    check_ndim("weight", weight, "heads kernel")
    return _convolve(x, weight[None, None], padding, mask, dropout if training else 0.0)


@example((2, 6, 4), (6, 2, 3), call=lambda f, x, w: f(x, w.expand(len(x), 6, 2, 3)))
@without_kernel(_PRODUCTS)
def dynamic_conv1d(
    x: Tensor,
    weight: Tensor,
    *,
    padding: Padding = "same",
    mask: Tensor | None = None,
    dropout: float = 0.0,
    training: bool = True,
) -> Tensor:
    """Convolve each channel with the kernel that its head has at this position.

    Args:
        x: (batch, time, channels).
        weight: kernels before the softmax, (batch, time, heads, kernel) for the time of the result.
        padding: ``same`` is centred (an even kernel sees one more to the right), ``left`` causal;
            ``valid`` makes no frame of what is not there.
        mask: (batch, time), False at frames that count as zero.
        dropout: probability of dropping a weight (DropConnect).
        training: whether weights are dropped.

    Returns:
        (batch, time, channels), with ``valid`` kernel - 1 frames less, in the dtype of ``x``;
        computed in its precision.

    Raises:
        ValueError: the shapes do not fit, or ``padding`` is unknown.

    >>> x, weight = torch.tensor([[[2.0], [4.0]]]), torch.tensor([[[[0.0, 0.0]], [[-9e9, 0.0]]]])
    >>> dynamic_conv1d(x, weight, padding="left").flatten()
    tensor([1., 4.])
    """
    check_ndim("weight", weight, "batch time heads kernel")
    return _convolve(x, weight, padding, mask, dropout if training else 0.0)


class LightweightConv1d(nn.Module):
    """:func:`lightweight_conv1d` with learned kernels, (batch, time, channels) -> the same.

    Args:
        channels: features of a frame, a multiple of ``heads``.
        heads: how many kernels there are; neighbouring channels share one.
        kernel_size: taps.
        padding: ``same``, ``left`` or ``valid``, as in the function.
        dropout: probability of dropping a weight in training (DropConnect).

    Raises:
        ValueError: ``heads`` does not divide ``channels``, or another argument is out of its range.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        kernel_size: int,
        *,
        padding: Padding = "same",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_module(channels, heads, kernel_size, padding, dropout)
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, kernel_size)))
        self.padding: Padding = padding
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return lightweight_conv1d(
            x,
            self.weight,
            padding=self.padding,
            mask=mask,
            dropout=self.dropout,
            training=self.training,
        )

    def extra_repr(self) -> str:
        heads, kernel_size = self.weight.shape
        return _shown(heads, kernel_size, self.padding, self.dropout)


class DynamicConv1d(nn.Module):
    """:func:`dynamic_conv1d` with kernels that a linear layer makes of each frame.

    (batch, time, channels) to the same, or to kernel_size - 1 frames less with ``valid`` padding.
    That is causal: the kernel of a result is made of the last frame that it sees.

    Args:
        channels: features of a frame, a multiple of ``heads``.
        heads: how many kernels a frame has; neighbouring channels share one.
        kernel_size: taps.
        padding: ``same``, ``left`` or ``valid``, as in the function.
        dropout: probability of dropping a weight in training (DropConnect).

    Raises:
        ValueError: ``heads`` does not divide ``channels``, or another argument is out of its range.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        kernel_size: int,
        *,
        padding: Padding = "same",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_module(channels, heads, kernel_size, padding, dropout)
        self.kernel = nn.Linear(channels, heads * kernel_size, bias=False)
        nn.init.xavier_uniform_(self.kernel.weight)
        self.heads, self.kernel_size = heads, kernel_size
        self.padding: Padding = padding
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        known = x[:, self.kernel_size - 1 :] if self.padding == "valid" else x
        weight = self.kernel(known).unflatten(-1, (self.heads, self.kernel_size))
        return dynamic_conv1d(
            x,
            weight,
            padding=self.padding,
            mask=mask,
            dropout=self.dropout,
            training=self.training,
        )

    def extra_repr(self) -> str:
        return _shown(self.heads, self.kernel_size, self.padding, self.dropout)


def _convolve(
    x: Tensor, weight: Tensor, padding: Padding, mask: Tensor | None, dropout: float
) -> Tensor:
    """``weight``, (batch or 1, time or 1, heads, kernel): one kernel for all where it is 1."""
    check_ndim("x", x, "batch time channels")
    check_choice("padding", padding, PADDINGS)
    heads, kernel = weight.shape[-2:]
    if x.shape[-1] % heads:
        raise ValueError(f"channels must be a multiple of {heads} heads, got {x.shape[-1]}")
    if mask is not None:
        x = x.masked_fill(~mask[..., None], 0.0)
    x = pad_time(x, kernel - 1, padding)
    time = x.shape[1] - kernel + 1
    if weight.shape[1] not in (1, time):
        raise ValueError(f"weight must have {time} positions, got {weight.shape[1]}")
    if time <= 0 or not x.numel():
        return x[:, : max(time, 0)]
    weight = dropped(weight.softmax(-1), dropout)
    block = min(time, max(kernel, BLOCK))
    count = -(-time // block)
    extra = count * block - time  # frames and kernels of zero that fill the last block
    if weight.shape[1] == time:
        kernels = F.pad(weight, (0, 0, 0, 0, 0, extra)).unflatten(1, (count, block))
        kernels = kernels.transpose(2, 3)
    else:
        kernels = weight[:, :, :, None].expand(-1, -1, -1, block, -1)
    frames = F.pad(x, (0, 0, 0, extra)).unfold(1, block + kernel - 1, block)
    frames = frames.unflatten(2, (heads, -1)).transpose(-1, -2)  # (batch, count, heads, time, head)
    y = (_band(kernels) @ frames).transpose(2, 3)
    return y.flatten(3).flatten(1, 2)[:, :time]


def _band(kernels: Tensor) -> Tensor:
    """Row t has kernel t from column t on, (..., t, kernel) -> (..., t, t + kernel - 1).

    >>> _band(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 2, 0],
            [0, 3, 4]])
    """
    time, kernel = kernels.shape[-2:]
    width = time + kernel - 1  # rows one longer, read as rows of this width, move right one by one
    return F.pad(kernels, (0, time)).flatten(-2)[..., : time * width].unflatten(-1, (time, width))


def _check_module(
    channels: int, heads: int, kernel_size: int, padding: Padding, dropout: float
) -> None:
    check_positive("heads", heads)
    check_positive("kernel_size", kernel_size)
    check_choice("padding", padding, PADDINGS)
    if channels % heads:
        raise ValueError(f"channels must be a multiple of {heads} heads, got {channels}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")


def _shown(heads: int, kernel_size: int, padding: str, dropout: float) -> str:
    return f"heads={heads}, kernel_size={kernel_size}, padding={padding}, dropout={dropout}"
