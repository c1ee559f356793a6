"""Sparse mappings and their losses, as formulas. Any device, any floating dtype, any derivative.

Scores are shifted so that the largest is 0; all is along the last dimension. What is masked by
``-inf`` is 0 in value and gradient, ``nan`` and ``+inf`` reach the whole of their row.
"""

import math

import torch
from torch import Tensor

_TERMS = 12  # of the power series that stand in for 0 / 0 as alpha goes to 1


def sparsemax(x: Tensor) -> Tensor:
    """(..., n) -> (..., n): ``p = max(x - tau, 0)``, with ``tau`` such that p sums to 1.

    The k largest entries are the support for the largest k whose ``tau`` lies below them all.
    """
    if x.numel() == 0:
        return x.clone()
    z = _shifted(x)
    top = z.clamp(min=-2).sort(-1, descending=True).values  # below -1 none is in the support
    k = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=z.dtype)
    tau = (top.cumsum(-1) - 1) / k
    tau = tau.gather(-1, (tau < top).sum(-1, keepdim=True).clamp(min=1) - 1)
    return torch.where(z <= tau, 0, z - tau).to(x.dtype)  # at the threshold without a gradient


def entmax15(x: Tensor) -> Tensor:
    """(..., n) -> (..., n): ``p = max(x / 2 - tau, 0) ** 2``, with ``tau`` such that p sums to 1.

    If the k largest entries were the support, ``tau`` would solve a quadratic equation in their
    mean and spread. The support is the largest k whose ``tau`` still lies below its entries.
    """
    if x.numel() == 0:
        return x.clone()
    z = _shifted(x) / 2
    # tau is never below -1, so no entry below -2 matters: the sums may take it as -2.
    top = z.clamp(min=-2).sort(-1, descending=True).values
    k = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=z.dtype)
    mean = top.cumsum(-1) / k
    spread = top.square().cumsum(-1) - k * mean.square()
    gap = (1 - spread) / k
    tau = mean - torch.where(gap > 0, gap, 1).sqrt()
    support = ((tau < top) & (gap > 0)).sum(-1, keepdim=True)
    tau = tau.gather(-1, support.clamp(min=1) - 1)  # NaN in the row: none fits, tau is NaN
    return (z - tau).clamp(min=0).square().to(x.dtype)


def entmax(x: Tensor, alpha: Tensor | float) -> Tensor:
    """(..., n), alpha (..., 1) -> (..., n): ``max((alpha - 1) x - tau, 0) ** (1 / (alpha - 1))``.

    As ``p = (exp(-a t) + a z) ** (1 / a)`` with ``a = alpha - 1`` and ``z = x - max(x)`` it goes on
    through ``a = 0``, where it is ``exp(z - t)``, and to ``a < 0``. The sum falls in t; its root is
    from 0 (one entry takes all) to log n (all are equal). It is halved to; two steps of Newton's
    then make it differentiable, twice, as each doubles the order that is exact. Where alpha is
    large, p is so steep in t that no number t gives a sum of 1: p is divided by it.
    """
    if x.numel() == 0:
        return x.clone()
    z = _shifted(x)
    a = torch.as_tensor(alpha, dtype=z.dtype, device=z.device) - 1
    t = _halved_to_root(z.detach(), a.detach())
    for _ in range(2):
        p, base = _powers(z, a, t)
        slope = (p / base).sum(-1, keepdim=True)
        step = (p.sum(-1, keepdim=True) - 1) / torch.where(slope == 0, 1, slope)
        far = (a > 1) & (step.abs() > 1e-6)  # from rounding: its derivatives alone are meant
        t = t + torch.where(far, step - step.detach(), step)
    p = _powers(z, a, t)[0]
    total = p.sum(-1, keepdim=True)
    return (p / torch.where((a > 1) & (total != 0), total, 1)).to(x.dtype)


def entmax_backward(grad: Tensor, y: Tensor, alpha: Tensor | float) -> tuple[Tensor, Tensor]:
    """(..., n), (..., n), (..., 1) -> (..., n), (..., 1): the gradients in x and in alpha.

    With ``s = y ** (2 - alpha)`` on the support and ``mean = sum(s * grad) / sum(s)``, in x it is
    ``s * (grad - mean)``, in alpha ``-sum(q * (grad - mean))``, where
    ``q = (s - y + (alpha - 1) y log y) / (alpha - 1) ** 2``, or ``y log(y) ** 2 / 2`` for 1.
    Zero outside the support, whatever ``grad`` is there. Differentiable in all arguments.
    """
    support = y != 0  # so that NaN stays NaN
    wide = torch.promote_types(y.dtype, torch.float32)
    p = torch.where(support, y, 1).to(wide)
    a = torch.as_tensor(alpha, dtype=wide, device=y.device) - 1
    log = p.log()
    v = (-a * log).clamp(max=_largest_exponent(wide))
    s = torch.where(support, p * v.exp(), 0)
    g = torch.where(support, grad.to(wide), 0)
    total = s.sum(-1, keepdim=True)
    mean = (s * g).sum(-1, keepdim=True) / torch.where(total == 0, 1, total)
    large = a > 0.5  # s, of which the sum below has none, grows beyond the rest: without it
    divisor = torch.where(large, a, 1).square()
    rest = torch.where(large, (a * log - 1) / divisor, log.square() * _second_remainder(v))
    q = torch.where(support, p * rest, 0)
    centred = g - mean
    return (s * centred).to(y.dtype), -(q * centred).sum(-1, keepdim=True)


def entmax_loss(x: Tensor, target: Tensor, alpha: float, ignore: int, smoothing: float) -> Tensor:
    """(rows, n), (rows,) -> (rows,): ``p.x + H(p) - x_y``, where p is the entmax of x.

    H is the entropy that p has made largest along with ``p.x``:
    ``sum(p - p ** alpha) / (alpha (alpha - 1))``, Shannon's for 1. Smoothing adds
    ``smoothing * (x_y - mean(x))``, the mean over what is not masked. Rows whose target is
    ``ignore`` get 0. In float32 or wider.
    """
    ignored = target == ignore
    x = torch.where(ignored.unsqueeze(-1), 0, x)
    z = _shifted(x)
    at_target = z.gather(-1, torch.where(ignored, 0, target).unsqueeze(-1)).squeeze(-1)
    # a target that is masked costs inf, and has no gradient
    at_target = torch.where(at_target == -torch.inf, at_target.detach(), at_target)
    p = probabilities(z, alpha)
    expected = (p * torch.where(p == 0, 0, z)).sum(-1)
    loss = expected + _entropy(p, alpha - 1) - at_target
    if smoothing:
        masked = z == -torch.inf
        mean = torch.where(masked, 0, z).sum(-1) / (~masked).sum(-1).clamp(min=1)
        loss = loss + smoothing * (at_target - mean)
    return torch.where(ignored, 0, loss)


def entmax_loss_gradient(
    x: Tensor, target: Tensor, alpha: float, ignore: int, smoothing: float
) -> Tensor:
    """(rows, n), (rows,) -> (rows, n): ``p - e_y + smoothing * (e_y - 1 / n)``, 0 where masked."""
    ignored = (target == ignore).unsqueeze(-1)
    x = torch.where(ignored, 0, x).to(torch.promote_types(x.dtype, torch.float32))
    classes = torch.arange(x.shape[-1], device=x.device)
    at_target = (classes == target.unsqueeze(-1)).to(x.dtype)
    free = x != -torch.inf
    even = smoothing / free.sum(-1, keepdim=True, dtype=x.dtype).clamp(min=1)
    slope = probabilities(x, alpha) - (1 - smoothing) * at_target - even
    return torch.where(free & ~ignored, slope, 0)


def probabilities(x: Tensor, alpha: Tensor | float) -> Tensor:
    """:func:`entmax`, by the closed form where there is one."""
    if isinstance(alpha, Tensor):
        return entmax(x, alpha)
    if alpha == 1.5:
        return entmax15(x)
    return sparsemax(x) if alpha == 2 else entmax(x, alpha)


def _shifted(x: Tensor) -> Tensor:
    """``x - max(x)``, in float32 or wider."""
    peak = x.detach().amax(-1, keepdim=True)
    peak = torch.where(peak == -torch.inf, 0, peak)  # a row that is masked throughout
    return x.to(torch.promote_types(x.dtype, torch.float32)) - peak


def _halved_to_root(z: Tensor, a: Tensor) -> Tensor:
    """The t of :func:`entmax` with a sum of 1, to rounding."""
    shape = torch.broadcast_shapes((*z.shape[:-1], 1), a.shape)
    low, high = z.new_zeros(shape), z.new_full(shape, math.log(z.shape[-1]))
    with torch.no_grad():
        for _ in range(4 - round(math.log2(torch.finfo(z.dtype).eps))):
            middle = (low + high) / 2
            above = _powers(z, a, middle)[0].sum(-1, keepdim=True) >= 1
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return low


def _powers(z: Tensor, a: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """``p = exp(-t) base ** (1 / a)`` and ``base = 1 + a z exp(a t)``, or 0 and 1 outside."""
    masked = z == -torch.inf
    u = torch.where(masked, 0, z) * (a * t).clamp(max=_largest_exponent(z.dtype)).exp()
    outside = masked | (1 + a * u <= 0)
    u = torch.where(outside, 0, u)
    p = (_log_power(u, a) - t).exp()
    return torch.where(outside, t - t, p), 1 + a * u  # t - t: NaN reaches the masked entries too


def _log_power(u: Tensor, a: Tensor) -> Tensor:
    """``log(1 + a u) / a``, which is u for a = 0, with derivatives that are exact there too."""
    v = a * u
    small = v.abs() < 0.04
    near = torch.where(small, v, 0)
    series = torch.zeros_like(v)
    for k in range(_TERMS, 0, -1):
        series = 1 / k - near * series
    far = torch.log1p(torch.where(small, 0, v)) / torch.where(small, 1, a)
    return torch.where(small, u * series, far)


def _second_remainder(v: Tensor) -> Tensor:
    """``(exp(v) - 1 - v) / v ** 2``, which is 1/2 for v = 0."""
    small = v.abs() < 0.5
    near, far = torch.where(small, v, 0), torch.where(small, 1, v)
    series = torch.zeros_like(v)
    for k in range(_TERMS + 2, 1, -1):
        series = 1 / math.factorial(k) + near * series
    return torch.where(small, series, (torch.expm1(far) - far) / far.square())


def _entropy(p: Tensor, a: float) -> Tensor:
    """``sum(p - p ** (1 + a)) / (a (1 + a))``, or ``-sum(p log p)`` for a = 0."""
    log = torch.where(p == 0, 1, p).log()
    if a == 0:
        return -(p * log).sum(-1)
    return -(p * torch.expm1(a * log)).sum(-1) / (a * (1 + a))


def _largest_exponent(dtype: torch.dtype) -> float:
    """The largest number of which the exponential is still finite when squared."""
    return math.log(torch.finfo(dtype).max) / 2
