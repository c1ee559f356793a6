"""Pooling over windows: one contract for every reduction, in one, two and three dimensions.

Where PyTorch has the function, name and order of arguments are PyTorch's. What all of them share:

- ``x`` is (channel, L...) or (batch, channel, L...), with the pooled dimensions last.
- Padding never takes part: it is absent, not zero. Any number of elements is legal, (before, after)
  for each dimension, ``"same"`` and ``"same_lower"`` too. Every kind can be dilated.
- ``mask`` (True where an element is real) and, in one dimension, ``lengths`` make elements absent
  just as padding is. A window without an element gives the identity of its reduction.
- The result has the dtype of ``x`` and is accumulated in float32 or wider.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from huashi._checks import check_choice, check_positive
from huashi._kernel.operator import kernel_serves
from huashi.pooling import operators, reference
from huashi.pooling.dimensions import each_dimension
from huashi.pooling.geometry import Axis, Padding, Size, axes_of, is_whole
from huashi.pooling.offsets import Places, offsets_of

MOST_SORTED = 64  # elements of a window that the kernels sort
LAYOUTS = {1: "length", 2: "height, width", 3: "depth, height, width"}


def max_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool | Literal["compact"] = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor | Places]:
    """The largest element of each window.

    The first of equals wins, and it alone gets the gradient. NaN wins over all else. An empty
    window gives -inf (the least integer of an integer dtype) and index -1.

    Args:
        x: (channel, L...) or (batch, channel, L...), floating-point or integer.
        kernel_size: elements of a window, one number or one for each dimension.
        stride: from one window to the next; ``kernel_size`` by default.
        padding: absent elements around ``x``: a number, one for each dimension, a (before, after)
            pair for each, ``"same"`` or ``"same_lower"``.
        dilation: from one element of a window to the next.
        ceil_mode: also count a last window that is only partly inside.
        return_indices: also give where each maximum lies; ``"compact"`` in a byte instead of eight,
            with the shape of ``x``, as :func:`max_unpool2d` likes it best.
        mask: True where an element is real, bool, broadcastable to ``x``.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers.

    Returns:
        The maxima, and with ``return_indices`` their int64 indices in the flattened dimensions, or
        :class:`Places`.

    Raises:
        ValueError: an argument is out of its range, or a window is larger than the padded input.
        TypeError: an argument is of the wrong kind.

    >>> x = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    >>> max_pool1d(x, 3, stride=2, padding="same")
    tensor([[5., 4.]])
    >>> max_pool1d(x, 2, return_indices=True)
    (tensor([[5., 4.]]), tensor([[1, 3]]))
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    axes, real = checked(dims, x, *windows, mask, lengths, integers=True)
    return _extremum(x, axes, real, return_indices, sign=1)


def min_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool | Literal["compact"] = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor | Places]:
    """The smallest element of each window. Takes what :func:`max_pool2d` takes.

    >>> min_pool1d(torch.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[1., 2.]])
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    axes, real = checked(dims, x, *windows, mask, lengths, integers=True)
    return _extremum(x, axes, real, return_indices, sign=-1)


def avg_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The sum of each window over a divisor; 0 for an empty one.

    Takes what :func:`max_pool2d` takes, and:

    Args:
        count_include_pad: divide by the elements of the input and of its explicit padding that the
            window covers, not by those that ceil mode adds; else by the real ones.
        divisor_override: divide by this instead.

    >>> avg_pool1d(torch.ones(1, 4), 3, 2, 1, ceil_mode=True)
    tensor([[0.6667, 1.0000, 0.5000]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    if divisor_override is not None and divisor_override == 0:
        raise ValueError(f"divisor_override must not be 0, got {divisor_override}")
    if real is None and divisor_override is None and is_whole(axes):
        return x.mean(tuple(range(-dims, 0)), keepdim=True)  # torch's own is as fast as can be
    if kernel_serves("pool_average", x, *_given(real)):
        if real is None:
            return operators.average(x, axes, count_include_pad, divisor_override)
        x = torch.where(real, x, 0)
        if count_include_pad or divisor_override is not None:
            return operators.average(x, axes, count_include_pad, divisor_override)
        return (operators.average(x, axes, False, 1) / _count(x, axes, real)).to(x.dtype)
    options = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    return reference.average(x, axes, real, **options)


def lp_pool(
    dims: int,
    x: Tensor,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: Size = 1,
    reduction: str = "sum",
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each window; 0 for an empty one.

    Unlike torch's, it takes magnitudes, so that an odd p is a norm too, and leaves a window that
    is only partly inside as it is. Magnitudes are scaled, so that no power overflows. The gradient
    at 0 is 0. Takes what :func:`max_pool2d` takes, and:

    Args:
        norm_type: p > 0; ``inf`` gives the largest magnitude.
        reduction: ``"sum"``, or ``"mean"`` for the mean inside the root (Sermanet 2012).

    >>> lp_pool1d(torch.tensor([[3.0, -4.0, 5.0]]), 2, 2, ceil_mode=True)
    tensor([[5., 5.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_positive("norm_type", norm_type)
    check_choice("reduction", reduction, ("sum", "mean"))
    p, mean = float(norm_type), reduction == "mean"
    if kernel_serves("pool_formula", x) and real is None and math.isfinite(p):
        if p in (1, 2) and x.device.type == "cpu":
            return operators.norm(x, axes, int(p), mean)
        return operators.formula(x, axes, "lp_mean" if mean else "lp", scalar("norm_type", p, x))
    return reference.lp(x, axes, p, real, mean=mean)


def gem_pool(
    dims: int,
    x: Tensor,
    p: Tensor | float,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    eps: float = 1e-6,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each window; 0 for an empty one.

    p = 1 is the mean, p = 2 the L2 pool, and the maximum is the limit (Radenovic, Tolias, Chum:
    Fine-tuning CNN Image Retrieval with No Human Annotation, 2019). Takes what :func:`max_pool2d`
    takes, and:

    Args:
        p: exponent > 0, a number or a 0-d tensor; differentiable.
        eps: elements below count as this, so that the power is real and its gradient finite.

    >>> gem_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 3, 2)
    tensor([[[2.9240]]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_positive("eps", eps)
    p = scalar("p", p, x)
    if kernel_serves("pool_formula", x, p) and real is None:
        return operators.formula(x, axes, "power", p, eps)
    return reference.power(x, axes, p, real, eps=eps)


def stochastic_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    weights: str = "relu",
    training: bool = True,
    generator: torch.Generator | None = None,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``weights="relu"``, ``a = max(x, 0)`` is drawn with probability ``a / sum(a)`` and expected
    to be ``sum(a^2) / sum(a)``; a window without a positive element gives 0. With ``"softmax"`` it
    is x itself, with the softmax of the window. Only the drawn element gets a gradient (Zeiler and
    Fergus: Stochastic Pooling for Regularization, 2013). Takes what :func:`max_pool2d` takes, and:

    Args:
        weights: ``"relu"`` or ``"softmax"``.
        training: draw; False gives the expectation.
        generator: where the random numbers come from, on the device of ``x``.

    >>> x = torch.tensor([[1.0, 3.0, 0.0, 0.0]])
    >>> stochastic_pool1d(x, 2, training=False)
    tensor([[2.5000, 0.0000]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_choice("weights", weights, ("relu", "softmax"))
    if kernel_serves("pool_draw", x) and real is None:
        if training:
            shape = *x.shape[:-dims], *(axis.windows for axis in axes)
            return operators.draw(x, axes, weights, reference.uniform(shape, x, generator))
        kind = "stochastic" if weights == "relu" else "soft"
        return operators.formula(x, axes, kind, x.new_ones(()))
    options = {"weights": weights, "training": training, "generator": generator}
    return reference.stochastic(x, axes, real, **options)


def soft_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``sum softmax(x)_i x_i`` of each window; 0 for an empty one.

    Takes what :func:`max_pool2d` takes (Stergiou, Poppe, Kalliatakis: Refining activation
    downsampling with SoftPool, 2021).

    >>> soft_pool1d(torch.tensor([[0.0, 0.0, 0.0, 100.0]]), 2)
    tensor([[  0., 100.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    if kernel_serves("pool_formula", x) and real is None:
        return operators.formula(x, axes, "soft", x.new_ones(()))
    return reference.soft(x, axes, real)


def log_sum_exp_pool(
    dims: int,
    x: Tensor,
    r: Tensor | float,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each window; 0 for an empty one.

    From the mean to the maximum as r grows (Pinheiro and Collobert: From Image-level to Pixel-level
    Labeling with Convolutional Networks, 2015). Takes what :func:`max_pool2d` takes, and:

    Args:
        r: sharpness > 0, a number or a 0-d tensor; differentiable.

    >>> log_sum_exp_pool1d(torch.tensor([[2.0, 2.0, 0.0, 90.0]]), 1.0, 2)
    tensor([[ 2.0000, 89.3069]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    r = scalar("r", r, x)
    if kernel_serves("pool_formula", x, r) and real is None:
        return operators.formula(x, axes, "log_sum_exp", r)
    return reference.log_sum_exp(x, axes, r, real)


def sort_pool(
    dims: int,
    x: Tensor,
    scores: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The k largest elements of each window, in order, weighted by ``softmax(scores)``.

    k = 1 is the maximum; equal scores for all elements give the mean. A window of fewer elements
    uses as many of the scores; an empty one gives 0. Takes what :func:`max_pool2d` takes, and:

    Args:
        scores: (k,), or (channel, k) for scores of their own; differentiable.

    >>> sort_pool1d(torch.tensor([[1.0, 5.0, 3.0]]), torch.zeros(2), 3)
    tensor([[4.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    most = math.prod([axis.kernel for axis in axes])
    if scores.ndim not in (1, 2) or not 1 <= scores.shape[-1] <= most:
        raise ValueError(
            f"scores must have shape (k,) or (channel, k) with k from 1 to the {most} elements of "
            f"a window, got {tuple(scores.shape)}"
        )
    if scores.ndim == 2 and scores.shape[0] != x.shape[-dims - 1]:
        raise ValueError(
            f"scores must be for the {x.shape[-dims - 1]} channels of x, got {scores.shape[0]}"
        )
    if kernel_serves("pool_order", x, scores) and real is None and _sorts_fast(x, axes):
        return operators.order(x, axes, "sorted_mean", scores)
    return reference.sorted_mean(x, axes, scores, real)


def quantile_pool(
    dims: int,
    x: Tensor,
    q: float,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The q-quantile of each window, in a straight line between two neighbours; 0 if empty.

    The one or two elements that make it up get the gradient. NaN in a window makes its result NaN.
    Takes what :func:`max_pool2d` takes, and:

    Args:
        q: from 0, the minimum, to 1, the maximum.

    >>> quantile_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 0.75, 3)
    tensor([[6.]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    if not 0 <= q <= 1:
        raise ValueError(f"q must be in [0, 1], got {q}")
    if kernel_serves("pool_order", x) and real is None and _sorts_fast(x, axes):
        return operators.order(x, axes, "quantile", torch.tensor(float(q), dtype=torch.double))
    return reference.quantile(x, axes, float(q), real)


def median_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The median of each window; the mean of the middle two where their number is even.

    Takes what :func:`max_pool2d` takes.

    >>> median_pool1d(torch.tensor([[1.0, 9.0, 3.0]]), 3)
    tensor([[3.]])
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    return quantile_pool(dims, x, 0.5, *windows, mask=mask, lengths=lengths)


def mask_pool(
    dims: int,
    mask: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The mask of what a pool gives: True where the window has a real element.

    Args:
        mask: of the input, bool, (channel, L...) or (batch, channel, L...); 1 for a dimension that
            is not pooled stands for all.
        kernel_size: as the pool has it.
        stride: likewise.
        padding: likewise.
        dilation: likewise.
        ceil_mode: likewise.

    >>> mask_pool1d(torch.tensor([[True, False, False, False]]), 2)
    tensor([[ True, False]])
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask must be a bool tensor, got {getattr(mask, 'dtype', type(mask))}")
    windows = kernel_size, stride, padding, dilation, ceil_mode
    y = max_pool(dims, mask.to(torch.uint8), *windows)
    return y.to(torch.bool)  # pyright: ignore[reportAttributeAccessIssue]


def _extremum(
    x: Tensor,
    axes: tuple[Axis, ...],
    real: Tensor | None,
    return_indices: bool | Literal["compact"],
    *,
    sign: int,
) -> Tensor | tuple[Tensor, Tensor | Places]:
    placed = return_indices or (torch.is_grad_enabled() and x.requires_grad)
    kernel = "pool_extremum_offsets" if placed else "pool_extremum"
    served = kernel_serves(kernel, x, *_given(real))
    if served and (real is None or not return_indices):
        if real is not None:  # the identity takes no part, just as what is absent
            x = torch.where(real, x, reference.identity(x.dtype, sign))
        if not placed:
            return operators.extremum(x, axes, sign)
        y, offsets = operators.extremum_offsets(x, axes, sign)
        places = Places(offsets, axes)
        if return_indices == "compact":
            return y, places
        return (y, places.indices()) if return_indices else y
    y, indices = reference.extremum(x, axes, real, sign=sign)
    if return_indices == "compact":
        return y, Places(offsets_of(indices, axes), axes)
    return (y, indices) if return_indices else y


def _sorts_fast(x: Tensor, axes: tuple[Axis, ...]) -> bool:
    """Whether windows are small enough for the kernel, and for a gradient not alone in a row."""
    few = math.prod([axis.kernel for axis in axes]) <= MOST_SORTED
    return few and (not (torch.is_grad_enabled() and x.requires_grad) or axes[-1].windows > 1)


def _count(x: Tensor, axes: tuple[Axis, ...], real: Tensor) -> Tensor:
    """How many of the elements of each window are real, 1 where none is."""
    n = len(axes)
    lead = real.shape[:-n] if real.ndim >= n else ()
    counted = real.expand(*lead, *x.shape[-n:]).to(torch.promote_types(x.dtype, torch.float32))
    count = operators.average(counted.reshape(-1, *x.shape[-n:]), axes, False, 1)
    return count.reshape(*lead, *count.shape[-n:]).clamp(min=1)


def _given(mask: Tensor | None) -> tuple[Tensor, ...]:
    return () if mask is None else (mask,)


def checked(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
    *,
    integers: bool = False,
) -> tuple[tuple[Axis, ...], Tensor | None]:
    """The windows of a pool and the mask of its input, once all arguments are found to be right."""
    check_input(dims, x, integers=integers)
    sizes = kernel_size, stride, padding, dilation, ceil_mode
    return axes_of(x.shape[-dims:], *sizes), real_elements(dims, x, mask, lengths)


def check_input(dims: int, x: Tensor, *, integers: bool = False) -> None:
    """Raise unless ``x`` is a batch, or one sample, of channels that have ``dims`` dimensions."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}")
    if x.ndim not in (dims + 1, dims + 2):
        shape = f"channel, {LAYOUTS[dims]}"
        raise ValueError(f"x must have shape ({shape}) or (batch, {shape}), got {tuple(x.shape)}")
    if 0 in x.shape[-dims - 1 :]:
        raise ValueError(f"x must have no dimension of size 0 but batch, got {tuple(x.shape)}")
    if x.is_complex() or x.dtype == torch.bool or not (integers or x.is_floating_point()):
        kinds = "a floating-point or integer" if integers else "a floating-point"
        raise TypeError(f"x must be {kinds} tensor, got {x.dtype}")


def real_elements(
    dims: int, x: Tensor, mask: Tensor | None, lengths: Tensor | None
) -> Tensor | None:
    """Which elements of ``x`` are real, bool, broadcastable to it; None where all of them are."""
    if mask is not None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"mask must be a bool tensor, got {getattr(mask, 'dtype', type(mask))}")
        sizes = zip(reversed(mask.shape), reversed(x.shape), strict=False)
        if mask.ndim > x.ndim or any(size not in (1, full) for size, full in sizes):
            raise ValueError(
                f"mask must be broadcastable to x {tuple(x.shape)}, got {tuple(mask.shape)}"
            )
    if lengths is None:
        return mask
    if dims != 1:
        raise ValueError(f"lengths must be None in {dims} dimensions, where a mask can tell more")
    batch = x.shape[:-2]
    if lengths.shape != batch:
        raise ValueError(
            f"lengths must have shape {tuple(batch)}, one for each sample, got "
            f"{tuple(lengths.shape)}"
        )
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must be an integer tensor, got {lengths.dtype}")
    inside = torch.arange(x.shape[-1], device=x.device) < lengths[..., None, None]
    return inside if mask is None else inside & mask


def scalar(name: str, value: Tensor | float, x: Tensor) -> Tensor:
    """A number that may be learned, as a 0-d tensor in the dtype that ``x`` is accumulated in."""
    if isinstance(value, Tensor):
        if value.ndim != 0:
            raise ValueError(f"{name} must be a number or a 0-d tensor, got {tuple(value.shape)}")
    else:
        check_positive(name, value)
    wide = torch.promote_types(x.dtype, torch.float32)
    return torch.as_tensor(value, dtype=wide, device=x.device)


max_pool1d, max_pool2d, max_pool3d = each_dimension(max_pool)
min_pool1d, min_pool2d, min_pool3d = each_dimension(min_pool)
avg_pool1d, avg_pool2d, avg_pool3d = each_dimension(avg_pool)
lp_pool1d, lp_pool2d, lp_pool3d = each_dimension(lp_pool)
gem_pool1d, gem_pool2d, gem_pool3d = each_dimension(gem_pool)
stochastic_pool1d, stochastic_pool2d, stochastic_pool3d = each_dimension(stochastic_pool)
soft_pool1d, soft_pool2d, soft_pool3d = each_dimension(soft_pool)
log_sum_exp_pool1d, log_sum_exp_pool2d, log_sum_exp_pool3d = each_dimension(log_sum_exp_pool)
sort_pool1d, sort_pool2d, sort_pool3d = each_dimension(sort_pool)
quantile_pool1d, quantile_pool2d, quantile_pool3d = each_dimension(quantile_pool)
median_pool1d, median_pool2d, median_pool3d = each_dimension(median_pool)
mask_pool1d, mask_pool2d, mask_pool3d = each_dimension(mask_pool)
