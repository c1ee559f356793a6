"""Maxima and minima of windows, and where they lie."""

import torch
from torch import Tensor

from huashi.pooling.bins import AnyAxis
from huashi.pooling.reference.window_elements import Windows, windows


def extremum(
    x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None = None, *, sign: int = 1
) -> tuple[Tensor, Tensor]:
    """The maximum of each window, or with ``sign=-1`` its minimum, and where it lies.

    The first of equals wins; of several NaN, which win over all else, the last. An empty window
    gives the identity, -inf for the maximum (the least integer of an integer dtype), and index -1.
    Only the element that won gets a gradient.

    Returns:
        Values and int64 indices into the flattened axes, both (..., windows of each axis).
    """
    return extremum_of(windows(x, axes, mask), sign=sign)


def extremum_of(elements: Windows, *, sign: int = 1) -> tuple[Tensor, Tensor]:
    """As :func:`extremum`, of windows that are laid out already."""
    values, real, places = elements
    worst = identity(values.dtype, sign)
    with torch.no_grad():
        known = torch.where(real, values, worst)
        best = known.amax(-1, keepdim=True) if sign > 0 else known.amin(-1, keepdim=True)
        order = torch.arange(known.shape[-1], device=known.device)
        # a real element may equal the identity, which stands at the absent ones: it comes first
        first = torch.where((known == best) & real, order, known.shape[-1]).amin(-1, keepdim=True)
        last_nan = torch.where(real & known.isnan(), order, -1).amax(-1, keepdim=True)
        won = torch.where(last_nan >= 0, last_nan, first)
        empty = ~real.any(-1).expand(won.shape[:-1])
        won = won.masked_fill(empty[..., None], 0)
    picked = values.gather(-1, won)[..., 0]
    index = places.expand(values.shape).gather(-1, won)[..., 0]
    return torch.where(empty, worst, picked), torch.where(empty, -1, index)


def identity(dtype: torch.dtype, sign: int) -> float | int:
    """What a maximum, or with ``sign=-1`` a minimum, of no elements is."""
    if dtype.is_floating_point:
        return -sign * torch.inf
    limits = torch.iinfo(dtype)
    return limits.min if sign > 0 else limits.max
