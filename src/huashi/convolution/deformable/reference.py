r"""Deformable convolution as a formula, in any number of dimensions.

.. math:: y_{o} = \sum_k w_k \, m_{k, o} \, x(o s - p + k d + \Delta_{k, o})

for results o, taps k, stride s, padding p before the first element and dilation d; x between its
elements is linear along each axis. An element that does not exist counts as 0, so that x falls to 0
within one element around the input and stays there. Where a position is an integer, at -1 too, the
slope is the one to the right.

Zhu, Hu, Lin, Dai: Deformable ConvNets v2 (2018), https://arxiv.org/abs/1811.11168
"""

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor


def convolve(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    stride: Sequence[int],
    before: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """The convolution, (batch, out_channels, *results), summed in float32 or wider.

    Args:
        x: (batch, in_channels, *lengths).
        weight: (out_channels, in_channels / groups, *kernel).
        offset: (batch, offset_groups * taps * dims, *results).
        mask: (batch, offset_groups * taps, *results), or None for 1 everywhere.
        bias: (out_channels), or None.
        stride: from one result to the next, for each axis.
        before: absent elements before the first one.
        dilation: from one tap to the next.
    """
    samples = sample(x, offset, mask, weight.shape[2:], stride, before, dilation)
    out_channels, channels, taps = weight.shape[0], weight.shape[1], samples.shape[2]
    groups = x.shape[1] // channels
    filters = weight.to(samples.dtype).reshape(groups, out_channels // groups, channels, taps)
    samples = samples.reshape(x.shape[0], groups, channels, taps, samples.shape[3])
    y = torch.einsum("ngckp, gock -> ngop", samples, filters)
    y = y.reshape(x.shape[0], out_channels, *offset.shape[2:])
    if bias is not None:
        y = y + bias.to(y.dtype).reshape(-1, *[1] * (x.ndim - 2))
    return y.to(x.dtype)


def sample(
    x: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    before: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """What the taps see: (batch, channels, taps, positions), in float32 or wider."""
    dims, taps = x.ndim - 2, math.prod(kernel_size)
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    batch, channels, lengths = x.shape[0], x.shape[1], x.shape[2:]
    groups, results = offset.shape[1] // (taps * dims), offset.shape[2:]
    moves = offset.to(x.dtype).reshape(batch, groups, taps, dims, *results)
    places = []
    for axis in range(dims):
        regular = _regular(
            axis, kernel_size, results, stride[axis], before[axis], dilation[axis], x.device
        )
        at = (regular + moves[:, :, :, axis]).clamp(-1, lengths[axis])  # beyond that all is 0
        places.append(at.reshape(batch, groups, 1, taps * math.prod(results)))
    features = x.reshape(batch, groups, channels // groups, math.prod(lengths))
    seen = _between(features, places, lengths)
    if mask is not None:
        seen = seen * mask.to(x.dtype).reshape(batch, groups, 1, taps * math.prod(results))
    return seen.reshape(batch, channels, taps, math.prod(results))


def _regular(
    axis: int,
    kernel_size: Sequence[int],
    results: Sequence[int],
    stride: int,
    before: int,
    dilation: int,
    device: torch.device,
) -> Tensor:
    """Where the taps lie along an axis before they are moved: integers, (taps, *results)."""
    dims = len(kernel_size)
    taps = torch.arange(kernel_size[axis], device=device) * dilation
    taps = taps.reshape([-1 if i == axis else 1 for i in range(dims)])
    taps = taps.expand(*kernel_size).reshape(-1, *[1] * dims)
    begins = torch.arange(results[axis], device=device) * stride - before
    return taps + begins.reshape([-1 if i == axis else 1 for i in range(dims)])


def _between(features: Tensor, places: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
    """Features (batch, groups, channels, elements) at places (batch, groups, 1, n), linearly."""
    floors = [at.detach().floor() for at in places]
    seen = features.new_zeros(())
    for corner in product((0, 1), repeat=len(lengths)):
        index, share, real = 0, 1, torch.ones_like(floors[0], dtype=torch.bool)
        for at, floor, upper, length in zip(places, floors, corner, lengths, strict=True):
            along = floor.long() + upper
            index = index * length + along.clamp(0, length - 1)
            share = share * (at - floor if upper else 1 - (at - floor))
            real = real & (along >= 0) & (along < length)
        found = features.gather(3, index.expand(-1, -1, features.shape[2], -1))  # pyright: ignore[reportAttributeAccessIssue]
        seen = seen + torch.where(real, found, 0) * share  # pyright: ignore[reportCallIssue, reportArgumentType]
    return seen
