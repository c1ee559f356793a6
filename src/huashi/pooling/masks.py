"""What a mask makes of an input for a kernel: absent elements are marked, real ones are counted.

The marked copy is one more pass over the input: with b the bytes of an element, ``2 b`` are moved.
The counts are a sum of the mask over the same windows, a number for each of its own windows.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from huashi._kernel.memory import empty_like
from huashi._windows import Axis

NONE = -1.6640625 * 2.0**126  # no element of a generalised mean, where -inf is one: no one's number


def marked(x: Tensor, mask: Tensor, absent: float) -> Tensor:
    """``x``, in its memory format, but ``absent`` where the mask is False; below NONE's floor 0."""
    if absent == NONE:  # what is below 0 is below the floor as well: so nothing real is NONE
        return x.clamp(min=0).masked_fill_(~mask, NONE)
    out = empty_like(x)
    return torch.where(mask, x, torch.full((), absent, dtype=x.dtype, device=x.device), out=out)


def first_real(
    y: Tensor,
    offsets: Tensor,
    axes: tuple[Axis, ...],
    mask: Tensor,
    worst: float,
    extremum_offsets: Callable[[Tensor, tuple[Axis, ...], int], tuple[Tensor, Tensor]],
) -> Tensor:
    """Offsets of extrema, but of the first real element where one is ``worst``, as absent ones are.

    Args:
        y: the extrema.
        offsets: where they were found, what is absent counted as ``worst``.
        axes: the windows.
        mask: broadcastable to the input.
        worst: what stands at absent elements: -inf of a maximum.
        extremum_offsets: what finds extrema over windows, a kernel.
    """
    stuck = y == worst
    if y.device.type == "cpu" and not stuck.any():
        return offsets
    lead, rows = _rows(mask, axes, torch.float32)
    first = extremum_offsets(rows, axes, 1)[1]
    first = first.view(*lead, *first.shape[1:])
    return torch.where(stuck, first, offsets, out=torch.empty_like(offsets))


def counted(
    mask: Tensor,
    axes: tuple[Axis, ...],
    like: Tensor,
    average: Callable[[Tensor, tuple[Axis, ...], bool, int | None], Tensor],
) -> Tensor:
    """How many elements of each window are real, with the shape, dtype and format of ``like``.

    Args:
        mask: broadcastable to the input.
        axes: the windows.
        like: a result for each of them.
        average: what sums over windows, a kernel.
    """
    lead, rows = _rows(mask, axes, like.dtype)
    counts = average(rows, axes, False, 1)
    return empty_like(like).copy_(counts.view(*lead, *counts.shape[1:]))


def _rows(mask: Tensor, axes: tuple[Axis, ...], dtype: torch.dtype) -> tuple[torch.Size, Tensor]:
    """Its dimensions before those of ``axes``; 1 where it is True, (..., lengths of ``axes``)."""
    lengths = [axis.length for axis in axes]
    lead = mask.shape[: max(mask.ndim - len(axes), 0)]
    return lead, mask.expand(*lead, *lengths).to(dtype).reshape(-1, *lengths)
