"""Pooling: one number, or a few, for each window of an image or a sequence.

A family has in its ``__all__`` what is for users: a name that is added there is public here too.
"""

# Written by `python -m docs.stubs`.

from collections.abc import Sequence
from huashi._windows import Padding
from huashi._windows import Size
from huashi.pooling.adaptive.extrema import AdaptiveMaxPool as _AdaptiveMaxPool
from huashi.pooling.adaptive.extrema import AdaptiveMinPool as _AdaptiveMinPool
from huashi.pooling.adaptive.means import AdaptiveAvgPool as _AdaptiveAvgPool
from huashi.pooling.adaptive.means import AdaptiveGeMPool as _AdaptiveGeMPool
from huashi.pooling.adaptive.means import AdaptiveLPPool as _AdaptiveLPPool
from huashi.pooling.adaptive.means import AdaptiveSoftPool as _AdaptiveSoftPool
from huashi.pooling.adaptive.spatial_pyramid import SpatialPyramidPool2d as _SpatialPyramidPool2d
from huashi.pooling.adaptive.windows import OutputSize
from huashi.pooling.average import AvgPool as _AvgPool
from huashi.pooling.blur import BlurPool as _BlurPool
from huashi.pooling.blur import MaxBlurPool as _MaxBlurPool
from huashi.pooling.exponentials import LogSumExpPool as _LogSumExpPool
from huashi.pooling.exponentials import SoftPool as _SoftPool
from huashi.pooling.extrema import MaxPool as _MaxPool
from huashi.pooling.extrema import MinPool as _MinPool
from huashi.pooling.global_pooling.across_channels import GlobalAttentionPool as _GlobalAttentionPool
from huashi.pooling.global_pooling.across_channels import GlobalCovariancePool as _GlobalCovariancePool
from huashi.pooling.global_pooling.per_channel import GlobalAvgPool as _GlobalAvgPool
from huashi.pooling.global_pooling.per_channel import GlobalGeMPool as _GlobalGeMPool
from huashi.pooling.global_pooling.per_channel import GlobalLPPool as _GlobalLPPool
from huashi.pooling.global_pooling.per_channel import GlobalLogSumExpPool as _GlobalLogSumExpPool
from huashi.pooling.global_pooling.per_channel import GlobalMaxPool as _GlobalMaxPool
from huashi.pooling.global_pooling.per_channel import GlobalMinPool as _GlobalMinPool
from huashi.pooling.global_pooling.per_channel import GlobalSoftPool as _GlobalSoftPool
from huashi.pooling.mixture import GatedPool as _GatedPool
from huashi.pooling.mixture import MixedPool as _MixedPool
from huashi.pooling.offsets import Places as Places
from huashi.pooling.order import MedianPool as _MedianPool
from huashi.pooling.order import QuantilePool as _QuantilePool
from huashi.pooling.order import SortPool as _SortPool
from huashi.pooling.powers import GeMPool as _GeMPool
from huashi.pooling.powers import LPPool as _LPPool
from huashi.pooling.random_regions.fractional import FractionalMaxPool as _FractionalMaxPool
from huashi.pooling.random_regions.fractional import Regions
from huashi.pooling.random_regions.s3 import S3Pool as _S3Pool
from huashi.pooling.sequence.chunk_max import ChunkMaxPool1d as _ChunkMaxPool1d
from huashi.pooling.sequence.k_max import DynamicKMaxPool1d as _DynamicKMaxPool1d
from huashi.pooling.sequence.k_max import KMax as KMax
from huashi.pooling.sequence.k_max import KMaxPool1d as _KMaxPool1d
from huashi.pooling.stochastic import StochasticPool as _StochasticPool
from huashi.pooling.unpool import MaxUnpool as _MaxUnpool
from torch import Tensor
from torch import nn
from typing import Literal
from typing import overload
import torch

@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives -inf (the least integer of an integer dtype) and index -1. With ``mask`` or
    ``lengths`` the bins are those of the whole length all the same.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        output_size: how many bins; None for as many as there are elements.
        return_indices: also give where each maximum lies.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        The maxima, (channel, out_length) or (batch, channel, out_length), as ``output_size`` says,
        in the dtype of ``x``; nothing is accumulated. With ``return_indices`` also their indices in
        the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> import torch
    >>> adaptive_max_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2, return_indices=True)
    (tensor([[9., 9.]]), tensor([[2, 2]]))
    """
    ...

@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, *, return_indices: bool, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool1d(x: Tensor, output_size: OutputSize, return_indices: bool, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives -inf (the least integer of an integer dtype) and index -1. With ``mask`` or
    ``lengths`` the bins are those of the whole length all the same.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point or integer.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each maximum lies.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        The maxima, (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``; nothing is accumulated. With ``return_indices``
        also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> import torch
    >>> adaptive_max_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2, return_indices=True)
    (tensor([[9., 9.]]), tensor([[2, 2]]))
    """
    ...

@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, *, return_indices: bool, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool2d(x: Tensor, output_size: OutputSize, return_indices: bool, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives -inf (the least integer of an integer dtype) and index -1. With ``mask`` or
    ``lengths`` the bins are those of the whole length all the same.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width), floating-point
            or integer.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each maximum lies.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        The maxima, (channel, out_depth, out_height, out_width) or (batch, channel, out_depth,
        out_height, out_width), as ``output_size`` says, in the dtype of ``x``; nothing is
        accumulated. With ``return_indices`` also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> import torch
    >>> adaptive_max_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2, return_indices=True)
    (tensor([[9., 9.]]), tensor([[2, 2]]))
    """
    ...

@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, *, return_indices: bool, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_max_pool3d(x: Tensor, output_size: OutputSize, return_indices: bool, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool1d(x: Tensor, output_size: OutputSize, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives inf (the greatest integer of an integer dtype) and index -1. With ``mask``
    or ``lengths`` the bins are those of the whole length all the same.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        output_size: how many bins; None for as many as there are elements.
        return_indices: also give where each minimum lies.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        The minima, (channel, out_length) or (batch, channel, out_length), as ``output_size`` says,
        in the dtype of ``x``; nothing is accumulated. With ``return_indices`` also their indices in
        the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> import torch
    >>> adaptive_min_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[1., 3.]])
    """
    ...

@overload
def adaptive_min_pool1d(x: Tensor, output_size: OutputSize, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool1d(x: Tensor, output_size: OutputSize, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool1d(x: Tensor, output_size: OutputSize, *, return_indices: bool, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool1d(x: Tensor, output_size: OutputSize, return_indices: bool, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool2d(x: Tensor, output_size: OutputSize, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives inf (the greatest integer of an integer dtype) and index -1. With ``mask``
    or ``lengths`` the bins are those of the whole length all the same.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point or integer.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each minimum lies.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        The minima, (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``; nothing is accumulated. With ``return_indices``
        also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> import torch
    >>> adaptive_min_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[1., 3.]])
    """
    ...

@overload
def adaptive_min_pool2d(x: Tensor, output_size: OutputSize, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool2d(x: Tensor, output_size: OutputSize, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool2d(x: Tensor, output_size: OutputSize, *, return_indices: bool, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool2d(x: Tensor, output_size: OutputSize, return_indices: bool, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool3d(x: Tensor, output_size: OutputSize, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A bin without
    a real element gives inf (the greatest integer of an integer dtype) and index -1. With ``mask``
    or ``lengths`` the bins are those of the whole length all the same.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width), floating-point
            or integer.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each minimum lies.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        The minima, (channel, out_depth, out_height, out_width) or (batch, channel, out_depth,
        out_height, out_width), as ``output_size`` says, in the dtype of ``x``; nothing is
        accumulated. With ``return_indices`` also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> import torch
    >>> adaptive_min_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[1., 3.]])
    """
    ...

@overload
def adaptive_min_pool3d(x: Tensor, output_size: OutputSize, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool3d(x: Tensor, output_size: OutputSize, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool3d(x: Tensor, output_size: OutputSize, *, return_indices: bool, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def adaptive_min_pool3d(x: Tensor, output_size: OutputSize, return_indices: bool, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """:func:`~huashi.pooling.adaptive_max_pool1d` as a module.

    Args:
        output_size: how many bins; None for as many as there are elements.
        return_indices: also give where each maximum lies.
    """

class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """:func:`~huashi.pooling.adaptive_max_pool2d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each maximum lies.
    """

class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """:func:`~huashi.pooling.adaptive_max_pool3d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each maximum lies.
    """

class AdaptiveMinPool1d(_AdaptiveMinPool):
    """:func:`~huashi.pooling.adaptive_min_pool1d` as a module.

    Args:
        output_size: how many bins; None for as many as there are elements.
        return_indices: also give where each minimum lies.
    """

class AdaptiveMinPool2d(_AdaptiveMinPool):
    """:func:`~huashi.pooling.adaptive_min_pool2d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each minimum lies.
    """

class AdaptiveMinPool3d(_AdaptiveMinPool):
    """:func:`~huashi.pooling.adaptive_min_pool3d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        return_indices: also give where each minimum lies.
    """

def adaptive_avg_pool1d(x: Tensor, output_size: OutputSize, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The mean of the real elements of each of ``output_size`` bins; 0 where there are none.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        output_size: how many bins; None for as many as there are elements.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), as ``output_size`` says, in the dtype
        of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[4.0000, 5.3333]])
    """
    ...

def adaptive_avg_pool2d(x: Tensor, output_size: OutputSize, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The mean of the real elements of each of ``output_size`` bins; 0 where there are none.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[4.0000, 5.3333]])
    """
    ...

def adaptive_avg_pool3d(x: Tensor, output_size: OutputSize, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The mean of the real elements of each of ``output_size`` bins; 0 where there are none.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), as ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 9.0, 3.0, 4.0]]), 2)
    tensor([[4.0000, 5.3333]])
    """
    ...

def adaptive_lp_pool1d(x: Tensor, norm_type: float, output_size: OutputSize, *, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    Magnitudes are scaled, so that no power overflows. The gradient at 0 is 0.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        output_size: how many bins; None for as many as there are elements.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), as ``output_size`` says, in the dtype
        of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_lp_pool1d(torch.tensor([[3.0, -4.0, 12.0]]), 2, 2)
    tensor([[ 5.0000, 12.6491]])
    """
    ...

def adaptive_lp_pool2d(x: Tensor, norm_type: float, output_size: OutputSize, *, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    Magnitudes are scaled, so that no power overflows. The gradient at 0 is 0.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_lp_pool1d(torch.tensor([[3.0, -4.0, 12.0]]), 2, 2)
    tensor([[ 5.0000, 12.6491]])
    """
    ...

def adaptive_lp_pool3d(x: Tensor, norm_type: float, output_size: OutputSize, *, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    Magnitudes are scaled, so that no power overflows. The gradient at 0 is 0.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), as ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_lp_pool1d(torch.tensor([[3.0, -4.0, 12.0]]), 2, 2)
    tensor([[ 5.0000, 12.6491]])
    """
    ...

def adaptive_gem_pool1d(x: Tensor, output_size: OutputSize, *, p: Tensor | float, eps: float=1e-06, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    A bin without a real element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        output_size: how many bins; None for as many as there are elements.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), as ``output_size`` says, in the dtype
        of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_gem_pool1d(torch.tensor([[1.0, 7.0, 1.0]]), 2, p=2)
    tensor([[5., 5.]])
    """
    ...

def adaptive_gem_pool2d(x: Tensor, output_size: OutputSize, *, p: Tensor | float, eps: float=1e-06, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    A bin without a real element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_gem_pool1d(torch.tensor([[1.0, 7.0, 1.0]]), 2, p=2)
    tensor([[5., 5.]])
    """
    ...

def adaptive_gem_pool3d(x: Tensor, output_size: OutputSize, *, p: Tensor | float, eps: float=1e-06, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each of ``output_size`` bins.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.
    A bin without a real element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), as ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_gem_pool1d(torch.tensor([[1.0, 7.0, 1.0]]), 2, p=2)
    tensor([[5., 5.]])
    """
    ...

def adaptive_soft_pool1d(x: Tensor, output_size: OutputSize, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        output_size: how many bins; None for as many as there are elements.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), as ``output_size`` says, in the dtype
        of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_soft_pool1d(torch.tensor([[0.0, 100.0, 0.0, 0.0, 0.0]]), 2)
    tensor([[100.,   0.]])
    """
    ...

def adaptive_soft_pool2d(x: Tensor, output_size: OutputSize, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_soft_pool1d(torch.tensor([[0.0, 100.0, 0.0, 0.0, 0.0]]), 2)
    tensor([[100.,   0.]])
    """
    ...

def adaptive_soft_pool3d(x: Tensor, output_size: OutputSize, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each of ``output_size`` bins; 0 for one without a real element.

    Bin i of O along L elements has those from ``floor(i L / O)`` to before ``ceil((i + 1) L / O)``.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), as ``output_size`` says, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> adaptive_soft_pool1d(torch.tensor([[0.0, 100.0, 0.0, 0.0, 0.0]]), 2)
    tensor([[100.,   0.]])
    """
    ...

class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """:func:`~huashi.pooling.adaptive_avg_pool1d` as a module.

    Args:
        output_size: how many bins; None for as many as there are elements.
    """

class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """:func:`~huashi.pooling.adaptive_avg_pool2d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
    """

class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """:func:`~huashi.pooling.adaptive_avg_pool3d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
    """

class AdaptiveLPPool1d(_AdaptiveLPPool):
    """:func:`~huashi.pooling.adaptive_lp_pool1d` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        output_size: how many bins; None for as many as there are elements.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class AdaptiveLPPool2d(_AdaptiveLPPool):
    """:func:`~huashi.pooling.adaptive_lp_pool2d` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class AdaptiveLPPool3d(_AdaptiveLPPool):
    """:func:`~huashi.pooling.adaptive_lp_pool3d` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class AdaptiveGeMPool1d(_AdaptiveGeMPool):
    """:func:`~huashi.pooling.adaptive_gem_pool1d` as a module with a learned exponent.

    Args:
        output_size: how many bins; None for as many as there are elements.
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

class AdaptiveGeMPool2d(_AdaptiveGeMPool):
    """:func:`~huashi.pooling.adaptive_gem_pool2d` as a module with a learned exponent.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

class AdaptiveGeMPool3d(_AdaptiveGeMPool):
    """:func:`~huashi.pooling.adaptive_gem_pool3d` as a module with a learned exponent.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

class AdaptiveSoftPool1d(_AdaptiveSoftPool):
    """:func:`~huashi.pooling.adaptive_soft_pool1d` as a module.

    Args:
        output_size: how many bins; None for as many as there are elements.
    """

class AdaptiveSoftPool2d(_AdaptiveSoftPool):
    """:func:`~huashi.pooling.adaptive_soft_pool2d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
    """

class AdaptiveSoftPool3d(_AdaptiveSoftPool):
    """:func:`~huashi.pooling.adaptive_soft_pool3d` as a module.

    Args:
        output_size: how many bins, one number or one for each dimension; None for as many as there
            are elements.
    """

def spatial_pyramid_pool2d(x: Tensor, levels: Sequence[int]=(1, 2, 4), kind: str='max', *, mask: Tensor | None=None) -> Tensor:
    """One vector for an image of any size: adaptive pools of several sizes, side by side.

    Source: He, Zhang, Ren, Sun: Spatial Pyramid Pooling in Deep Convolutional Networks, 2014.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point, or for
            ``"max"`` integer.
        levels: bins along a side, for each level.
        kind: ``"max"`` or ``"avg"``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent.

    Returns:
        (..., channel * the sum of the squares of ``levels``), level after level, each in the order
        channel, row, column; in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> spatial_pyramid_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), levels=(1, 2))
    tensor([4., 1., 2., 3., 4.])
    """
    ...

class SpatialPyramidPool2d(_SpatialPyramidPool2d):
    """:func:`~huashi.pooling.spatial_pyramid_pool2d` as a module.

    Args:
        levels: bins along a side, for each level.
        kind: ``"max"`` or ``"avg"``.
    """

def avg_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, ceil_mode: bool=False, count_include_pad: bool=True, divisor_override: int | None=None, *, dilation: Size=1, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The sum of each window over a divisor; 0 for a window without a real element.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        ceil_mode: also count a last window that is only partly inside.
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.
        dilation: from one element of a window to the next.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> avg_pool1d(torch.ones(1, 4), 3, 2, 1, ceil_mode=True)
    tensor([[0.6667, 1.0000, 0.5000]])
    """
    ...

def avg_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, ceil_mode: bool=False, count_include_pad: bool=True, divisor_override: int | None=None, *, dilation: Size=1, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The sum of each window over a divisor; 0 for a window without a real element.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        ceil_mode: also count a last window that is only partly inside.
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.
        dilation: from one element of a window to the next, one number or one for each dimension.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> avg_pool1d(torch.ones(1, 4), 3, 2, 1, ceil_mode=True)
    tensor([[0.6667, 1.0000, 0.5000]])
    """
    ...

def avg_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, ceil_mode: bool=False, count_include_pad: bool=True, divisor_override: int | None=None, *, dilation: Size=1, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The sum of each window over a divisor; 0 for a window without a real element.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        ceil_mode: also count a last window that is only partly inside.
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.
        dilation: from one element of a window to the next, one number or one for each dimension.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> avg_pool1d(torch.ones(1, 4), 3, 2, 1, ceil_mode=True)
    tensor([[0.6667, 1.0000, 0.5000]])
    """
    ...

class AvgPool1d(_AvgPool):
    """:func:`~huashi.pooling.avg_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        ceil_mode: also count a last window that is only partly inside.
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.
        dilation: from one element of a window to the next.
    """

class AvgPool2d(_AvgPool):
    """:func:`~huashi.pooling.avg_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        ceil_mode: also count a last window that is only partly inside.
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.
        dilation: from one element of a window to the next, one number or one for each dimension.
    """

class AvgPool3d(_AvgPool):
    """:func:`~huashi.pooling.avg_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        ceil_mode: also count a last window that is only partly inside.
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.
        dilation: from one element of a window to the next, one number or one for each dimension.
    """

def blur_pool1d(x: Tensor, kernel_size: Size=4, stride: Size=2) -> Tensor:
    """Each channel blurred by a binomial filter; every ``stride``-th element of that.

    Linear in ``x``, and the weights add up to 1. Beyond its ends ``x`` is reflected.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.

    Returns:
        (channel, out_length) or (batch, channel, out_length), each ``ceil(length / stride)``, in
        the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range, or ``x`` has not more than n // 2 elements
            along a dimension, so that it cannot be reflected.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> blur_pool1d(torch.tensor([[0.0, 4.0, 8.0, 0.0, 0.0]]), 3)
    tensor([[2., 5., 0.]])
    """
    ...

def blur_pool2d(x: Tensor, kernel_size: Size=4, stride: Size=2) -> Tensor:
    """Each channel blurred by a binomial filter; every ``stride``-th element of that.

    Linear in ``x``, and the weights add up to 1. Beyond its ends ``x`` is reflected.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), each
        ``ceil(length / stride)``, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range, or ``x`` has not more than n // 2 elements
            along a dimension, so that it cannot be reflected.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> blur_pool1d(torch.tensor([[0.0, 4.0, 8.0, 0.0, 0.0]]), 3)
    tensor([[2., 5., 0.]])
    """
    ...

def blur_pool3d(x: Tensor, kernel_size: Size=4, stride: Size=2) -> Tensor:
    """Each channel blurred by a binomial filter; every ``stride``-th element of that.

    Linear in ``x``, and the weights add up to 1. Beyond its ends ``x`` is reflected.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), each ``ceil(length / stride)``, in the dtype of ``x``, accumulated in float32 or
        wider.

    Raises:
        ValueError: an argument is out of its range, or ``x`` has not more than n // 2 elements
            along a dimension, so that it cannot be reflected.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> blur_pool1d(torch.tensor([[0.0, 4.0, 8.0, 0.0, 0.0]]), 3)
    tensor([[2., 5., 0.]])
    """
    ...

def max_blur_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, *, blur_size: Size=4, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The maximum of the window at every place, blurred; every ``stride``-th element of that.

    ``mask`` and ``lengths`` are of the maximum; a window that they, or padding, leave empty is
    -inf, and so is all that it is blurred into.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        blur_size: n elements of the binomial filter, one number or one for each dimension.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), each ``ceil(maxima / stride)``, in
        the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range, or there are not more than n // 2 maxima along
            a dimension, so that they cannot be reflected.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> max_blur_pool1d(torch.tensor([[0.0, 4.0, 0.0, 0.0, 8.0]]), 2, blur_size=3)
    tensor([[4., 3.]])
    """
    ...

def max_blur_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, *, blur_size: Size=4, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The maximum of the window at every place, blurred; every ``stride``-th element of that.

    ``mask`` and ``lengths`` are of the maximum; a window that they, or padding, leave empty is
    -inf, and so is all that it is blurred into.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        blur_size: n elements of the binomial filter, one number or one for each dimension.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), each
        ``ceil(maxima / stride)``, in the dtype of ``x``, accumulated in float32 or wider.

    Raises:
        ValueError: an argument is out of its range, or there are not more than n // 2 maxima along
            a dimension, so that they cannot be reflected.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> max_blur_pool1d(torch.tensor([[0.0, 4.0, 0.0, 0.0, 8.0]]), 2, blur_size=3)
    tensor([[4., 3.]])
    """
    ...

def max_blur_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, *, blur_size: Size=4, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The maximum of the window at every place, blurred; every ``stride``-th element of that.

    ``mask`` and ``lengths`` are of the maximum; a window that they, or padding, leave empty is
    -inf, and so is all that it is blurred into.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        blur_size: n elements of the binomial filter, one number or one for each dimension.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), each ``ceil(maxima / stride)``, in the dtype of ``x``, accumulated in float32 or
        wider.

    Raises:
        ValueError: an argument is out of its range, or there are not more than n // 2 maxima along
            a dimension, so that they cannot be reflected.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> max_blur_pool1d(torch.tensor([[0.0, 4.0, 0.0, 0.0, 8.0]]), 2, blur_size=3)
    tensor([[4., 3.]])
    """
    ...

class BlurPool1d(_BlurPool):
    """:func:`~huashi.pooling.blur_pool1d` as a module.

    Args:
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.
    """

class BlurPool2d(_BlurPool):
    """:func:`~huashi.pooling.blur_pool2d` as a module.

    Args:
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.
    """

class BlurPool3d(_BlurPool):
    """:func:`~huashi.pooling.blur_pool3d` as a module.

    Args:
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.
    """

class MaxBlurPool1d(_MaxBlurPool):
    """:func:`~huashi.pooling.max_blur_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        blur_size: n elements of the binomial filter, one number or one for each dimension.
    """

class MaxBlurPool2d(_MaxBlurPool):
    """:func:`~huashi.pooling.max_blur_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        blur_size: n elements of the binomial filter, one number or one for each dimension.
    """

class MaxBlurPool3d(_MaxBlurPool):
    """:func:`~huashi.pooling.max_blur_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        blur_size: n elements of the binomial filter, one number or one for each dimension.
    """

def downsample(kind: str, in_channels: int, out_channels: int | None=None, *, stride: int=2, kernel_size: int=3, dims: int=2) -> nn.Module:
    """A module that leaves ceil(L / stride) elements of each dimension, for every kind.

    Args:
        kind: ``"strided"``, a strided convolution; ``"all_convolutional"``, the same and a ReLU, in
            the place of a pool (Springenberg 2015); ``"max"``; ``"avg"``, over real elements;
            ``"blur"``; or ``"max_blur"``, the anti-aliased maximum (Zhang 2019). After a pool a
            convolution of one element changes the number of channels where it has to.
        in_channels: of the input, (batch, in_channels, L...).
        out_channels: of the output, (batch, out_channels, ceil(L / stride)...); ``in_channels`` by
            default.
        stride: by what factor each dimension becomes smaller.
        kernel_size: elements of the convolution, the window or the filter along each dimension,
            an odd number.
        dims: 1, 2 or 3.

    Returns:
        A module of (batch, in_channels, L...) to (batch, out_channels, ceil(L / stride)...), in the
        dtype of its input.

    Raises:
        ValueError: an argument is out of its range.
        TypeError: a number is not an int.

    >>> [tuple(downsample(kind, 4, 6)(torch.ones(1, 4, 9, 8)).shape) for kind in ("max", "strided")]
    [(1, 6, 5, 4), (1, 6, 5, 4)]
    """
    ...

def shift_consistency(model: nn.Module, images: Tensor, *, pairs: int=5, max_shift: int=8, shift: str='roll', batch_size: int=64, generator: torch.Generator | None=None) -> float:
    """How often a classification is the same for two random shifts of the same image.

    The share of pairs whose largest score is that of the same class, right or wrong; each pair of
    each image has shifts of its own (Zhang, ICML 2019). The model is in evaluation mode meanwhile.

    Args:
        model: from images to scores, (batch, classes).
        images: (batch, channel, height, width), on the device of the model.
        pairs: of shifts, for each image.
        max_shift: largest shift of rows and of columns, in pixels; each is uniform in
            [0, max_shift].
        shift: ``"roll"``, so that what leaves at one side enters at the other and nothing is lost;
            or ``"crop"``, a window of the image that is smaller by ``max_shift``.
        batch_size: images that the model sees at once; no other effect, but for rounding.
        generator: where the shifts come from.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: an argument is out of its range, or the model's output is of another shape.
        TypeError: a number is not an int.

    >>> brightest = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> shift_consistency(brightest, torch.rand(4, 3, 8, 8))
    1.0
    """
    ...

def soft_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each window; 0 for a window without a real element.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> soft_pool1d(torch.tensor([[0.0, 0.0, 0.0, 100.0]]), 2)
    tensor([[  0., 100.]])
    """
    ...

def soft_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each window; 0 for a window without a real element.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> soft_pool1d(torch.tensor([[0.0, 0.0, 0.0, 100.0]]), 2)
    tensor([[  0., 100.]])
    """
    ...

def soft_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each window; 0 for a window without a real element.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> soft_pool1d(torch.tensor([[0.0, 0.0, 0.0, 100.0]]), 2)
    tensor([[  0., 100.]])
    """
    ...

def log_sum_exp_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, r: Tensor | float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each window: from its mean to its maximum as r grows.

    A window without a real element gives 0.

    Source: Pinheiro and Collobert: From Image-level to Pixel-level Labeling with Convolutional
    Networks, 2015.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        r: sharpness > 0, a number or a 0-d tensor; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> log_sum_exp_pool1d(torch.tensor([[2.0, 2.0, 0.0, 90.0]]), 2, r=1.0)
    tensor([[ 2.0000, 89.3069]])
    """
    ...

def log_sum_exp_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, r: Tensor | float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each window: from its mean to its maximum as r grows.

    A window without a real element gives 0.

    Source: Pinheiro and Collobert: From Image-level to Pixel-level Labeling with Convolutional
    Networks, 2015.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        r: sharpness > 0, a number or a 0-d tensor; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> log_sum_exp_pool1d(torch.tensor([[2.0, 2.0, 0.0, 90.0]]), 2, r=1.0)
    tensor([[ 2.0000, 89.3069]])
    """
    ...

def log_sum_exp_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, r: Tensor | float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each window: from its mean to its maximum as r grows.

    A window without a real element gives 0.

    Source: Pinheiro and Collobert: From Image-level to Pixel-level Labeling with Convolutional
    Networks, 2015.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        r: sharpness > 0, a number or a 0-d tensor; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> log_sum_exp_pool1d(torch.tensor([[2.0, 2.0, 0.0, 90.0]]), 2, r=1.0)
    tensor([[ 2.0000, 89.3069]])
    """
    ...

class SoftPool1d(_SoftPool):
    """:func:`~huashi.pooling.soft_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
    """

class SoftPool2d(_SoftPool):
    """:func:`~huashi.pooling.soft_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
    """

class SoftPool3d(_SoftPool):
    """:func:`~huashi.pooling.soft_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
    """

class LogSumExpPool1d(_LogSumExpPool):
    """:func:`~huashi.pooling.log_sum_exp_pool1d` as a module with a learned sharpness.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        r: the sharpness at first, > 0.
    """

class LogSumExpPool2d(_LogSumExpPool):
    """:func:`~huashi.pooling.log_sum_exp_pool2d` as a module with a learned sharpness.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        r: the sharpness at first, > 0.
    """

class LogSumExpPool3d(_LogSumExpPool):
    """:func:`~huashi.pooling.log_sum_exp_pool3d` as a module with a learned sharpness.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        r: the sharpness at first, > 0.
    """

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives -inf (the least integer of an integer dtype) and index -1.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d`
            is fastest with.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        The maxima, (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``;
        nothing is accumulated. With ``return_indices=True`` also their indices in the flattened
        dimensions, int64, and with ``"compact"`` :class:`Places`. Along a dimension there are
        ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    >>> max_pool1d(x, 3, stride=2, padding="same")
    tensor([[5., 4.]])
    >>> max_pool1d(x, 2, return_indices=True)
    (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    ...

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: bool | Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def max_pool1d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: bool | Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives -inf (the least integer of an integer dtype) and index -1.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point or integer.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d`
            is fastest with.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        The maxima, (channel, out_height, out_width) or (batch, channel, out_height, out_width), in
        the dtype of ``x``; nothing is accumulated. With ``return_indices=True`` also their indices
        in the flattened dimensions, int64, and with ``"compact"`` :class:`Places`. Along a
        dimension there are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) /
        stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    >>> max_pool1d(x, 3, stride=2, padding="same")
    tensor([[5., 4.]])
    >>> max_pool1d(x, 2, return_indices=True)
    (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: bool | Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def max_pool2d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: bool | Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives -inf (the least integer of an integer dtype) and index -1.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width), floating-point
            or integer.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d`
            is fastest with.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        The maxima, (channel, out_depth, out_height, out_width) or (batch, channel, out_depth,
        out_height, out_width), in the dtype of ``x``; nothing is accumulated. With
        ``return_indices=True`` also their indices in the flattened dimensions, int64, and with
        ``"compact"`` :class:`Places`. Along a dimension there are ``floor((length + before + after
        - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for
        floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    >>> max_pool1d(x, 3, stride=2, padding="same")
    tensor([[5., 4.]])
    >>> max_pool1d(x, 2, return_indices=True)
    (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: bool | Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def max_pool3d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: bool | Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives inf (the greatest integer of an integer dtype) and index -1.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        The minima, (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``;
        nothing is accumulated. With ``return_indices=True`` also their indices in the flattened
        dimensions, int64, and with ``"compact"`` :class:`Places`. Along a dimension there are
        ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> min_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[1., 2.]])
    """
    ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: bool | Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def min_pool1d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: bool | Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives inf (the greatest integer of an integer dtype) and index -1.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point or integer.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        The minima, (channel, out_height, out_width) or (batch, channel, out_height, out_width), in
        the dtype of ``x``; nothing is accumulated. With ``return_indices=True`` also their indices
        in the flattened dimensions, int64, and with ``"compact"`` :class:`Places`. Along a
        dimension there are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) /
        stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> min_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[1., 2.]])
    """
    ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: bool | Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def min_pool2d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: bool | Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, return_indices: Literal[False]=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. A window
    without a real element gives inf (the greatest integer of an integer dtype) and index -1.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width), floating-point
            or integer.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        The minima, (channel, out_depth, out_height, out_width) or (batch, channel, out_depth,
        out_height, out_width), in the dtype of ``x``; nothing is accumulated. With
        ``return_indices=True`` also their indices in the flattened dimensions, int64, and with
        ``"compact"`` :class:`Places`. Along a dimension there are ``floor((length + before + after
        - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for
        floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> min_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[1., 2.]])
    """
    ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal[True], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal[True], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Places]: ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, return_indices: bool | Literal['compact'], mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

@overload
def min_pool3d(x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size, ceil_mode: bool, return_indices: bool | Literal['compact'], *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor | Places]: ...

def mask_pool1d(mask: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False) -> Tensor:
    """The mask of what a pool gives: True where the window has a real element.

    Args:
        mask: of the input, bool, (channel, length) or (batch, channel, length); 1 for batch or
            channel stands for all.
        kernel_size: of the pool, as are the arguments that follow.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.

    Returns:
        (channel, out_length) or (batch, channel, out_length), bool; nothing is accumulated. Along a
        dimension there are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) /
        stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> mask_pool1d(torch.tensor([[True, False, False, False]]), 2)
    tensor([[ True, False]])
    """
    ...

def mask_pool2d(mask: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False) -> Tensor:
    """The mask of what a pool gives: True where the window has a real element.

    Args:
        mask: of the input, bool, (channel, height, width) or (batch, channel, height, width); 1 for
            batch or channel stands for all.
        kernel_size: of the pool, as are the arguments that follow.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), bool; nothing
        is accumulated. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> mask_pool1d(torch.tensor([[True, False, False, False]]), 2)
    tensor([[ True, False]])
    """
    ...

def mask_pool3d(mask: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False) -> Tensor:
    """The mask of what a pool gives: True where the window has a real element.

    Args:
        mask: of the input, bool, (channel, depth, height, width) or (batch, channel, depth, height,
            width); 1 for batch or channel stands for all.
        kernel_size: of the pool, as are the arguments that follow.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), bool; nothing is accumulated. Along a dimension there are ``floor((length +
        before + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode
        with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> mask_pool1d(torch.tensor([[True, False, False, False]]), 2)
    tensor([[ True, False]])
    """
    ...

class MaxPool1d(_MaxPool):
    """:func:`~huashi.pooling.max_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d`
            is fastest with.
        ceil_mode: also count a last window that is only partly inside.
    """

class MaxPool2d(_MaxPool):
    """:func:`~huashi.pooling.max_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d`
            is fastest with.
        ceil_mode: also count a last window that is only partly inside.
    """

class MaxPool3d(_MaxPool):
    """:func:`~huashi.pooling.max_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        return_indices: also give where each maximum lies: True an index of eight bytes, as torch
            does; ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d`
            is fastest with.
        ceil_mode: also count a last window that is only partly inside.
    """

class MinPool1d(_MinPool):
    """:func:`~huashi.pooling.min_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.
        ceil_mode: also count a last window that is only partly inside.
    """

class MinPool2d(_MinPool):
    """:func:`~huashi.pooling.min_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.
        ceil_mode: also count a last window that is only partly inside.
    """

class MinPool3d(_MinPool):
    """:func:`~huashi.pooling.min_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        return_indices: also give where each minimum lies: True an index of eight bytes,
            ``"compact"`` a byte, with the shape of ``x``, which is what :func:`max_unpool2d` is
            fastest with.
        ceil_mode: also count a last window that is only partly inside.
    """

def global_attention_pool(x: Tensor, weight: Tensor, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The mean of the positions, each with the softmax of its score as weight.

    The score of position i is ``weight . x_i``, a 1x1 convolution to one map; a bias would change
    no softmax. A weight of 0 gives :func:`global_avg_pool`.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        weight: (channel,); differentiable.
        mask: True where a position is real, bool, broadcastable to ``x``, with 1 for the channels.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[[1.0, 3.0], [0.0, 100.0]]])  # positions (1, 0) and (3, 100)
    >>> global_attention_pool(x, torch.tensor([0.0, 1.0]))
    tensor([[  3., 100.]])
    """
    ...

def global_covariance_pool(x: Tensor, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """How the channels vary together over the positions: their covariance matrix.

    It is divided by the number of positions n.

    Source: Li, Xie, Wang, Zuo: Is Second-order Information Helpful for Large-scale Visual
    Recognition? 2017.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        mask: True where a position is real, bool, broadcastable to ``x``, with 1 for the channels.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel, channel), symmetric, in the dtype of ``x``, accumulated in float32 or
        wider; 0 where nothing is real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_covariance_pool(torch.tensor([[[1.0, 3.0], [5.0, 1.0]]]))
    tensor([[[ 1., -2.],
             [-2.,  4.]]])
    """
    ...

class GlobalAttentionPool(_GlobalAttentionPool):
    """:func:`~huashi.pooling.global_attention_pool` as a module with learned weights, at first 0.

    Args:
        channels: of the input.
    """

class GlobalCovariancePool(_GlobalCovariancePool):
    """:func:`~huashi.pooling.global_covariance_pool` as a module."""

def gap_head(channels: int, classes: int, dims: int=2) -> nn.Sequential:
    """Lin's classifier: a 1x1 convolution to one map per class, and the mean of each map.

    Beside :func:`fc_head`, which it replaces: no position has weights of its own, an input may have
    any size, and there are far fewer parameters to overfit with.

    Source: Lin, Chen, Yan: Network in Network, 2013.

    Args:
        channels: of the features, (batch, channels, L...).
        classes: how many scores there are.
        dims: of the features.

    Returns:
        A module of features, (batch, channels, L...), to scores, (batch, classes), in their dtype.

    Raises:
        ValueError: ``dims`` is not 1, 2 or 3.

    >>> count = lambda head: sum(p.numel() for p in head.parameters())
    >>> count(gap_head(256, 1000))  # 256 * 1000 + 1000
    257000
    >>> count(fc_head(256, 6, 1000))  # 256 * 36 * 1000 + 1000
    9217000
    >>> count(fc_head(256, 6, 1000, hidden=(4096, 4096)))  # as in AlexNet
    58631144
    """
    ...

def fc_head(channels: int, size: int | Sequence[int], classes: int, *, hidden: Sequence[int]=()) -> nn.Sequential:
    """The classifier before Lin: all elements of all maps into fully connected layers.

    :func:`gap_head` shows the two side by side.

    Args:
        channels: of the features, (batch, channels, L...).
        size: of the features: the side of a square, or one number for each dimension.
        classes: how many scores there are.
        hidden: units of the layers in between, each followed by a ReLU.

    Returns:
        A module of features, (batch, channels, size...), to scores, (batch, classes), in their
        dtype.

    >>> import torch
    >>> fc_head(16, (4, 5), 10)(torch.zeros(2, 16, 4, 5)).shape
    torch.Size([2, 10])
    """
    ...

def global_max_pool(x: Tensor, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The largest element of each channel; the first of equals gets the gradient.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point or integer.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, nothing is accumulated; -inf (the least integer of
        an integer dtype) where nothing is real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_max_pool(torch.tensor([[[1.0, 5.0, 9.0]]]), lengths=torch.tensor([2]))
    tensor([[5.]])
    """
    ...

def global_min_pool(x: Tensor, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The smallest element of each channel; the first of equals gets the gradient.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point or integer.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, nothing is accumulated; inf (the greatest integer
        of an integer dtype) where nothing is real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_min_pool(torch.tensor([[[[1.0, 5.0], [0.0, 9.0]]]]))
    tensor([[0.]])
    """
    ...

def global_avg_pool(x: Tensor, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The mean of each channel's real elements.

    Source: Lin, Chen, Yan: Network in Network, 2013.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_avg_pool(torch.tensor([[[1.0, 5.0, 9.0]]]), lengths=torch.tensor([2]))
    tensor([[3.]])
    """
    ...

def global_lp_pool(x: Tensor, norm_type: float, *, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each channel, or the mean inside the root.

    Magnitudes are scaled, so that no power overflows. The gradient at 0 is 0.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_lp_pool(torch.tensor([[[3.0, -4.0]]]), 2)
    tensor([[5.]])
    """
    ...

def global_gem_pool(x: Tensor, p: Tensor | float=3.0, eps: float=1e-06, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each channel.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_gem_pool(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    tensor([[2.9240]])
    """
    ...

def global_log_sum_exp_pool(x: Tensor, r: Tensor | float, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each channel, from its mean to its maximum as r grows.

    Source: Pinheiro and Collobert: From Image-level to Pixel-level Labeling with Convolutional
    Networks, 2015.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        r: sharpness > 0, a number or a 0-d tensor; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_log_sum_exp_pool(torch.tensor([[[0.0, 90.0]]]), 1.0)
    tensor([[89.3069]])
    """
    ...

def global_soft_pool(x: Tensor, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``sum softmax(x)_i x_i`` of each channel.

    Source: Stergiou, Poppe, Kalliatakis: Refining activation downsampling with SoftPool, 2021.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers;
            none where it is below 1, all where it is above their number.

    Returns:
        (batch, channel), in the dtype of ``x``, accumulated in float32 or wider; 0 where nothing is
        real.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> global_soft_pool(torch.tensor([[[0.0, 100.0]]]))
    tensor([[100.]])
    """
    ...

class GlobalMaxPool(_GlobalMaxPool):
    """:func:`~huashi.pooling.global_max_pool` as a module."""

class GlobalMinPool(_GlobalMinPool):
    """:func:`~huashi.pooling.global_min_pool` as a module."""

class GlobalAvgPool(_GlobalAvgPool):
    """:func:`~huashi.pooling.global_avg_pool` as a module."""

class GlobalLPPool(_GlobalLPPool):
    """:func:`~huashi.pooling.global_lp_pool` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class GlobalGeMPool(_GlobalGeMPool):
    """:func:`~huashi.pooling.global_gem_pool` as a module with a learned exponent.

    Args:
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

class GlobalLogSumExpPool(_GlobalLogSumExpPool):
    """:func:`~huashi.pooling.global_log_sum_exp_pool` as a module with a learned sharpness.

    Args:
        r: the sharpness at first, > 0.
    """

class GlobalSoftPool(_GlobalSoftPool):
    """:func:`~huashi.pooling.global_soft_pool` as a module."""

def mixed_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, a: Tensor | float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``a max + (1 - a) average`` of each window; 0 for a window without a real element.

    The average is over real elements. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        a: the share of the maximum: a number in [0, 1], or a tensor, 0-d or (channel,), whose
            values are free; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> mixed_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, a=0.5)
    tensor([[2.5000, 3.0000]])
    """
    ...

def mixed_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, a: Tensor | float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``a max + (1 - a) average`` of each window; 0 for a window without a real element.

    The average is over real elements. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        a: the share of the maximum: a number in [0, 1], or a tensor, 0-d or (channel,), whose
            values are free; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> mixed_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, a=0.5)
    tensor([[2.5000, 3.0000]])
    """
    ...

def mixed_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, a: Tensor | float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``a max + (1 - a) average`` of each window; 0 for a window without a real element.

    The average is over real elements. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        a: the share of the maximum: a number in [0, 1], or a tensor, 0-d or (channel,), whose
            values are free; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> mixed_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, a=0.5)
    tensor([[2.5000, 3.0000]])
    """
    ...

def gated_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, weight: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``a max + (1 - a) average`` of each window, where ``a = sigmoid(weight . window)``.

    The average is over real elements, and absent elements count 0 in the product. A window without
    a real element gives 0. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        weight: of each element of a window in row-major order, (elements,), or (channel, elements)
            for weights of their own; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> gated_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, weight=torch.tensor([9.0, -3.0]))
    tensor([[2.5000, 2.0000]])
    """
    ...

def gated_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, weight: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``a max + (1 - a) average`` of each window, where ``a = sigmoid(weight . window)``.

    The average is over real elements, and absent elements count 0 in the product. A window without
    a real element gives 0. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        weight: of each element of a window in row-major order, (elements,), or (channel, elements)
            for weights of their own; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> gated_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, weight=torch.tensor([9.0, -3.0]))
    tensor([[2.5000, 2.0000]])
    """
    ...

def gated_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, weight: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``a max + (1 - a) average`` of each window, where ``a = sigmoid(weight . window)``.

    The average is over real elements, and absent elements count 0 in the product. A window without
    a real element gives 0. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        weight: of each element of a window in row-major order, (elements,), or (channel, elements)
            for weights of their own; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> gated_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, weight=torch.tensor([9.0, -3.0]))
    tensor([[2.5000, 2.0000]])
    """
    ...

class MixedPool1d(_MixedPool):
    """:func:`~huashi.pooling.mixed_pool1d` as a module with a learned share.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        a: the share of the maximum at first, in [0, 1].
        channels: of the input, for shares of their own; None for the same one.
    """

class MixedPool2d(_MixedPool):
    """:func:`~huashi.pooling.mixed_pool2d` as a module with a learned share.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        a: the share of the maximum at first, in [0, 1].
        channels: of the input, for shares of their own; None for the same one.
    """

class MixedPool3d(_MixedPool):
    """:func:`~huashi.pooling.mixed_pool3d` as a module with a learned share.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        a: the share of the maximum at first, in [0, 1].
        channels: of the input, for shares of their own; None for the same one.
    """

class GatedPool1d(_GatedPool):
    """:func:`~huashi.pooling.gated_pool1d` as a module with learned weights, at first 0.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        channels: of the input, for weights of their own; None for the same ones.
    """

class GatedPool2d(_GatedPool):
    """:func:`~huashi.pooling.gated_pool2d` as a module with learned weights, at first 0.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        channels: of the input, for weights of their own; None for the same ones.
    """

class GatedPool3d(_GatedPool):
    """:func:`~huashi.pooling.gated_pool3d` as a module with learned weights, at first 0.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        channels: of the input, for weights of their own; None for the same ones.
    """

def sort_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, scores: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The k largest elements of each window, in order, weighted by ``softmax(scores)``.

    k = 1 is the maximum; equal scores for all elements give the mean. A window of fewer real
    elements uses as many of the scores; one without any gives 0.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        scores: (k,), or (channel, k) for scores of their own; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> sort_pool1d(torch.tensor([[1.0, 5.0, 3.0]]), 3, scores=torch.zeros(2))
    tensor([[4.]])
    """
    ...

def sort_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, scores: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The k largest elements of each window, in order, weighted by ``softmax(scores)``.

    k = 1 is the maximum; equal scores for all elements give the mean. A window of fewer real
    elements uses as many of the scores; one without any gives 0.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        scores: (k,), or (channel, k) for scores of their own; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> sort_pool1d(torch.tensor([[1.0, 5.0, 3.0]]), 3, scores=torch.zeros(2))
    tensor([[4.]])
    """
    ...

def sort_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, scores: Tensor, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The k largest elements of each window, in order, weighted by ``softmax(scores)``.

    k = 1 is the maximum; equal scores for all elements give the mean. A window of fewer real
    elements uses as many of the scores; one without any gives 0.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        scores: (k,), or (channel, k) for scores of their own; differentiable.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> sort_pool1d(torch.tensor([[1.0, 5.0, 3.0]]), 3, scores=torch.zeros(2))
    tensor([[4.]])
    """
    ...

def quantile_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, q: float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The q-quantile of each window, on a straight line between two neighbours in its order.

    The one or two elements that make it up get the gradient. Between a number and an infinity it is
    that infinity, between the two infinities NaN. NaN in a window makes its result NaN. A window
    without a real element gives 0.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        q: from 0, the minimum, to 1, the maximum.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> quantile_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3, q=0.75)
    tensor([[6.]])
    """
    ...

def quantile_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, q: float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The q-quantile of each window, on a straight line between two neighbours in its order.

    The one or two elements that make it up get the gradient. Between a number and an infinity it is
    that infinity, between the two infinities NaN. NaN in a window makes its result NaN. A window
    without a real element gives 0.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        q: from 0, the minimum, to 1, the maximum.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> quantile_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3, q=0.75)
    tensor([[6.]])
    """
    ...

def quantile_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, q: float, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The q-quantile of each window, on a straight line between two neighbours in its order.

    The one or two elements that make it up get the gradient. Between a number and an infinity it is
    that infinity, between the two infinities NaN. NaN in a window makes its result NaN. A window
    without a real element gives 0.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        q: from 0, the minimum, to 1, the maximum.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> quantile_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3, q=0.75)
    tensor([[6.]])
    """
    ...

def median_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The median of each window; the mean of the middle two where their number is even.

    NaN in a window makes its result NaN. A window without a real element gives 0.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> median_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3)
    tensor([[3.]])
    """
    ...

def median_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The median of each window; the mean of the middle two where their number is even.

    NaN in a window makes its result NaN. A window without a real element gives 0.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> median_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3)
    tensor([[3.]])
    """
    ...

def median_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The median of each window; the mean of the middle two where their number is even.

    NaN in a window makes its result NaN. A window without a real element gives 0.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> median_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3)
    tensor([[3.]])
    """
    ...

class SortPool1d(_SortPool):
    """:func:`~huashi.pooling.sort_pool1d` as a module with learned scores.

    At first they are drawn from N(0, 0.1^2).

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        k: how many of the largest elements count.
        channels: of the input, for scores of their own; None for the same ones.
        generator: where the first scores come from.
    """

class SortPool2d(_SortPool):
    """:func:`~huashi.pooling.sort_pool2d` as a module with learned scores.

    At first they are drawn from N(0, 0.1^2).

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        k: how many of the largest elements count.
        channels: of the input, for scores of their own; None for the same ones.
        generator: where the first scores come from.
    """

class SortPool3d(_SortPool):
    """:func:`~huashi.pooling.sort_pool3d` as a module with learned scores.

    At first they are drawn from N(0, 0.1^2).

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        k: how many of the largest elements count.
        channels: of the input, for scores of their own; None for the same ones.
        generator: where the first scores come from.
    """

class QuantilePool1d(_QuantilePool):
    """:func:`~huashi.pooling.quantile_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        q: from 0, the minimum, to 1, the maximum.
    """

class QuantilePool2d(_QuantilePool):
    """:func:`~huashi.pooling.quantile_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        q: from 0, the minimum, to 1, the maximum.
    """

class QuantilePool3d(_QuantilePool):
    """:func:`~huashi.pooling.quantile_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        q: from 0, the minimum, to 1, the maximum.
    """

class MedianPool1d(_MedianPool):
    """:func:`~huashi.pooling.median_pool1d` as a module.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
    """

class MedianPool2d(_MedianPool):
    """:func:`~huashi.pooling.median_pool2d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
    """

class MedianPool3d(_MedianPool):
    """:func:`~huashi.pooling.median_pool3d` as a module.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
    """

def lp_pool1d(x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None=None, ceil_mode: bool=False, *, padding: Padding=0, dilation: Size=1, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each window; 0 for a window without a real element.

    Unlike torch's, it takes magnitudes, so that an odd p is a norm too, and leaves a window that
    is only partly inside as it is. Magnitudes are scaled, so that no power overflows. The gradient
    at 0 is 0.

    Source: Sermanet, Chintala, LeCun: Convolutional Neural Networks Applied to House Numbers Digit
    Classification, 2012.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        ceil_mode: also count a last window that is only partly inside.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> lp_pool1d(torch.tensor([[3.0, -4.0, 5.0]]), 2, 2, ceil_mode=True)
    tensor([[5., 5.]])
    """
    ...

def lp_pool2d(x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None=None, ceil_mode: bool=False, *, padding: Padding=0, dilation: Size=1, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each window; 0 for a window without a real element.

    Unlike torch's, it takes magnitudes, so that an odd p is a norm too, and leaves a window that
    is only partly inside as it is. Magnitudes are scaled, so that no power overflows. The gradient
    at 0 is 0.

    Source: Sermanet, Chintala, LeCun: Convolutional Neural Networks Applied to House Numbers Digit
    Classification, 2012.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        ceil_mode: also count a last window that is only partly inside.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> lp_pool1d(torch.tensor([[3.0, -4.0, 5.0]]), 2, 2, ceil_mode=True)
    tensor([[5., 5.]])
    """
    ...

def lp_pool3d(x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None=None, ceil_mode: bool=False, *, padding: Padding=0, dilation: Size=1, reduction: str='sum', mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each window; 0 for a window without a real element.

    Unlike torch's, it takes magnitudes, so that an odd p is a norm too, and leaves a window that
    is only partly inside as it is. Magnitudes are scaled, so that no power overflows. The gradient
    at 0 is 0.

    Source: Sermanet, Chintala, LeCun: Convolutional Neural Networks Applied to House Numbers Digit
    Classification, 2012.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        ceil_mode: also count a last window that is only partly inside.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> lp_pool1d(torch.tensor([[3.0, -4.0, 5.0]]), 2, 2, ceil_mode=True)
    tensor([[5., 5.]])
    """
    ...

def gem_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, p: Tensor | float, eps: float=1e-06, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each window.

    p = 1 is the mean, p = 2 the L2 pool, and the maximum is the limit. A window without a real
    element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> gem_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2, p=3)
    tensor([[[2.9240]]])
    """
    ...

def gem_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, p: Tensor | float, eps: float=1e-06, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each window.

    p = 1 is the mean, p = 2 the L2 pool, and the maximum is the limit. A window without a real
    element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> gem_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2, p=3)
    tensor([[[2.9240]]])
    """
    ...

def gem_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, p: Tensor | float, eps: float=1e-06, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each window.

    p = 1 is the mean, p = 2 the L2 pool, and the maximum is the limit. A window without a real
    element gives 0.

    Source: Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> gem_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2, p=3)
    tensor([[[2.9240]]])
    """
    ...

class LPPool1d(_LPPool):
    """:func:`~huashi.pooling.lp_pool1d` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        ceil_mode: also count a last window that is only partly inside.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class LPPool2d(_LPPool):
    """:func:`~huashi.pooling.lp_pool2d` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        ceil_mode: also count a last window that is only partly inside.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class LPPool3d(_LPPool):
    """:func:`~huashi.pooling.lp_pool3d` as a module.

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        ceil_mode: also count a last window that is only partly inside.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root.
    """

class GeMPool1d(_GeMPool):
    """:func:`~huashi.pooling.gem_pool1d` as a module with a learned exponent.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

class GeMPool2d(_GeMPool):
    """:func:`~huashi.pooling.gem_pool2d` as a module with a learned exponent.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

class GeMPool3d(_GeMPool):
    """:func:`~huashi.pooling.gem_pool3d` as a module with a learned exponent.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        p: the exponent at first, > 0.
        eps: elements below count as this, so that the power is real and its gradient finite.
    """

@overload
def fractional_max_pool1d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, return_indices: Literal[False]=False, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    r"""The largest element of pseudo-random regions, as many as asked for.

    Along a dimension of L elements with O outputs the edges are :math:`a_i - a_0` with
    :math:`a_i = \lceil \alpha (i + u) \rceil` and u uniform in (0, 1): steps are
    :math:`\lfloor \alpha \rfloor` or :math:`\lceil \alpha \rceil`, of mean :math:`\alpha`. Each
    dimension of each channel of each sample has a u of its own, as in torch. A region without a
    real element gives -inf and index -1.

    Source: Graham: Fractional Max-Pooling, 2014. His overlapping regions cover the input; his
    disjoint ones leave its last element out, and ours do not.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        kernel_size: elements of a region, one number or one for each dimension, which begins at an
            edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        training: draw u; False sets it to 1/2.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        The maxima, (channel, out_length) or (batch, channel, out_length), as ``output_size`` says,
        in the dtype of ``x``; nothing is accumulated. With ``return_indices`` also their indices in
        the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range, both or none of ``output_size`` and
            ``output_ratio`` are given, or there is no room for so many regions.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    >>> fractional_max_pool1d(x, "disjoint", 3, training=False)  # 1 2 | 3 4 | 5
    tensor([[2., 4., 5.]])
    """
    ...

@overload
def fractional_max_pool1d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, *, return_indices: Literal[True], training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool1d(x: Tensor, kernel_size: Regions, output_size: Size | None, output_ratio: float | Sequence[float] | None, return_indices: Literal[True], *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool1d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, *, return_indices: bool, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool1d(x: Tensor, kernel_size: Regions, output_size: Size | None, output_ratio: float | Sequence[float] | None, return_indices: bool, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool2d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, return_indices: Literal[False]=False, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    r"""The largest element of pseudo-random regions, as many as asked for.

    Along a dimension of L elements with O outputs the edges are :math:`a_i - a_0` with
    :math:`a_i = \lceil \alpha (i + u) \rceil` and u uniform in (0, 1): steps are
    :math:`\lfloor \alpha \rfloor` or :math:`\lceil \alpha \rceil`, of mean :math:`\alpha`. Each
    dimension of each channel of each sample has a u of its own, as in torch. A region without a
    real element gives -inf and index -1.

    Source: Graham: Fractional Max-Pooling, 2014. His overlapping regions cover the input; his
    disjoint ones leave its last element out, and ours do not.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point or integer.
        kernel_size: elements of a region, one number or one for each dimension, which begins at an
            edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        training: draw u; False sets it to 1/2.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        The maxima, (channel, out_height, out_width) or (batch, channel, out_height, out_width), as
        ``output_size`` says, in the dtype of ``x``; nothing is accumulated. With ``return_indices``
        also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range, both or none of ``output_size`` and
            ``output_ratio`` are given, or there is no room for so many regions.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    >>> fractional_max_pool1d(x, "disjoint", 3, training=False)  # 1 2 | 3 4 | 5
    tensor([[2., 4., 5.]])
    """
    ...

@overload
def fractional_max_pool2d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, *, return_indices: Literal[True], training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool2d(x: Tensor, kernel_size: Regions, output_size: Size | None, output_ratio: float | Sequence[float] | None, return_indices: Literal[True], *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool2d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, *, return_indices: bool, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool2d(x: Tensor, kernel_size: Regions, output_size: Size | None, output_ratio: float | Sequence[float] | None, return_indices: bool, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool3d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, return_indices: Literal[False]=False, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    r"""The largest element of pseudo-random regions, as many as asked for.

    Along a dimension of L elements with O outputs the edges are :math:`a_i - a_0` with
    :math:`a_i = \lceil \alpha (i + u) \rceil` and u uniform in (0, 1): steps are
    :math:`\lfloor \alpha \rfloor` or :math:`\lceil \alpha \rceil`, of mean :math:`\alpha`. Each
    dimension of each channel of each sample has a u of its own, as in torch. A region without a
    real element gives -inf and index -1.

    Source: Graham: Fractional Max-Pooling, 2014. His overlapping regions cover the input; his
    disjoint ones leave its last element out, and ours do not.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width), floating-point
            or integer.
        kernel_size: elements of a region, one number or one for each dimension, which begins at an
            edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        training: draw u; False sets it to 1/2.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        The maxima, (channel, out_depth, out_height, out_width) or (batch, channel, out_depth,
        out_height, out_width), as ``output_size`` says, in the dtype of ``x``; nothing is
        accumulated. With ``return_indices`` also their indices in the flattened dimensions, int64.

    Raises:
        ValueError: an argument is out of its range, both or none of ``output_size`` and
            ``output_ratio`` are given, or there is no room for so many regions.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    >>> fractional_max_pool1d(x, "disjoint", 3, training=False)  # 1 2 | 3 4 | 5
    tensor([[2., 4., 5.]])
    """
    ...

@overload
def fractional_max_pool3d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, *, return_indices: Literal[True], training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool3d(x: Tensor, kernel_size: Regions, output_size: Size | None, output_ratio: float | Sequence[float] | None, return_indices: Literal[True], *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool3d(x: Tensor, kernel_size: Regions, output_size: Size | None=None, output_ratio: float | Sequence[float] | None=None, *, return_indices: bool, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

@overload
def fractional_max_pool3d(x: Tensor, kernel_size: Regions, output_size: Size | None, output_ratio: float | Sequence[float] | None, return_indices: bool, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor | tuple[Tensor, Tensor]: ...

class FractionalMaxPool1d(_FractionalMaxPool):
    r""":func:`~huashi.pooling.fractional_max_pool1d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of a region, one number or one for each dimension, which begins at an
            edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        generator: where the random numbers come from, on the device of ``x``.
    """

class FractionalMaxPool2d(_FractionalMaxPool):
    r""":func:`~huashi.pooling.fractional_max_pool2d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of a region, one number or one for each dimension, which begins at an
            edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        generator: where the random numbers come from, on the device of ``x``.
    """

class FractionalMaxPool3d(_FractionalMaxPool):
    r""":func:`~huashi.pooling.fractional_max_pool3d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of a region, one number or one for each dimension, which begins at an
            edge, as in torch: :math:`\alpha = (L - k) / (O - 1)`; the last one ends the input.
            ``"disjoint"`` regions reach from edge to before the next, :math:`\alpha = L / O`;
            ``"overlapping"`` ones to the next, :math:`\alpha = (L - 1) / O`.
        output_size: how many regions, one number or one for each dimension.
        output_ratio: or what part of the size, in (0, 1), rounded down.
        return_indices: also give where each maximum lies.
        generator: where the random numbers come from, on the device of ``x``.
    """

def s3_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, grid_size: Size | None=None, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The maximum around every element, of which random rows and columns are kept.

    First a maximum with stride 1, padded as ``"same"``. Then each dimension is cut into cells of
    g = ``grid_size`` elements, and of each cell g / stride are kept, at random and in their order;
    a last cell of only r elements keeps r // stride. The channels of a sample keep the same ones.
    When not training, each ``stride`` elements are averaged instead.

    Source: Zhai, Wu, Zhang, Li, Cai, Tu: S3Pool: Pooling with Stochastic Spatial Sampling, 2017.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        training: draw; False gives the average.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), each ``length // stride``, in the
        dtype of ``x``, averages accumulated in float32 or wider; 0 where there is no real element.

    Raises:
        ValueError: an argument is out of its range, or ``grid_size`` is no multiple of ``stride``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> s3_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2, training=False)  # of 5, 5, 4, 4
    tensor([[5., 4.]])
    """
    ...

def s3_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, grid_size: Size | None=None, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The maximum around every element, of which random rows and columns are kept.

    First a maximum with stride 1, padded as ``"same"``. Then each dimension is cut into cells of
    g = ``grid_size`` elements, and of each cell g / stride are kept, at random and in their order;
    a last cell of only r elements keeps r // stride. The channels of a sample keep the same ones.
    When not training, each ``stride`` elements are averaged instead.

    Source: Zhai, Wu, Zhang, Li, Cai, Tu: S3Pool: Pooling with Stochastic Spatial Sampling, 2017.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        training: draw; False gives the average.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), each ``length
        // stride``, in the dtype of ``x``, averages accumulated in float32 or wider; 0 where there
        is no real element.

    Raises:
        ValueError: an argument is out of its range, or ``grid_size`` is no multiple of ``stride``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> s3_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2, training=False)  # of 5, 5, 4, 4
    tensor([[5., 4.]])
    """
    ...

def s3_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, grid_size: Size | None=None, *, training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """The maximum around every element, of which random rows and columns are kept.

    First a maximum with stride 1, padded as ``"same"``. Then each dimension is cut into cells of
    g = ``grid_size`` elements, and of each cell g / stride are kept, at random and in their order;
    a last cell of only r elements keeps r // stride. The channels of a sample keep the same ones.
    When not training, each ``stride`` elements are averaged instead.

    Source: Zhai, Wu, Zhang, Li, Cai, Tu: S3Pool: Pooling with Stochastic Spatial Sampling, 2017.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        training: draw; False gives the average.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), each ``length // stride``, in the dtype of ``x``, averages accumulated in
        float32 or wider; 0 where there is no real element.

    Raises:
        ValueError: an argument is out of its range, or ``grid_size`` is no multiple of ``stride``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> s3_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2, training=False)  # of 5, 5, 4, 4
    tensor([[5., 4.]])
    """
    ...

class S3Pool1d(_S3Pool):
    """:func:`~huashi.pooling.s3_pool1d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        generator: where the random numbers come from, on the device of ``x``.
    """

class S3Pool2d(_S3Pool):
    """:func:`~huashi.pooling.s3_pool2d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        generator: where the random numbers come from, on the device of ``x``.
    """

class S3Pool3d(_S3Pool):
    """:func:`~huashi.pooling.s3_pool3d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of the window of the maximum, one number or one for each dimension.
        stride: one of so many elements is kept; ``kernel_size`` by default.
        grid_size: elements of a cell, a multiple of ``stride``, which is the default; the larger,
            the more the picture is distorted.
        generator: where the random numbers come from, on the device of ``x``.
    """

def chunk_max_pool1d(x: Tensor, chunks: int, *, lengths: Tensor | None=None, positions: Tensor | None=None, mask: Tensor | None=None) -> Tensor:
    """The largest element of each chunk of a row.

    The s real elements of a row, side by side or not, are cut into equal chunks: chunk i
    has the elements from ``floor(i * s / chunks)`` to before ``ceil((i + 1) * s / chunks)``, as in
    adaptive pooling. Or they are cut at given positions, as at the trigger and the argument of an
    event. The first of equals wins, and it alone gets the gradient; NaN wins over all else. A chunk
    without a real element gives -inf (the least integer of an integer dtype).

    Source: Chen, Xu, Liu, Zeng, Zhao: Event Extraction via Dynamic Multi-Pooling Convolutional
    Neural Networks, 2015.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        chunks: how many.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.
        positions: where in ``x`` each chunk but the first begins, ascending, (batch, chunks - 1) or
            (chunks - 1,), integers; with p and q, the chunks are [0, p), [p, q) and [q, length). To
            have a word end its chunk, as in the paper, give the position after it.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.

    Returns:
        (channel, chunks) or (batch, channel, chunks), in the dtype of ``x``; nothing is
        accumulated.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[3.0, 9.0, 1.0, 5.0, 4.0, 7.0]])
    >>> chunk_max_pool1d(x, 3)
    tensor([[9., 5., 7.]])
    >>> chunk_max_pool1d(x, 3, positions=torch.tensor([1, 5]))
    tensor([[3., 9., 7.]])
    """
    ...

class ChunkMaxPool1d(_ChunkMaxPool1d):
    """:func:`~huashi.pooling.chunk_max_pool1d` as a module.

    Args:
        chunks: how many.
    """

@overload
def k_max_pool1d(x: Tensor, k: int, *, mask: Tensor | None=None, lengths: Tensor | None=None, return_indices: Literal[False]=False) -> Tensor:
    """The k largest elements of each row, in the order in which they stand there.

    The first of equals are taken; NaN is larger than all else, as for ``torch.topk``. Only what is
    taken gets a gradient.

    Source: Kalchbrenner, Grefenstette, Blunsom: A Convolutional Neural Network for Modelling
    Sentences, 2014.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        k: how many, at most the length.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.
        return_indices: also give which values are real, and where they stood.

    Returns:
        (channel, k) or (batch, channel, k), in the dtype of ``x``; nothing is accumulated. A row of
        fewer than k real elements has all of them, then zeros. With ``return_indices``
        :class:`KMax`.

    Raises:
        ValueError: k is not from 1 to the length, or a shape does not fit.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[5.0, 9.0, 1.0, 7.0, 5.0]])
    >>> k_max_pool1d(x, 3)
    tensor([[5., 9., 7.]])
    >>> k_max_pool1d(x, 3, lengths=torch.tensor(2), return_indices=True).indices
    tensor([[ 0,  1, -1]])
    """
    ...

@overload
def k_max_pool1d(x: Tensor, k: int, *, mask: Tensor | None=None, lengths: Tensor | None=None, return_indices: Literal[True]) -> KMax: ...

@overload
def k_max_pool1d(x: Tensor, k: int, *, mask: Tensor | None=None, lengths: Tensor | None=None, return_indices: bool) -> Tensor | KMax: ...

def dynamic_k_max_pool1d(x: Tensor, layer: int, layers: int, *, k_top: int, lengths: Tensor | None=None, mask: Tensor | None=None) -> tuple[Tensor, Tensor]:
    """k-max pooling with ``k = max(k_top, ceil((layers - layer) / layers * s))``.

    s is the number of real elements of each row, so that k differs between samples. The result is
    as wide as the length of ``x`` demands, and at least ``k_top``, however short ``x`` is; each row
    has its k largest elements, or all it has, then zeros. The first of equals are taken; NaN is
    larger than all else.

    Source: Kalchbrenner, Grefenstette, Blunsom: A Convolutional Neural Network for Modelling
    Sentences, 2014.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point or integer.
        layer: which of the convolutions this follows, from 1 to ``layers``.
        layers: how many convolutions the network has.
        k_top: k after the last of them.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.

    Returns:
        The values, (channel, K) or (batch, channel, K), in the dtype of ``x``, nothing is
        accumulated; and their mask, bool, for the next pool.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[3.0, 9.0, 1.0, 5.0, 4.0, 7.0]])
    >>> dynamic_k_max_pool1d(x, 1, 2, k_top=2)  # ceil(1/2 * 6) = 3
    (tensor([[9., 5., 7.]]), tensor([[True, True, True]]))
    >>> dynamic_k_max_pool1d(x, 1, 2, k_top=2, lengths=torch.tensor(4))  # ceil(1/2 * 4) = 2
    (tensor([[9., 5., 0.]]), tensor([[ True,  True, False]]))
    """
    ...

class KMaxPool1d(_KMaxPool1d):
    """:func:`~huashi.pooling.k_max_pool1d` as a module.

    Args:
        k: how many, at most the length.
        return_indices: also give which values are real, and where they stood.
    """

class DynamicKMaxPool1d(_DynamicKMaxPool1d):
    """:func:`~huashi.pooling.dynamic_k_max_pool1d` as a module.

    Args:
        layer: which of the convolutions this follows, from 1 to ``layers``.
        layers: how many convolutions the network has.
        k_top: k after the last of them.
    """

def stochastic_pool1d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, weights: str='relu', training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``weights="relu"``, ``a = max(x, 0)`` is drawn with probability ``a / sum(a)`` and expected
    to be ``sum(a^2) / sum(a)``; a window without a positive element gives 0. With ``"softmax"`` it
    is x itself, with the softmax of the window. Only the drawn element gets a gradient. A window
    without a real element gives 0.

    Source: Zeiler and Fergus: Stochastic Pooling for Regularization of Deep Convolutional Neural
    Networks, 2013.

    Args:
        x: (channel, length) or (batch, channel, length), floating-point.
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        weights: ``"relu"`` or ``"softmax"``.
        training: draw; False gives the expectation.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: how many elements of each sample are real, integers, (batch,), or () without a
            batch; none where it is below 1, all where it is above their number.

    Returns:
        (channel, out_length) or (batch, channel, out_length), in the dtype of ``x``, accumulated in
        float32 or wider. Along a dimension there are ``floor((length + before + after - dilation *
        (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 3.0, 0.0, 0.0]])
    >>> stochastic_pool1d(x, 2, training=False)
    tensor([[2.5000, 0.0000]])
    """
    ...

def stochastic_pool2d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, weights: str='relu', training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``weights="relu"``, ``a = max(x, 0)`` is drawn with probability ``a / sum(a)`` and expected
    to be ``sum(a^2) / sum(a)``; a window without a positive element gives 0. With ``"softmax"`` it
    is x itself, with the softmax of the window. Only the drawn element gets a gradient. A window
    without a real element gives 0.

    Source: Zeiler and Fergus: Stochastic Pooling for Regularization of Deep Convolutional Neural
    Networks, 2013.

    Args:
        x: (channel, height, width) or (batch, channel, height, width), floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        weights: ``"relu"`` or ``"softmax"``.
        training: draw; False gives the expectation.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 2 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_height, out_width) or (batch, channel, out_height, out_width), in the dtype of
        ``x``, accumulated in float32 or wider. Along a dimension there are ``floor((length + before
        + after - dilation * (kernel_size - 1) - 1) / stride) + 1`` windows, in ceil mode with ceil
        for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 3.0, 0.0, 0.0]])
    >>> stochastic_pool1d(x, 2, training=False)
    tensor([[2.5000, 0.0000]])
    """
    ...

def stochastic_pool3d(x: Tensor, kernel_size: Size, stride: Size | None=None, padding: Padding=0, dilation: Size=1, ceil_mode: bool=False, *, weights: str='relu', training: bool=True, generator: torch.Generator | None=None, mask: Tensor | None=None, lengths: Tensor | None=None) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``weights="relu"``, ``a = max(x, 0)`` is drawn with probability ``a / sum(a)`` and expected
    to be ``sum(a^2) / sum(a)``; a window without a positive element gives 0. With ``"softmax"`` it
    is x itself, with the softmax of the window. Only the drawn element gets a gradient. A window
    without a real element gives 0.

    Source: Zeiler and Fergus: Stochastic Pooling for Regularization of Deep Convolutional Neural
    Networks, 2013.

    Args:
        x: (channel, depth, height, width) or (batch, channel, depth, height, width),
            floating-point.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        weights: ``"relu"`` or ``"softmax"``.
        training: draw; False gives the expectation.
        generator: where the random numbers come from, on the device of ``x``.
        mask: True where an element is real, bool, broadcastable to ``x``; the others are absent,
            just as padding is.
        lengths: None; in 3 dimensions ``mask`` says which elements are real.

    Returns:
        (channel, out_depth, out_height, out_width) or (batch, channel, out_depth, out_height,
        out_width), in the dtype of ``x``, accumulated in float32 or wider. Along a dimension there
        are ``floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1``
        windows, in ceil mode with ceil for floor.

    Raises:
        ValueError: an argument is out of its range or does not fit ``x``.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> x = torch.tensor([[1.0, 3.0, 0.0, 0.0]])
    >>> stochastic_pool1d(x, 2, training=False)
    tensor([[2.5000, 0.0000]])
    """
    ...

class StochasticPool1d(_StochasticPool):
    """:func:`~huashi.pooling.stochastic_pool1d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, or (before, after); ``"same"`` gives
            ceil(length / stride) windows, an odd element of padding after, ``"same_lower"`` before.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        weights: ``"relu"`` or ``"softmax"``.
        generator: where the random numbers come from, on the device of ``x``.
    """

class StochasticPool2d(_StochasticPool):
    """:func:`~huashi.pooling.stochastic_pool2d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        weights: ``"relu"`` or ``"softmax"``.
        generator: where the random numbers come from, on the device of ``x``.
    """

class StochasticPool3d(_StochasticPool):
    """:func:`~huashi.pooling.stochastic_pool3d` as a module: it draws in training mode.

    Args:
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next, one number or one for each dimension; ``kernel_size``
            by default.
        padding: absent elements around ``x``: a number, or for each dimension a number, or (before,
            after); ``"same"`` gives ceil(length / stride) windows, an odd element of padding after,
            ``"same_lower"`` before.
        dilation: from one element of a window to the next, one number or one for each dimension.
        ceil_mode: also count a last window that is only partly inside.
        weights: ``"relu"`` or ``"softmax"``.
        generator: where the random numbers come from, on the device of ``x``.
    """

def max_unpool1d(x: Tensor, indices: Places | Tensor, kernel_size: Size | None=None, stride: Size | None=None, padding: Padding=0, output_size: Sequence[int] | None=None, *, duplicates: str='last') -> Tensor:
    """Put values back to where a pool found them, zeros elsewhere.

    Only values that stay get a gradient. A window that found nothing, index -1, adds nothing.

    Source: Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2014.

    Args:
        x: what the pool gave, or as many other values, (channel, out_length) or (batch, channel,
            out_length), floating-point or integer.
        indices: of the pool, in the shape of ``x``. :class:`Places`, which ``return_indices=
            "compact"`` gives, know the size of its input; int64 indices in the flattened dimensions
            are PyTorch's.
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        output_size: of the input of the pool, its pooled dimensions or all of them. By default what
            :class:`Places` say, else ``(windows - 1) * stride - 2 * padding + kernel_size``.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.

    Returns:
        (channel, length) or (batch, channel, length), in the dtype and memory format of ``x``, sums
        accumulated in float32 or wider.

    Raises:
        ValueError: ``indices`` are not of this shape, or lie outside (which compiled code cannot
            see: it leaves them out); sizes do not fit; an argument is out of its range.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> from huashi.pooling import max_pool1d
    >>> x = torch.tensor([[3.0, 1.0, 2.0, 4.0, 5.0]])
    >>> max_unpool1d(*max_pool1d(x, 2, return_indices="compact"))
    tensor([[3., 0., 0., 4., 0.]])
    >>> max_unpool1d(torch.tensor([[7.0, 8.0]]), torch.tensor([[1, 1]]), 2, duplicates="sum")
    tensor([[ 0., 15.,  0.,  0.]])
    """
    ...

def max_unpool2d(x: Tensor, indices: Places | Tensor, kernel_size: Size | None=None, stride: Size | None=None, padding: Padding=0, output_size: Sequence[int] | None=None, *, duplicates: str='last') -> Tensor:
    """Put values back to where a pool found them, zeros elsewhere.

    Only values that stay get a gradient. A window that found nothing, index -1, adds nothing.

    Source: Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2014.

    Args:
        x: what the pool gave, or as many other values, (channel, out_height, out_width) or (batch,
            channel, out_height, out_width), floating-point or integer.
        indices: of the pool, in the shape of ``x``. :class:`Places`, which ``return_indices=
            "compact"`` gives, know the size of its input; int64 indices in the flattened dimensions
            are PyTorch's.
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        output_size: of the input of the pool, its pooled dimensions or all of them. By default what
            :class:`Places` say, else ``(windows - 1) * stride - 2 * padding + kernel_size``.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.

    Returns:
        (channel, height, width) or (batch, channel, height, width), in the dtype and memory format
        of ``x``, sums accumulated in float32 or wider.

    Raises:
        ValueError: ``indices`` are not of this shape, or lie outside (which compiled code cannot
            see: it leaves them out); sizes do not fit; an argument is out of its range.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> from huashi.pooling import max_pool1d
    >>> x = torch.tensor([[3.0, 1.0, 2.0, 4.0, 5.0]])
    >>> max_unpool1d(*max_pool1d(x, 2, return_indices="compact"))
    tensor([[3., 0., 0., 4., 0.]])
    >>> max_unpool1d(torch.tensor([[7.0, 8.0]]), torch.tensor([[1, 1]]), 2, duplicates="sum")
    tensor([[ 0., 15.,  0.,  0.]])
    """
    ...

def max_unpool3d(x: Tensor, indices: Places | Tensor, kernel_size: Size | None=None, stride: Size | None=None, padding: Padding=0, output_size: Sequence[int] | None=None, *, duplicates: str='last') -> Tensor:
    """Put values back to where a pool found them, zeros elsewhere.

    Only values that stay get a gradient. A window that found nothing, index -1, adds nothing.

    Source: Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2014.

    Args:
        x: what the pool gave, or as many other values, (channel, out_depth, out_height, out_width)
            or (batch, channel, out_depth, out_height, out_width), floating-point or integer.
        indices: of the pool, in the shape of ``x``. :class:`Places`, which ``return_indices=
            "compact"`` gives, know the size of its input; int64 indices in the flattened dimensions
            are PyTorch's.
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        output_size: of the input of the pool, its pooled dimensions or all of them. By default what
            :class:`Places` say, else ``(windows - 1) * stride - 2 * padding + kernel_size``.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.

    Returns:
        (channel, depth, height, width) or (batch, channel, depth, height, width), in the dtype and
        memory format of ``x``, sums accumulated in float32 or wider.

    Raises:
        ValueError: ``indices`` are not of this shape, or lie outside (which compiled code cannot
            see: it leaves them out); sizes do not fit; an argument is out of its range.
        TypeError: an argument is of the wrong kind.
        RuntimeError: under ``implementation("kernel")``, where no kernel serves; it says why.

    >>> from huashi.pooling import max_pool1d
    >>> x = torch.tensor([[3.0, 1.0, 2.0, 4.0, 5.0]])
    >>> max_unpool1d(*max_pool1d(x, 2, return_indices="compact"))
    tensor([[3., 0., 0., 4., 0.]])
    >>> max_unpool1d(torch.tensor([[7.0, 8.0]]), torch.tensor([[1, 1]]), 2, duplicates="sum")
    tensor([[ 0., 15.,  0.,  0.]])
    """
    ...

class MaxUnpool1d(_MaxUnpool):
    """:func:`~huashi.pooling.max_unpool1d` as a module.

    Args:
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.
    """

class MaxUnpool2d(_MaxUnpool):
    """:func:`~huashi.pooling.max_unpool2d` as a module.

    Args:
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.
    """

class MaxUnpool3d(_MaxUnpool):
    """:func:`~huashi.pooling.max_unpool3d` as a module.

    Args:
        kernel_size: as the pool had it. Not needed with :class:`Places`, nor with ``output_size``.
        stride: as the pool had it.
        padding: as the pool had it.
        duplicates: which of several values for one place stays. ``"last"`` that of the last window
            in row-major order, as in PyTorch; ``"max"`` the largest, the first of equals; ``"sum"``
            all of them, added up. The result is the same at every run.
    """
