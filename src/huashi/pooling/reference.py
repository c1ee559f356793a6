r"""Pooling over windows, as formulas. Any device, any dtype, differentiable to any order.

Every window is laid out along a last dimension, beside a mask of which of its elements are
real; padding and masked elements are absent, not zero. A reduction is then one line. This takes
as many times the memory of the input as a window has elements, and is what the kernels are held to.
"""

import math
from collections.abc import Sequence
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
    inside = torch.ones_like(values[(0,) * (values.ndim - 1)], dtype=torch.bool)
    if mask is not None:
        inside = mask.expand_as(x).flatten(-n)
    places = torch.arange(values.shape[-1], device=x.device)
    one_window = (..., *[None] * n, slice(None))
    return Windows(values[one_window], inside[one_window], places[one_window])


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


def average(
    x: Tensor,
    axes: tuple[AnyAxis, ...],
    mask: Tensor | None = None,
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The sum of each window over a divisor, by torch's rules; 0 for an empty window.

    The divisor is ``divisor_override`` where given; else, with ``count_include_pad``, the elements
    that lie in the input or its explicit padding, not in what ceil mode adds; else the real ones.
    Windows that differ in size have no padding: theirs is always the number of real elements.
    """
    values, real, _ = windows(_wide(x), axes, mask)
    total = torch.where(real, values, 0).sum(-1)
    if divisor_override is not None:
        return (total / divisor_override).to(x.dtype)
    regular = tuple(axis for axis in axes if isinstance(axis, Axis))
    padded = count_include_pad and len(regular) == len(axes)
    padded &= mask is not None or not is_whole(regular)  # the whole input has no padding
    count = _padded_elements(regular, x.device) if padded else real.sum(-1)
    return (total / count.clamp(min=1)).to(x.dtype)


def lp(
    x: Tensor,
    axes: tuple[AnyAxis, ...],
    p: float,
    mask: Tensor | None = None,
    *,
    mean: bool = False,
) -> Tensor:
    r"""``(sum |x|^p)^(1/p)`` of each window, or the mean inside the root; 0 for an empty window.

    Scaled by the largest magnitude of the window, so that no power overflows. The gradient where
    the result is 0 is 0. ``p = inf`` is the largest magnitude itself, the first of equals.
    """
    values, real, places = windows(_wide(x), axes, mask)
    magnitude = torch.where(real, values, 0).abs()
    if math.isinf(p):
        return extremum_of(Windows(magnitude, torch.ones_like(real), places))[0].to(x.dtype)
    peak = magnitude.amax(-1, keepdim=True)
    scale = torch.where((peak > 0) & (peak < torch.inf), peak, 1).detach()
    # a power below 1 has an infinite slope at 0, so zeros are kept out of it
    ratio = magnitude / scale
    positive = torch.where(ratio == 0, 1, ratio)
    total = torch.where(ratio == 0, 0, positive.pow(p)).sum(-1)
    count = real.sum(-1).clamp(min=1)
    if mean:
        total = total / count
    root = torch.where(total == 0, 0, torch.where(total == 0, 1, total).pow(1 / p))
    if mean:
        parts = torch.where(ratio == 0, -1, _expm1(p * positive.log()))
        less = torch.where(real, parts, 0).sum(-1) / count
        root = torch.where(total == 0, 0, _root(less, p, root))
    return (scale[..., 0] * root).to(x.dtype)


def power(
    x: Tensor,
    axes: tuple[AnyAxis, ...],
    p: Tensor,
    mask: Tensor | None = None,
    *,
    eps: float = 1e-6,
) -> Tensor:
    """Generalised mean, ``mean(max(x, eps) ** p) ** (1 / p)``, p a 0-d tensor; 0 if empty.

    Scaled by the largest element of the window, so that no power overflows (Radenovic 2018, GeM).
    """
    values, real, _ = windows(_wide(x).clamp(min=eps), axes, mask)
    values, p = torch.where(real, values, eps), _finite(p)
    peak = values.amax(-1, keepdim=True).detach()
    peak = torch.where(peak < torch.inf, peak, 1)
    ratio = values / peak
    terms = torch.where(real, ratio.pow(p), 0).sum(-1)
    count = real.sum(-1).expand(terms.shape)
    mean = torch.where(count > 0, terms, 1) / count.clamp(min=1)
    logs = torch.where(real, ratio.clamp(min=1e-37).log(), 0)
    root = _root(_expm1(p * logs).sum(-1) / count.clamp(min=1), p, mean.pow(1 / p))
    small, log = _small_exponent(logs, real, p)
    root = torch.where(small, log.exp(), root)
    return torch.where(count > 0, peak[..., 0] * root, 0).to(x.dtype)


def _root(less: Tensor, p: Tensor | float, root: Tensor) -> Tensor:
    """``root``, the p-th of a mean, by the logarithm of the mean where that is near 1.

    The mean is ``1 + less``. Near 1 it has few digits, of which a small p would leave none.
    """
    near = (less > -0.5) & less.isfinite()
    return torch.where(near, (torch.where(near, less, 0).log1p() / p).exp(), root)


def _small_exponent(t: Tensor, real: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """``log(mean(exp(p t))) / p`` of each window, by cumulants; and whether p is so small.

    It is ``k1 + k2 p / 2 + k3 p^2 / 6 + ...``, of which no derivative in p is a difference of large
    numbers. Five cumulants leave a share of ``(p t)^5 / 720`` and less.
    """
    count = real.sum(-1, keepdim=True).clamp(min=1)
    known = t.isfinite()
    t = torch.where(known, t, 0)

    def mean(t: Tensor) -> Tensor:
        return torch.where(real, t, 0).sum(-1, keepdim=True) / count

    first = mean(t)
    apart = torch.where(real, t - first, 0)
    spread = apart.abs().amax(-1, keepdim=True).detach()
    limit = 5e-3 if t.dtype == torch.float64 else 0.1
    small = ((p * spread).abs() < limit) & known.all(-1, keepdim=True)
    spread = torch.where(small, spread, 0)
    apart = torch.where(small, apart, 0) / torch.where(spread > 0, spread, 1)
    p = p * spread
    two, three, four, five = (mean(apart.pow(n)) for n in (2, 3, 4, 5))
    cumulants = two / 2, three / 6, (four - 3 * two * two) / 24, (five - 10 * three * two) / 120
    series = sum(cumulant * p.pow(n) for n, cumulant in enumerate(cumulants, 1))
    return small[..., 0], (first + spread * series)[..., 0]


def _finite(exponent: Tensor) -> Tensor:
    """A number as good as infinity in its place, small enough for its reciprocal to be normal."""
    most = torch.finfo(exponent.dtype).max / 8
    return torch.where(exponent > most, most, exponent)  # a clamp has no gradient at NaN


def _expm1(t: Tensor) -> Tensor:
    """``exp(t) - 1``, of which torch computes the gradient ``exp(t)`` as the result plus 1."""
    power = t.exp()
    if torch._C._get_tracing_state() is not None and torch.onnx.is_in_onnx_export():
        return power - 1  # torch's older exporter knows no other
    return power - 1 + (t.expm1() - (power - 1)).detach()


def soft(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None = None) -> Tensor:
    """``sum softmax(x)_i x_i`` over each window (Stergiou 2021, SoftPool); 0 if empty."""
    values, real, _ = windows(_wide(x), axes, mask)
    share = softmax(values, real)
    return (share * torch.where(share > 0, values, 0)).sum(-1).to(x.dtype)  # -inf has no share


def log_sum_exp(
    x: Tensor, axes: tuple[AnyAxis, ...], r: Tensor, mask: Tensor | None = None
) -> Tensor:
    """``log(mean(exp(r x))) / r``, r a 0-d tensor > 0: from the mean to the maximum as r grows.

    Where the mean of ``exp(r (x - max))`` is near 1, its logarithm is taken of what is missing, so
    that a small r loses no digits. An empty window gives 0 (Pinheiro 2015).
    """
    values, real, _ = windows(_wide(x), axes, mask)
    count = real.sum(-1).clamp(min=1)
    values = torch.where(real, values, 0)  # so that no NaN of an absent one reaches r's gradient
    there, r = real | ~real.any(-1, keepdim=True), _finite(r)
    peak = values.masked_fill(~there, -torch.inf).amax(-1, keepdim=True).detach()
    peak = torch.where(peak.isfinite(), peak, 0)
    below = values - peak
    finite = below.isfinite()
    scaled = torch.where(finite, r * torch.where(real & finite, below, 0), below)
    far = torch.where(there, scaled, -torch.inf).logsumexp(-1) - count.to(scaled).log()
    less = _expm1(torch.where(finite, scaled, 0)).sum(-1) / count
    near = (less > -0.5) & finite.all(-1)
    value = torch.where(near, torch.where(near, less, 0).log1p(), far) / r
    small, log = _small_exponent(below, real, r)
    value = peak[..., 0] + torch.where(small, log, value)
    return torch.where(real.any(-1), value, 0).to(x.dtype)


def formula(
    x: Tensor,
    axes: tuple[AnyAxis, ...],
    kind: str,
    param: Tensor,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """One of the pools above by the name that the kernels know it by."""
    if kind in ("lp", "lp_mean"):
        return lp(x, axes, float(param), mask, mean=kind == "lp_mean")
    if kind == "power":
        return power(x, axes, param, mask, eps=eps)
    if kind == "log_sum_exp":
        return log_sum_exp(x, axes, param, mask)
    return soft(x, axes, mask) if kind == "soft" else stochastic(x, axes, mask, training=False)


def stochastic(
    x: Tensor,
    axes: tuple[AnyAxis, ...],
    mask: Tensor | None = None,
    *,
    weights: str = "relu",
    training: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``relu`` the elements are ``a = max(x, 0)``, drawn with probabilities ``a / sum(a)``; the
    expectation is ``sum(a ** 2) / sum(a)``. With ``softmax`` they are x itself, drawn with its
    softmax. A window without a positive weight gives 0. Only the drawn element gets a gradient
    (Zeiler and Fergus 2013).
    """
    values, real, _ = windows(_wide(x), axes, mask)
    values = torch.where(real, values, 0)
    if weights == "relu":
        values = values.relu()
    share = values if weights == "relu" else softmax(values, real)
    total = share.sum(-1)
    possible = total != 0
    if not training:
        parts = share / torch.where(possible, total, 1)[..., None]
        mean = (parts * torch.where(parts > 0, values, 0)).sum(-1)
        return torch.where(possible, mean, 0).to(x.dtype)
    with torch.no_grad():
        edges = share.cumsum(-1)
        point = uniform(total.shape, x, generator)
        # the first whose share ends beyond the point; rounding must not lead past the last share
        beyond = (edges > (point * edges[..., -1])[..., None]) & (share > 0)
        found, drawn = beyond.to(torch.uint8).max(-1, keepdim=True)
    # nothing is found where the total is 0, NaN or infinite; NaN then stays NaN
    return torch.where(found > 0, values.gather(-1, drawn), total[..., None] * 0)[..., 0].to(
        x.dtype
    )


def uniform(shape: Sequence[int], x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers in [0, 1), on the device of ``x``, in the dtype that it is accumulated in."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    if generator is None:  # which torch.compile cannot be handed beside dynamic sizes
        return torch.rand(shape, device=x.device, dtype=dtype)
    return torch.rand(shape, generator=generator, device=x.device, dtype=dtype)


def sorted_mean(
    x: Tensor, axes: tuple[AnyAxis, ...], scores: Tensor, mask: Tensor | None = None
) -> Tensor:
    """The k largest elements of each window, weighted by ``softmax(scores)``; 0 if empty.

    ``scores`` is (k,), or (channels, k) for an ``x`` of (..., channels, the axes). A window of
    fewer elements than k uses as many of the scores as it has (sort pooling, 2017).
    """
    values, real, _ = windows(_wide(x), axes, mask)
    k = scores.shape[-1]
    # of equals the first, as topk would not have it; of real ones, since -inf may be one
    known = torch.where(real, values, -torch.inf)
    real_first = (~real.expand(known.shape)).to(torch.uint8).sort(dim=-1, stable=True).indices
    known = known.gather(-1, real_first)
    largest = known.sort(dim=-1, descending=True, stable=True).values[..., :k]
    there = torch.arange(k, device=x.device) < real.sum(-1, keepdim=True)
    if scores.ndim == 2:
        scores = scores.view(scores.shape[0], *[1] * len(axes), k)
    share = softmax(scores.expand(largest.shape).to(largest), there)
    return (share * torch.where(there, largest, 0)).sum(-1).to(x.dtype)


def quantile(x: Tensor, axes: tuple[AnyAxis, ...], q: float, mask: Tensor | None = None) -> Tensor:
    """The q-quantile of each window, between two neighbours in a straight line; 0 if empty.

    0 is the minimum, 0.5 the median, 1 the maximum; the one or two elements that make it up get
    the gradient. Between a number and an infinity it is that infinity, between the two infinities
    NaN. NaN in a window makes its result NaN.
    """
    values, real, _ = windows(_wide(x), axes, mask)
    ascending = torch.where(real, values, torch.inf).sort(-1).values
    count = real.sum(-1, keepdim=True).expand(*ascending.shape[:-1], 1)
    position = q * (count - 1).clamp(min=0).to(ascending.dtype)
    low, high = position.floor().long(), position.ceil().long()
    below, above = ascending.gather(-1, low), ascending.gather(-1, high)
    gap, share = above - below, position - low
    between = torch.where(gap.isfinite(), below + gap * share, below * (1 - share) + above * share)
    between = torch.where(low == high, below, between)
    spoiled = (values.isnan() & real).any(-1, keepdim=True)
    between = torch.where(spoiled, torch.nan, between)
    return torch.where(count > 0, between, 0)[..., 0].to(x.dtype)


def order(
    x: Tensor, axes: tuple[AnyAxis, ...], kind: str, param: Tensor, mask: Tensor | None = None
) -> Tensor:
    """One of the two pools above by the name that the kernels know it by."""
    if kind == "quantile":
        return quantile(x, axes, float(param), mask)
    return sorted_mean(x, axes, param, mask)


def softmax(values: Tensor, real: Tensor) -> Tensor:
    """Softmax of the real elements of each window; 0 for the others."""
    real = real.expand(values.shape)
    some = torch.where(real.any(-1, keepdim=True), -torch.inf, 0).to(values)
    return torch.where(real, torch.where(real, values, some).softmax(-1), 0)


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


def _padded_elements(axes: tuple[Axis, ...], device: torch.device) -> Tensor:
    """How many elements of each window lie in the input or its padding, (windows of each axis)."""
    count = torch.ones((), dtype=torch.long, device=device)
    for axis in axes:
        first = torch.arange(axis.windows, device=device)[:, None] * axis.stride - axis.before
        index = first + torch.arange(axis.kernel, device=device) * axis.dilation
        inside = (index < axis.length + axis.after).sum(-1)
        count = count[..., None] * inside
    return count


def _shape(axes: tuple[AnyAxis, ...]) -> tuple[int, ...]:
    return (*(axis.windows for axis in axes), *(axis.kernel for axis in axes))


def identity(dtype: torch.dtype, sign: int) -> float | int:
    """What a maximum, or with ``sign=-1`` a minimum, of no elements is."""
    if dtype.is_floating_point:
        return -sign * torch.inf
    limits = torch.iinfo(dtype)
    return limits.min if sign > 0 else limits.max


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
