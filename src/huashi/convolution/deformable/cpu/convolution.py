"""Deformable convolution on the CPU: samples of some thousand taps, then a product of matrices.

For n results, k taps, c channels and o of the result there are 2 n k c o operations in the product
and 8 n k c in sampling, on 4 (n c + n o + 2 n k) bytes of input, result and offsets. With o >= 64
the product is nearly all there is to do, and it runs at the speed of torch's own; so the limit is
the time of a product (n, k c) by (k c, o). The samples, 4 n k c bytes, are k times the input: they
are made for as many results as fit the second cache, which takes what a product needs of memory
to :data:`TILE` numbers, for any size of the input. Sampled from channels that lie side by side, a
position is worked out once for all of them.

Backward there are two products of that size, and the samples are made again, since to keep them
would take the memory that was saved. Results are shared out between threads; each adds to a
gradient of the image of its own, and they are added up where they overlap.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.memory import empty, empty_like
from huashi.convolution.deformable.cpu.positions import Geometry
from huashi.convolution.deformable.cpu.samples import gather, sample, unsample
from huashi.pooling.dimensions import memory_format_of

TILE = 2**19
"""Numbers: samples that are made before they are multiplied."""
OWN = 2**26
"""Numbers: what the gradients of an image of all threads may take together."""


class Call(NamedTuple):
    """A call as the kernels have it."""

    images: Tensor
    """(batch, elements, channels)."""
    filters: Tensor
    """(groups, out channels of a group, taps * channels of a group)."""
    offset: Tensor
    """(batch, offset groups * taps * dims, results)."""
    mask: Tensor
    """(batch, offset groups * taps, results), or nothing for each sample of the batch."""
    plan: tuple
    """Reach, runs and bounds, as of :func:`sample`."""
    geometry: Geometry

    def tiles(self) -> Iterator[tuple[int, int]]:
        """(first result, how many) of about as many each."""
        results, width = self.offset.shape[2], self.filters.shape[0] * self.filters.shape[2]
        number = -(-results // max(1, TILE // width))
        for i in range(number):
            start = results * i // number
            yield start, results * (i + 1) // number - start

    def buffer(self) -> Tensor:
        """Memory for the samples of a tile."""
        width = self.filters.shape[0] * self.filters.shape[2]
        return empty((width * max(count for _, count in self.tiles()),), self.images.dtype)

    def rows(self, buffer: Tensor, count: int) -> Tensor:
        """The samples of a tile as matrices, (groups, count, taps * channels of a group)."""
        groups, _, width = self.filters.shape
        return buffer[: groups * count * width].view(groups, count, width)


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
    """As :func:`huashi.convolution.deformable.reference.convolve`."""
    call = _call(x, weight, offset, mask, stride, before, dilation)
    shape = x.shape[0], weight.shape[0], *offset.shape[2:]
    y = empty(shape, call.images.dtype, memory_format_of(x, x.ndim - 2))
    results = _positions_first(y)
    shift = None if bias is None else bias.to(y.dtype)
    buffer = call.buffer()
    for n in range(len(y)):
        for start, count in call.tiles():
            _sample(call, buffer, n, start, count)
            _multiply(
                call.rows(buffer, count), call.filters, results[n, start : start + count], shift
            )
    return y.to(x.dtype)


def gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    stride: Sequence[int],
    before: Sequence[int],
    dilation: Sequence[int],
    of_samples: bool,
    of_weight: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Those of x, weight, offset and mask; nothing in the place of one that is not asked for."""
    call = _call(x, weight, offset, mask, stride, before, dilation)
    grads = _positions_first(grad.to(call.images.dtype))
    groups = len(call.filters)
    found = _Gradients(call) if of_samples else None
    of_filters = torch.zeros_like(call.filters) if of_weight else None
    buffer = call.buffer()
    for n in range(len(x)):
        for start, count in call.tiles():
            outer = grads[n, start : start + count].unflatten(1, (groups, -1)).movedim(1, 0)
            if found is None:
                _sample(call, buffer, n, start, count)
            else:
                found.add(outer, buffer, n, start, count)
            if of_filters is not None:
                rows = call.rows(buffer, count)
                for of_filter, g, row in zip(of_filters, outer, rows, strict=True):
                    of_filter.addmm_(g.t(), row)
        if found is not None:
            found.finish(n)
    dweight = x.new_empty(0)
    if of_filters is not None:
        taps = math.prod(weight.shape[2:])
        dweight = of_filters.view(len(weight), taps, -1).transpose(1, 2).reshape(weight.shape)
        dweight = dweight.to(weight.dtype).contiguous()
    if found is None:
        return x.new_empty(0), dweight, offset.new_empty(0), offset.new_empty(0)
    return _channels_as_in(x, found.of_images), dweight, *found.of_offset_and_mask(offset, mask)


class _Gradients:
    """Those of the images, the offsets and the mask, as they are made."""

    def __init__(self, call: Call) -> None:
        self.call = call
        elements, channels = call.images.shape[1:]
        workers = max(1, min(torch.get_num_threads(), OWN // (elements * channels)))
        self.of_images = torch.zeros_like(call.images)
        self.of_offset = empty(call.offset.shape, call.offset.dtype)
        self.of_mask = empty(call.mask.shape, call.mask.dtype)
        self.touched = np.empty((workers, 2), np.int64)
        self.touched[:] = elements, 0
        self.own = self.of_images.new_zeros(workers, elements, channels) if workers > 1 else None
        self.grads = call.buffer()

    def add(self, outer: Tensor, buffer: Tensor, n: int, start: int, count: int) -> None:
        """Those of a tile, of which ``buffer`` then has the samples."""
        call = self.call
        rows = call.rows(self.grads, count)
        for row, g, filters in zip(rows, outer, call.filters, strict=True):
            torch.mm(g, filters, out=row)
        own = self.of_images[n] if self.own is None else self.own
        arrays = buffer, self.grads, call.images[n].view(-1), call.offset[n], call.mask[n]
        made = array_of(own.view(-1)), self.touched, array_of(self.of_offset[n])
        made = *made, array_of(self.of_mask[n])
        unsample(*map(array_of, arrays), *made, *call.plan, start, count, call.geometry)

    def finish(self, n: int) -> None:
        """Add up what the threads have of an image."""
        if self.own is not None:
            gather(array_of(self.of_images[n]), array_of(self.own), self.touched)
        self.touched[:] = self.of_images.shape[1], 0

    def of_offset_and_mask(self, offset: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        of_offset = self.of_offset.view(offset.shape)
        return of_offset, offset.new_empty(0) if mask is None else self.of_mask.view(mask.shape)


def _sample(call: Call, buffer: Tensor, n: int, start: int, count: int) -> None:
    arrays = buffer, call.images[n].view(-1), call.offset[n], call.mask[n]
    sample(*map(array_of, arrays), *call.plan, start, count, call.geometry)


def _multiply(rows: Tensor, filters: Tensor, results: Tensor, bias: Tensor | None) -> None:
    """Write the results, (count, out channels), of samples (groups, count, taps * channels)."""
    if len(rows) > 1:
        made = torch.bmm(rows, filters.transpose(1, 2)).transpose(0, 1).flatten(1)
        torch.add(made, 0 if bias is None else bias, out=results)
    elif bias is None:
        torch.mm(rows[0], filters[0].t(), out=results)
    else:
        torch.addmm(bias, rows[0], filters[0].t(), out=results)


def _call(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    stride: Sequence[int],
    before: Sequence[int],
    dilation: Sequence[int],
) -> Call:
    batch, channels, *lengths = x.shape
    dims, taps = len(lengths), math.prod(weight.shape[2:])
    images = _channels_last(x.to(torch.promote_types(x.dtype, torch.float32)))
    groups, offset_groups = channels // weight.shape[1], offset.shape[1] // (taps * dims)
    filters = (
        weight.to(images.dtype)
        .flatten(2)
        .transpose(1, 2)
        .reshape(groups, len(weight) // groups, -1)
    )
    depth, height, width = (1,) * (3 - dims) + tuple(lengths)
    strides = (1,) * (3 - dims) + tuple(stride)
    result_height, result_width = (1, 1, *offset.shape[2:])[-2:]
    geometry = Geometry(
        dims, mask is not None, channels, weight.shape[1],
        depth, height, width, result_height, result_width, *strides,
    )  # fmt: skip
    factors = images.new_empty(batch, 0, 0) if mask is None else mask.flatten(2).contiguous()
    plan = _reach(weight.shape[2:], before, dilation), *_runs(channels, groups, offset_groups)
    return Call(images, filters, offset.flatten(2).contiguous(), factors, plan, geometry)


def _reach(kernel: Sequence[int], before: Sequence[int], dilation: Sequence[int]) -> np.ndarray:
    """From where a result begins to each tap, (taps, 3)."""
    lead = 3 - len(kernel)
    taps = np.indices((1,) * lead + tuple(kernel)).reshape(3, -1).T
    return np.ascontiguousarray(
        taps * ((1,) * lead + tuple(dilation)) - ((0,) * lead + tuple(before))
    )


def _runs(channels: int, groups: int, offset_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Channels that share offsets and a group of the weight, as :func:`sample` has them."""
    of_group, of_offset = channels // groups, channels // offset_groups
    edges = sorted({*range(0, channels + 1, of_group), *range(0, channels + 1, of_offset)})
    runs = [
        (first, last - first, first // of_group, first % of_group)
        for first, last in pairwise(edges)
    ]
    bounds = [edges.index(i * of_offset) for i in range(offset_groups + 1)]
    return np.array(runs, np.int64), np.array(bounds, np.int64)


def _positions_first(y: Tensor) -> Tensor:
    """(batch, channels, *lengths) as (batch, positions, channels), where it lies."""
    return y.flatten(2).transpose(1, 2)


def _channels_last(x: Tensor) -> Tensor:
    """(batch, channels, *lengths) as (batch, positions, channels), one after another in memory."""
    return _positions_first(x).contiguous()


def _channels_as_in(x: Tensor, images: Tensor) -> Tensor:
    """(batch, positions, channels) in the shape, dtype and memory format of x."""
    y = empty_like(x, memory_format=memory_format_of(x, x.ndim - 2))
    _positions_first(y).copy_(images)
    return y
