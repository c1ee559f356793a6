r"""The k largest elements of a sequence, in the order in which they stand.

k-max pooling keeps what a maximum throws away, how often and in which order a feature is strong,

.. math:: y = (x_{i_1}, \dots, x_{i_k}), \quad i_1 < \dots < i_k \text{ the places of the k largest}

and dynamic k-max pooling lets k shrink from layer to layer with the length of each sample:
Kalchbrenner, Grefenstette, Blunsom: A Convolutional Neural Network for Modelling Sentences (2014),
https://arxiv.org/abs/1404.2188.

``x.topk(k)`` gives the elements in the order of their size, and any of several equals.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import as_bool
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi.pooling import operators
from huashi.pooling.arguments import (
    as_count,
    check_input,
    count_real,
    has_values,
    real_elements,
)
from huashi.pooling.docstrings import OF_SEQUENCES, as_module_of, shares

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "KMax",
    "k_max_pool1d",
    "dynamic_k_max_pool1d",
    "KMaxPool1d",
    "DynamicKMaxPool1d",
]
# fmt: on


class KMax(NamedTuple):
    """The k largest elements of each row, and where they stood."""

    values: Tensor
    """(..., channel, k), 0 after the last where a row has fewer than k real elements."""
    mask: Tensor
    """Which values are real, bool, (..., channel, k)."""
    indices: Tensor
    """Where in the row each value stood, int64, (..., channel, k); -1 where none is."""


@example((2, 3, 8), call=lambda f, x: f(x, 3), integers=True)
@example((2, 3, 4096), call=lambda f, x: f(x, 8), integers=True)
@shares(OF_SEQUENCES)
def k_max_pool1d(
    x: Tensor,
    k: int,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
    return_indices: bool = False,
) -> Tensor | KMax:
    """The k largest elements of each row, in the order in which they stand there.

    The first of equals are taken; NaN is larger than all else, as for ``torch.topk``. Only what is
    taken gets a gradient.

    Source: Kalchbrenner, Grefenstette, Blunsom: A Convolutional Neural Network for Modelling
    Sentences, 2014.

    Args:
        {shared}
        k: how many, at most the length.
        return_indices: also give which values are real, and where they stood.

    Returns:
        (channel, k) or (batch, channel, k), in the dtype of ``x``; nothing is accumulated. A row of
        fewer than k real elements has all of them, then zeros. With ``return_indices``
        :class:`KMax`.

    Raises:
        ValueError: k is not from 1 to the length, or a shape does not fit.
        {errors}

    >>> x = torch.tensor([[5.0, 9.0, 1.0, 7.0, 5.0]])
    >>> k_max_pool1d(x, 3)
    tensor([[5., 9., 7.]])
    >>> k_max_pool1d(x, 3, lengths=torch.tensor(2), return_indices=True).indices
    tensor([[ 0,  1, -1]])
    """
    check_input(1, x, integers=True)
    k, return_indices = as_count("k", k), as_bool("return_indices", return_indices)
    if k > x.shape[-1]:
        raise ValueError(f"k must be in [1, {x.shape[-1]}], the length of x, got {k}")
    found = k_max(x, k, real_elements(1, x, mask, lengths))
    return found if return_indices else found.values


@example((2, 3, 8), call=lambda f, x: f(x, 1, 2, k_top=2)[0], integers=True)
@shares(OF_SEQUENCES)
def dynamic_k_max_pool1d(
    x: Tensor,
    layer: int,
    layers: int,
    *,
    k_top: int,
    lengths: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """k-max pooling with ``k = max(k_top, ceil((layers - layer) / layers * s))``.

    s is the number of real elements of each row, so that k differs between samples. The result is
    as wide as the length of ``x`` demands, and at least ``k_top``, however short ``x`` is; each row
    has its k largest elements, or all it has, then zeros. The first of equals are taken; NaN is
    larger than all else.

    Source: Kalchbrenner, Grefenstette, Blunsom: A Convolutional Neural Network for Modelling
    Sentences, 2014.

    Args:
        {shared}
        layer: which of the convolutions this follows, from 1 to ``layers``.
        layers: how many convolutions the network has.
        k_top: k after the last of them.

    Returns:
        The values, (channel, K) or (batch, channel, K), in the dtype of ``x``, nothing is
        accumulated; and their mask, bool, for the next pool.

    Raises:
        {errors}

    >>> x = torch.tensor([[3.0, 9.0, 1.0, 5.0, 4.0, 7.0]])
    >>> dynamic_k_max_pool1d(x, 1, 2, k_top=2)  # ceil(1/2 * 6) = 3
    (tensor([[9., 5., 7.]]), tensor([[True, True, True]]))
    >>> dynamic_k_max_pool1d(x, 1, 2, k_top=2, lengths=torch.tensor(4))  # ceil(1/2 * 4) = 2
    (tensor([[9., 5., 0.]]), tensor([[ True,  True, False]]))
    """
    check_input(1, x, integers=True)
    _check_layer(layer, layers, k_top)
    real, length = real_elements(1, x, mask, lengths), x.shape[-1]
    widest = max(k_top, -(-(layers - layer) * length // layers))
    k = min(widest, length)
    keep = None
    if real is not None:
        share = (layers - layer) * count_real(real, length)
        keep = ((share + layers - 1) // layers).clamp(min(k_top, k), k)
    found = k_max(x, k, real, keep)
    return F.pad(found.values, (0, widest - k)), F.pad(found.mask, (0, widest - k))


@as_module_of(k_max_pool1d)
class KMaxPool1d(nn.Module):
    """:func:`~huashi.pooling.k_max_pool1d` as a module."""

    def __init__(self, k: int, *, return_indices: bool = False) -> None:
        super().__init__()
        self.k = as_count("k", k)
        self.return_indices = as_bool("return_indices", return_indices)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor | KMax:
        options = {"mask": mask, "lengths": lengths, "return_indices": self.return_indices}
        return k_max_pool1d(x, self.k, **options)

    def extra_repr(self) -> str:
        return f"k={self.k}"


@as_module_of(dynamic_k_max_pool1d)
class DynamicKMaxPool1d(nn.Module):
    """:func:`~huashi.pooling.dynamic_k_max_pool1d` as a module."""

    def __init__(self, layer: int, layers: int, *, k_top: int) -> None:
        super().__init__()
        _check_layer(layer, layers, k_top)
        self.layer = layer
        self.layers = layers
        self.k_top = k_top

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        options = {"k_top": self.k_top, "lengths": lengths, "mask": mask}
        return dynamic_k_max_pool1d(x, self.layer, self.layers, **options)

    def extra_repr(self) -> str:
        return f"layer={self.layer}, layers={self.layers}, k_top={self.k_top}"


def k_max(x: Tensor, k: int, real: Tensor | None = None, keep: Tensor | None = None) -> KMax:
    """The k largest real elements along the last dimension, in order; the first of equals.

    Args:
        x: (..., length), with k at most the length.
        k: how many.
        real: which elements are there, bool, broadcastable to ``x``.
        keep: how many to have in each row where that is fewer than k, (..., 1).
    """
    length = x.shape[-1]
    masked = real is not None or keep is not None
    if kernel_serves("pool_k_largest", x, unless=masked and "mask"):
        order = operators.k_largest(x.detach(), k)
        values = operators.taken(x, order) if x.is_floating_point() else x.gather(-1, order)
        return KMax(values, torch.ones_like(order, dtype=torch.bool), order)
    with torch.no_grad():
        chosen = _chosen(x.detach(), k, real, keep)
        order = chosen
        if real is not None:
            order = torch.where(real.expand(x.shape).gather(-1, order), order, length)
        if keep is not None:
            order = torch.where(torch.arange(k, device=x.device) < keep, order, length)
        order = order.sort(-1).values
        there = order < length
    if real is None and keep is None:
        return KMax(x.gather(-1, order), there, order)
    values = torch.where(there, x.gather(-1, order.clamp(max=length - 1)), 0)
    return KMax(values, there, torch.where(there, order, -1))


def _chosen(x: Tensor, k: int, real: Tensor | None, keep: Tensor | None) -> Tensor:
    """Where the k largest are, in any order, absent ones if others lack; the ``keep`` first."""
    length = x.shape[-1]
    if real is not None:
        real = real.expand(x.shape)
    known = x if real is None else torch.where(real, x, _least(x.dtype))
    largest, indices = known.topk(k, -1)
    if keep is not None:
        least = largest.gather(-1, (keep - 1).clamp(min=0).expand(*x.shape[:-1], 1))
        return _first_of_equals(known, k, least, real)
    least = largest[..., -1:]
    if x.device.type != "cpu" or not has_values(x):
        return _first_of_equals(known, k, least, real)
    # in most rows no other is as large as the least of the k: these are found. Bytes add up fast
    parts = (known < least).view(torch.uint8).split(255, -1)
    below = torch.stack([part.sum(-1, dtype=torch.uint8) for part in parts]).sum(0)
    unsure = below != length - k
    real = None if real is None else real[unsure]
    indices[unsure] = _first_of_equals(known[unsure], k, least[unsure], real)
    return indices


def _first_of_equals(known: Tensor, k: int, least: Tensor, real: Tensor | None) -> Tensor:
    """Where all greater than ``least`` are, then the first that equal it, k in all."""
    length, nan = known.shape[-1], known.isnan()
    above = (known > least) | (nan & ~least.isnan())
    equal = (known == least) | (nan & least.isnan())
    if real is not None:  # an element may equal the value that absent ones have here
        equal = equal & real
    first = torch.arange(length, 0, -1, dtype=torch.int32, device=known.device)
    return torch.where(above, first + length, torch.where(equal, first, 0)).topk(k, -1).indices


def _least(dtype: torch.dtype) -> float | int:
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min


def _check_layer(layer: int, layers: int, k_top: int) -> None:
    for name, value in {"layer": layer, "layers": layers, "k_top": k_top}.items():
        as_count(name, value)
    if layer > layers:
        raise ValueError(f"layer must be in [1, {layers}], the layers there are, got {layer}")
