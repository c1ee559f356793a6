"""The largest element of each part of a sequence.

Chunk-max pooling keeps where a feature is strong: Chen, Xu, Liu, Zeng, Zhao: Event Extraction via
Dynamic Multi-Pooling Convolutional Neural Networks (2015), https://aclanthology.org/P15-1017.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi.pooling import operators, reference
from huashi.pooling.adaptive.extrema import adaptive_max_pool1d
from huashi.pooling.arguments import (
    as_count,
    check_input,
    check_integers,
    count_real,
    real_elements,
)
from huashi.pooling.bins import bins_of
from huashi.pooling.docstrings import OF_SEQUENCES, as_module_of, shares

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "chunk_max_pool1d",
    "ChunkMaxPool1d",
]
# fmt: on


def _with_lengths(function: Callable[..., Tensor], x: Tensor) -> Tensor:
    return function(x, 3, lengths=torch.full(x.shape[:1], x.shape[-1], device=x.device))


@example((2, 3, 8), call=_with_lengths, integers=True)
@example((2, 3, 4096), call=lambda f, x: f(x, 3), integers=True)
@shares(OF_SEQUENCES)
def chunk_max_pool1d(
    x: Tensor,
    chunks: int,
    *,
    lengths: Tensor | None = None,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The largest element of each chunk of a row.

    The s real elements of a row, side by side or not, are cut into equal chunks: chunk i
    has the elements from ``floor(i * s / chunks)`` to before ``ceil((i + 1) * s / chunks)``, as in
    adaptive pooling. Or they are cut at given positions, as at the trigger and the argument of an
    event. The first of equals wins, and it alone gets the gradient; NaN wins over all else. A chunk
    without a real element gives -inf (the least integer of an integer dtype).

    Source: Chen, Xu, Liu, Zeng, Zhao: Event Extraction via Dynamic Multi-Pooling Convolutional
    Neural Networks, 2015.

    Args:
        {shared}
        chunks: how many.
        positions: where in ``x`` each chunk but the first begins, ascending, (batch, chunks - 1) or
            (chunks - 1,), integers; with p and q, the chunks are [0, p), [p, q) and [q, length). To
            have a word end its chunk, as in the paper, give the position after it.

    Returns:
        (channel, chunks) or (batch, channel, chunks), in the dtype of ``x``; nothing is
        accumulated.

    Raises:
        {errors}

    >>> x = torch.tensor([[3.0, 9.0, 1.0, 5.0, 4.0, 7.0]])
    >>> chunk_max_pool1d(x, 3)
    tensor([[9., 5., 7.]])
    >>> chunk_max_pool1d(x, 3, positions=torch.tensor([1, 5]))
    tensor([[3., 9., 7.]])
    """
    check_input(1, x, integers=True)
    chunks = as_count("chunks", chunks)
    if positions is not None:
        _check_positions(x, chunks, positions)
    real = real_elements(1, x, mask, lengths)
    if kernel_serves("pool_chunk_largest", x, unless=mask is not None and "mask"):
        return _chunks_by_kernel(x, chunks, lengths, positions)
    if real is None and positions is None and x.is_floating_point():
        return adaptive_max_pool1d(x, chunks)  # pyright: ignore[reportReturnType]
    return chunk_max(x, chunks, real, positions)


@as_module_of(chunk_max_pool1d)
class ChunkMaxPool1d(nn.Module):
    """:func:`~huashi.pooling.chunk_max_pool1d` as a module."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = as_count("chunks", chunks)

    def forward(
        self,
        x: Tensor,
        *,
        lengths: Tensor | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        options = {"lengths": lengths, "positions": positions, "mask": mask}
        return chunk_max_pool1d(x, self.chunks, **options)

    def extra_repr(self) -> str:
        return f"chunks={self.chunks}"


def chunk_max(
    x: Tensor, chunks: int, real: Tensor | None = None, positions: Tensor | None = None
) -> Tensor:
    """The largest real element of each chunk of the last dimension, the first of equals.

    ``real`` is broadcastable to ``x``; ``positions``, where chunks after the first begin, are
    (..., chunks - 1). Chunks are equal without them.
    """
    length = x.shape[-1]
    if real is None and positions is None:
        return reference.extremum(x, (bins_of(length, chunks),))[0]
    place = order = torch.arange(length, device=x.device)
    if real is not None:
        real = real.expand(*real.shape[:-1], length)
    if positions is not None:
        cuts = positions.long()[..., None, :]
        first, end = F.pad(cuts, (1, 0)), F.pad(cuts, (0, 1), value=length)
    else:  # in places among the real elements
        count = length if real is None else count_real(real, length)
        place = order if real is None else real.cumsum(-1) - 1
        i = torch.arange(chunks, device=x.device)
        first, end = i * count // chunks, ((i + 1) * count + chunks - 1) // chunks
    inside = (place[..., None, :] >= first[..., None]) & (place[..., None, :] < end[..., None])
    if real is not None:
        inside = inside & real[..., None, :]
    # chunks that share an element add their gradients up in one order on every device
    each = x[..., None, :].expand(*x.shape[:-1], chunks, length)
    return reference.extremum_of(reference.Windows(each, inside, order))[0]


def _chunks_by_kernel(
    x: Tensor, chunks: int, lengths: Tensor | None, positions: Tensor | None
) -> Tensor:
    """As :func:`chunk_max`, with lengths in place of a mask."""
    length = x.shape[-1]
    count = (
        torch.full((1,), length, device=x.device)
        if lengths is None
        else lengths.long().reshape(-1, 1)
    )
    if positions is None:
        i = torch.arange(chunks, device=x.device)
        starts, stops = i * count // chunks, ((i + 1) * count + chunks - 1) // chunks
    else:
        rows = math.prod(positions.shape[:-1])
        cuts = positions.long().reshape(rows, chunks - 1).clamp(0, length)
        starts = F.pad(cuts, (1, 0))
        stops = torch.minimum(F.pad(cuts, (0, 1), value=length), count)
    starts, stops = torch.broadcast_tensors(starts, stops)
    index = operators.chunk_largest(x.detach(), starts, stops)
    return torch.where(index < 0, -torch.inf, operators.taken(x, index.clamp(min=0)))


def _check_positions(x: Tensor, chunks: int, positions: Tensor) -> None:
    check_integers("positions", positions)
    shape = tuple(positions.shape)
    if shape not in ((chunks - 1,), (*x.shape[:-2], chunks - 1)):
        raise ValueError(
            f"positions must have shape {(*x.shape[:-2], chunks - 1)}, where each chunk but the "
            f"first begins, got {shape}"
        )
