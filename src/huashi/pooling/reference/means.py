"""Averages, norms and means of windows."""

import math

import torch
from torch import Tensor

from huashi._windows import Axis, is_whole
from huashi.pooling.bins import AnyAxis
from huashi.pooling.reference.draws import stochastic
from huashi.pooling.reference.extrema import extremum_of
from huashi.pooling.reference.window_elements import Windows, softmax, wide, windows


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
    values, real, _ = windows(wide(x), axes, mask)
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
    values, real, places = windows(wide(x), axes, mask)
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
    values, real, _ = windows(wide(x).clamp(min=eps), axes, mask)
    values, p = torch.where(real, values, eps), _finite(p)
    peak = values.amax(-1, keepdim=True).detach()
    peak = torch.where(peak < torch.inf, peak, 1)
    ratio = values / peak
    # a ratio that is no normal number has no logarithm of its own
    apart = ratio < 1e-30
    logs = torch.where(apart, values.log() - peak.log(), ratio.clamp(min=1e-30).log())
    logs = torch.where(real, logs, 0)
    powers = torch.where(
        apart, (p * torch.where(apart, logs, 0)).exp(), ratio.clamp(min=1e-30).pow(p)
    )
    terms = torch.where(real, powers, 0).sum(-1)
    count = real.sum(-1).expand(terms.shape)
    mean = torch.where(count > 0, terms, 1) / count.clamp(min=1)
    root = _root(_expm1(p * logs).sum(-1) / count.clamp(min=1), p, mean.pow(1 / p))
    small, log = _small_exponent(logs, real, p)
    root = torch.where(small, log.exp(), root)
    return torch.where(count > 0, peak[..., 0] * root, 0).to(x.dtype)


def soft(x: Tensor, axes: tuple[AnyAxis, ...], mask: Tensor | None = None) -> Tensor:
    """``sum softmax(x)_i x_i`` over each window (Stergiou 2021, SoftPool); 0 if empty."""
    values, real, _ = windows(wide(x), axes, mask)
    share = softmax(values, real)
    return (share * torch.where(share > 0, values, 0)).sum(-1).to(x.dtype)  # -inf has no share


def log_sum_exp(
    x: Tensor, axes: tuple[AnyAxis, ...], r: Tensor, mask: Tensor | None = None
) -> Tensor:
    """``log(mean(exp(r x))) / r``, r a 0-d tensor > 0: from the mean to the maximum as r grows.

    Where the mean of ``exp(r (x - max))`` is near 1, its logarithm is taken of what is missing, so
    that a small r loses no digits. An empty window gives 0 (Pinheiro 2015).
    """
    values, real, _ = windows(wide(x), axes, mask)
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


def _padded_elements(axes: tuple[Axis, ...], device: torch.device) -> Tensor:
    """How many elements of each window lie in the input or its padding, (windows of each axis)."""
    count = torch.ones((), dtype=torch.long, device=device)
    for axis in axes:
        first = torch.arange(axis.windows, device=device)[:, None] * axis.stride - axis.before
        index = first + torch.arange(axis.kernel, device=device) * axis.dilation
        inside = (index < axis.length + axis.after).sum(-1)
        count = count[..., None] * inside
    return count
