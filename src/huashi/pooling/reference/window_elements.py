"""Every window laid out along a last dimension, beside which of its elements are real."""

from typing import NamedTuple

import torch
from torch import Tensor

from huashi._checks import TracedSize
from huashi._windows import Axis, is_whole
from huashi.pooling.bins import AnyAxis, Bins


class Windows(NamedTuple):
    """The elements of every window."""

    values: Tensor
    """(..., windows of each axis, elements); what stands at an absent place means nothing."""
    real: Tensor
    """Whether there is an element, broadcastable to ``values``."""
    places: Tensor
    """Where in the flattened axes each element lies, (windows of each axis, elements), int64."""


def windows(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None = None) -> Windows:
    """Lay out the windows of the last dimensions of ``x``.

    Args:
        x: (..., the lengths of ``axes``).
        axes: from :func:`huashi._windows.axes_of`; of windows that differ in size, the
            smaller lack the last elements.
        mask: True where an element is real, bool, broadcastable to ``x``.
    """
    n = len(axes)
    if _takes_any_length(axes):
        return _whole(x, n, mask)
    inside, places = (
        torch.ones((), dtype=torch.bool, device=x.device),
        torch.zeros((), dtype=torch.long, device=x.device),
    )
    for dim, axis in enumerate(axes):
        index, real = _elements(axis, x.device)
        shape = [1] * (2 * n)
        shape[dim], shape[n + dim] = axis.windows, axis.kernel
        inside = inside & real.view(shape)
        places = places * axis.length + index.view(shape)
    places, inside = (t.expand(_shape(axes)).flatten(n) for t in (places, inside))
    values = x.flatten(-n)[..., places]
    if mask is not None:
        inside = inside & mask.expand_as(x).flatten(-n)[..., places]
    return Windows(values, inside, places)


def _takes_any_length(axes: tuple[AnyAxis, ...]) -> bool:
    """Whether there is one window of all elements; in a trace also of those of another input."""
    regular = tuple(axis for axis in axes if isinstance(axis, Axis))
    if len(regular) < len(axes) or not is_whole(regular):
        return False
    if torch._C._get_tracing_state() is None:
        return True
    return all(isinstance(axis.kernel, TracedSize) for axis in regular)


def _whole(x: Tensor, n: int, mask: Tensor | None) -> Windows:
    """The one window of all elements of ``n`` dimensions, whatever their lengths in a trace."""
    values = x.flatten(-n)
    inside = torch.ones(values.shape[-1], dtype=torch.bool, device=x.device)
    if mask is not None:
        inside = mask.expand_as(x).flatten(-n)
    places = torch.arange(values.shape[-1], device=x.device)
    one_window = (..., *[None] * n, slice(None))
    return Windows(values[one_window], inside[one_window], places[one_window])


def softmax(values: Tensor, real: Tensor) -> Tensor:
    """Softmax of the real elements of each window; 0 for the others."""
    real = real.expand(values.shape)
    some = torch.where(real.any(-1, keepdim=True), -torch.inf, 0).to(values)
    return torch.where(real, torch.where(real, values, some).softmax(-1), 0)


def wide(x: Tensor) -> Tensor:
    """``x`` in the dtype that it is accumulated in."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _elements(axis: AnyAxis, device: torch.device) -> tuple[Tensor, Tensor]:
    """Index of each element of each window, (windows, kernel), kept inside; and whether it was."""
    if isinstance(axis, Bins):
        first, stop = (torch.tensor(edge, device=device)[:, None] for edge in axis[1:])
        index = first + torch.arange(axis.kernel, device=device)
        return index.clamp(max=axis.length - 1), index < stop
    first = torch.arange(axis.windows, device=device)[:, None] * axis.stride - axis.before
    index = first + torch.arange(axis.kernel, device=device) * axis.dilation
    real = (index >= 0) & (index < axis.length)
    return index.clamp(0, max(axis.length - 1, 0)), real


def _shape(axes: tuple[AnyAxis, ...]) -> tuple[int, ...]:
    return (*(axis.windows for axis in axes), *(axis.kernel for axis in axes))
