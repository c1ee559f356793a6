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
    dims, lengths = len(axes), [axis.length for axis in axes]
    lead = mask.shape[: max(mask.ndim - dims, 0)]
    rows = mask.expand(*lead, *lengths).to(like.dtype).reshape(-1, *lengths)
    counts = average(rows, axes, False, 1)
    return empty_like(like).copy_(counts.view(*lead, *counts.shape[1:]))
