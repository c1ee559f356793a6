"""Sorted means and quantiles of windows."""

import torch
from torch import Tensor

from huashi.pooling.bins import AnyAxis
from huashi.pooling.reference.window_elements import softmax, wide, windows


def sorted_mean(
    x: Tensor, axes: tuple[AnyAxis, ...], scores: Tensor, mask: Tensor | None = None
) -> Tensor:
    """The k largest elements of each window, weighted by ``softmax(scores)``; 0 if empty.

    ``scores`` is (k,), or (channels, k) for an ``x`` of (..., channels, the axes). A window of
    fewer elements than k uses as many of the scores as it has (sort pooling, 2017).
    """
    values, real, _ = windows(wide(x), axes, mask)
    k = scores.shape[-1]
    # of equals the first, as topk would not have it; of real ones, since -inf may be one
    known = torch.where(real, values, -torch.inf)
    real_first = (~real.expand(known.shape)).to(torch.uint8).sort(dim=-1, stable=True).indices
    known = known.gather(-1, real_first)
    largest = known.sort(dim=-1, descending=True, stable=True).values[..., :k]
    there = torch.arange(k, device=x.device) < real.sum(-1, keepdim=True)
    if scores.ndim == 2:
        scores = scores.view(scores.shape[0], *[1] * len(axes), k)
    share = softmax(scores.expand(largest.shape).to(largest), there)
    return (share * torch.where(there, largest, 0)).sum(-1).to(x.dtype)


def quantile(x: Tensor, axes: tuple[AnyAxis, ...], q: float, mask: Tensor | None = None) -> Tensor:
    """The q-quantile of each window, between two neighbours in a straight line; 0 if empty.

    0 is the minimum, 0.5 the median, 1 the maximum; the one or two elements that make it up get
    the gradient. Between a number and an infinity it is that infinity, between the two infinities
    NaN. NaN in a window makes its result NaN.
    """
    values, real, _ = windows(wide(x), axes, mask)
    ascending = torch.where(real, values, torch.inf).sort(-1).values
    count = real.sum(-1, keepdim=True).expand(*ascending.shape[:-1], 1)
    position = q * (count - 1).clamp(min=0).to(ascending.dtype)
    low, high = position.floor().long(), position.ceil().long()
    below, above = ascending.gather(-1, low), ascending.gather(-1, high)
    gap, share = above - below, position - low
    between = torch.where(gap.isfinite(), below + gap * share, below * (1 - share) + above * share)
    between = torch.where(low == high, below, between)
    spoiled = (values.isnan() & real).any(-1, keepdim=True)
    between = torch.where(spoiled, torch.nan, between)
    return torch.where(count > 0, between, 0)[..., 0].to(x.dtype)


def order(
    x: Tensor, axes: tuple[AnyAxis, ...], kind: str, param: Tensor, mask: Tensor | None = None
) -> Tensor:
    """One of the two pools above by the name that the kernels know it by."""
    if kind == "quantile":
        return quantile(x, axes, float(param), mask)
    return sorted_mean(x, axes, param, mask)
