"""Global pools of all channels together: attention over the positions, and covariance."""

from typing import Any

import torch
from torch import Tensor, nn

from huashi._checks import check_floating
from huashi._kernel.example import example
from huashi._kernel.operator import without_kernel
from huashi.pooling import reference
from huashi.pooling.arguments import as_count, check_input, real_elements
from huashi.pooling.docstrings import OF_ALL, as_module_of, shares
from huashi.pooling.global_pooling.module import GlobalPool, pooled_dimensions

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "global_attention_pool",
    "global_covariance_pool",
    "GlobalAttentionPool",
    "GlobalCovariancePool",
]
# fmt: on


@example((2, 3, 4, 6), (3,))
@shares(OF_ALL)
def global_attention_pool(
    x: Tensor,
    weight: Tensor,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The mean of the positions, each with the softmax of its score as weight.

    The score of position i is ``weight . x_i``, a 1x1 convolution to one map; a bias would change
    no softmax. A weight of 0 gives :func:`global_avg_pool`.

    Args:
        {shared}
        weight: (channel,); differentiable.
        mask: True where a position is real, bool, broadcastable to ``x``, with 1 for the channels.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        {errors}

    >>> x = torch.tensor([[[1.0, 3.0], [0.0, 100.0]]])  # positions (1, 0) and (3, 100)
    >>> global_attention_pool(x, torch.tensor([0.0, 1.0]))
    tensor([[  3., 100.]])
    """
    positions, real = _positions(x, mask, lengths)
    check_floating("weight", weight)
    if weight.shape != x.shape[1:2]:
        raise ValueError(
            f"weight must have shape ({x.shape[1]},), one for each channel of x, got "
            f"{tuple(weight.shape)}"
        )
    return _attention_mean(positions, weight, real).to(x.dtype)


@example((2, 3, 4, 6))
@shares(OF_ALL)
def global_covariance_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """How the channels vary together over the positions: their covariance matrix.

    It is divided by the number of positions n.

    Source: Li, Xie, Wang, Zuo: Is Second-order Information Helpful for Large-scale Visual
    Recognition? 2017.

    Args:
        {shared}
        mask: True where a position is real, bool, broadcastable to ``x``, with 1 for the channels.

    Returns:
        (batch, channel, channel), symmetric, in the dtype of ``x``, accumulated in float32 or
        wider; 0 where nothing is real.

    Raises:
        {errors}

    >>> global_covariance_pool(torch.tensor([[[1.0, 3.0], [5.0, 1.0]]]))
    tensor([[[ 1., -2.],
             [-2.,  4.]]])
    """
    positions, real = _positions(x, mask, lengths)
    return _covariance(positions, real).to(x.dtype)


@without_kernel("it is two matrix products, which torch has")
def _attention_mean(positions: Tensor, weight: Tensor, real: Tensor) -> Tensor:
    """(batch, channel, positions) to (batch, channel): the mean by the softmax of the scores."""
    scores = torch.einsum("bcl,c->bl", positions, weight.to(positions))
    share = reference.softmax(scores, real)
    return torch.einsum("bcl,bl->bc", positions, share)


@without_kernel("it is a matrix product, which torch has")
def _covariance(positions: Tensor, real: Tensor) -> Tensor:
    """(batch, channel, positions) to (batch, channel, channel)."""
    real = real[:, None]
    count = real.sum(-1, keepdim=True).clamp(min=1)
    mean = positions.sum(-1, keepdim=True) / count
    centred = torch.where(real, positions - mean, 0)
    return centred @ centred.mT / count


def _positions(x: Tensor, mask: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """(batch, channel, positions), 0 at absent ones and wide, and which are real, (batch, them)."""
    dims = pooled_dimensions(x)
    check_input(dims, x)
    real = real_elements(dims, x, mask, lengths)
    wide = x.to(torch.promote_types(x.dtype, torch.float32)).flatten(2)
    if real is None:
        return wide, torch.ones((), dtype=torch.bool, device=x.device).expand(wide[:, 0].shape)
    if real.ndim > dims and real.shape[-dims - 1] != 1:
        raise ValueError(f"mask must have 1 for the channels, got {tuple(real.shape)}")
    real = real.expand(x.shape[0], 1, *x.shape[2:]).flatten(2)
    return torch.where(real, wide, 0), real[:, 0]


@as_module_of(global_attention_pool)
class GlobalAttentionPool(GlobalPool):
    """:func:`~huashi.pooling.global_attention_pool` as a module with learned weights, at first 0.

    Args:
        {shared}
        channels: of the input.
    """

    pool = staticmethod(global_attention_pool)

    def __init__(self, channels: int) -> None:
        super().__init__()
        channels = as_count("channels", channels)
        self.weight = nn.Parameter(torch.zeros(channels))

    @property
    def options(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def extra_repr(self) -> str:
        return f"channels={self.weight.numel()}"


@as_module_of(global_covariance_pool)
class GlobalCovariancePool(GlobalPool):
    """:func:`~huashi.pooling.global_covariance_pool` as a module."""

    pool = staticmethod(global_covariance_pool)
