"""Entmax in Numba: rows in parallel, no sorting, the threshold exact to rounding.

A row of n float32 is read once from memory and written once, 8n bytes; the forward pass sweeps
over it three times, the second and third time in the cache. The maximum and the result run in
vector lanes; gathering the entries near the maximum goes one by one and is the limit. The threshold
takes 1 to 10 loops over what was gathered. The backward pass reads 8n bytes, twice, and writes 4n.
On rows of 32,000 the kernel of 1.5-entmax moves about a third of what a copy does, and the fresh
memory of a large output costs more than the kernel (benchmarks/entmax_limits.py, docs/kernels.md).

With a = alpha - 1 and z = x - max(x), the scores below ``-1 / a`` get nothing. For 1.5 and 2 the
threshold tau of ``max(a z - tau, 0) ** (1 / a)`` is found, for other alpha the t of
``exp(-t) (1 + a z exp(a t)) ** (1 / a)``, which ``a = 0`` is no exception to, nor large alpha.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from numba.core import types
from numba.extending import overload
from torch import Tensor

from huashi._kernel.mathematics import exponential, logarithm
from huashi._kernel.memory import in_huge_pages
from huashi._kernel.numba import compiled, part_of, threaded
from huashi._kernel.select import larger, smaller

CHUNK = 64  # entries that are looked at together, whether one of them is not 0


@compiled
def peak_of(x):
    """The largest entry."""
    peak = x[0]
    for i in range(x.size):
        peak = larger(peak, x[i])
    return peak if peak != -np.inf else x.dtype.type(0)  # masked throughout: all are below


@compiled
def reach(x, peak, a, found):
    """Copy what can be in the support, and NaN, to the front of ``found``; return how many."""
    least = x.dtype.type(-1.0 / a if a > 0.0 else -np.inf)
    k = 0
    for i in range(x.size):
        found[k] = x[i]  # without a branch: which entries are near the peak is not predictable
        k += not x[i] - peak <= least  # not against peak + least, which at 1e9 is peak again
    return k


@compiled
def threshold(x, peak, a):
    """Of the entries that can be in the support: tau for alpha 1.5 and 2, t for others."""
    if a == 0.5:
        return _quadratic_root(x, peak)
    return _linear_root(x, peak) if a == 1.0 else _root(x, peak, a)


@compiled
def _quadratic_root(x, peak):
    """Find the root of ``f(tau) = sum(max((x - peak) / 2 - tau, 0) ** 2) - 1``; -1 for no entries.

    From the left, since ``f`` falls and is convex. Two steps never pass the root: Newton's, and
    the one to ``mean - 1 / sqrt(k)`` (the squares of k numbers sum to at least their sum squared
    over k). Once the root of the quadratic lies before the next kink of ``f``, it is the root.
    """
    tau = -1.0
    for _ in range(100):  # 1 to 10 in practice; rounding could make it dither
        k, first, second, kink = 0.0, 0.0, 0.0, np.inf
        for i in range(x.size):
            d = (x[i] - peak) * 0.5 - tau
            outside = d <= 0.0
            e = 0.0 if outside else d
            k += 0.0 if outside else 1.0
            first += e
            second += e * e
            kink = smaller(kink, np.inf if outside else d)
        if k == 0.0:
            break
        excess = second - 1.0
        root = excess / (first + np.sqrt(max(first * first - k * excess, 0.0)))
        step = max(excess / (2.0 * first), first / k - 1.0 / np.sqrt(k))
        if root <= kink or not step > 0.0:
            return tau + root
        tau += step
    return tau


@compiled
def _linear_root(x, peak):
    """Find the root of ``sum(max(x - peak - tau, 0)) - 1``, also from the left; -1 for none."""
    tau = -1.0
    for _ in range(100):  # each loop but the last takes an entry out of the support
        k, first, kink = 0.0, 0.0, np.inf
        for i in range(x.size):
            d = x[i] - peak - tau
            outside = d <= 0.0
            k += 0.0 if outside else 1.0
            first += 0.0 if outside else d
            kink = smaller(kink, np.inf if outside else d)
        if k == 0.0:
            break
        step = (first - 1.0) / k
        tau += step
        if step <= kink or not step > 0.0:
            break
    return tau


@compiled
def _root(x, peak, a):
    """Find t such that ``sum(exp(-t) (1 + a z exp(a t)) ** (1 / a))`` is 1; 0 for no entries.

    The sum to the power of a is a norm of what is linear in ``exp(-a t)``, for a <= 1 convex:
    Newton's step for it comes from the left and never passes the root. For a = 0 it is the log
    of the sum, and the first step is the last. For a > 1 the steps may leave the bracket, or not
    shrink; then it is halved.
    """
    low, high = 0.0, np.log(max(x.size, 1))
    t, last = 0.0, high + 1.0
    tolerance = 2.0 * (np.finfo(np.float64).eps if a > 1.0 else np.finfo(x.dtype).eps)
    for _ in range(200):  # 2 to 8 in practice
        first, second = _sums(x, peak, a, t)
        log_sum = np.log(first) - t
        if log_sum != log_sum or x.size == 0:  # NaN
            return log_sum if x.size else 0.0
        if log_sum > 0.0:
            low = t
        else:
            high = t
        rest = 1.0 + first / second * np.expm1(-a * log_sum)
        step = log_sum * first / second if a == 0.0 else -np.log(rest) / a
        if not low <= t + step <= high or abs(step) > 0.5 * last:
            step = 0.5 * (low + high) - t
        t, last = t + step, abs(step) if a > 1.0 else np.inf
        if abs(step) <= tolerance * (1.0 + t):
            break
    return t


@compiled
def _sums(x, peak, a, t):
    """Sums of ``v ** (1 / a)`` and ``v ** (1 / a - 1)``, where ``v = 1 + a z exp(a t)`` is > 0."""
    growth = np.exp(min(a * t, 700.0))
    if a > 1.0:  # where what is near the threshold is steep
        return _sums_in(x, np.float64(peak), a, growth)
    return _sums_in(x, peak, x.dtype.type(a), x.dtype.type(growth))


@compiled
def _sums_in(x, peak, a, growth):
    first, second = 0.0, 0.0
    for i in range(x.size):
        u = (x[i] - peak) * growth
        v = a * u + type(a)(1)
        e = exponential(log_power(u, a))
        e = type(a)(0) if v <= type(a)(0) else e
        first += e
        second += e / (type(a)(1) if v <= type(a)(0) else v)
    return first, second


def log_power(u, a):
    """In a kernel: ``log(1 + a u) / a`` where that is real, u for a = 0."""
    raise NotImplementedError("only for kernels")


@overload(log_power)
def _log_power(u, a):
    if u == types.float32:
        return _log_power_in_lanes
    return lambda u, a: u if a == 0.0 else np.log1p(a * u) / a


def _log_power_in_lanes(u, a):
    w = a * u
    s = w / (w + np.float32(2))  # log(1 + w) = 2 artanh(s), without loss near 0
    q = s * s
    series = np.float32(1 / 13)
    series = series * q + np.float32(1 / 11)
    series = series * q + np.float32(1 / 9)
    series = series * q + np.float32(1 / 7)
    series = series * q + np.float32(1 / 5)
    series = series * q + np.float32(1 / 3)
    series = series * q + np.float32(1)
    near = u / (w * np.float32(0.5) + np.float32(1)) * series
    v = w + np.float32(1)
    far = logarithm(larger(v, np.float32(1e-37))) / a
    inner = (w > np.float32(-0.5)) & (w < np.float32(1))
    return (near if inner else far) if u == u else u


@compiled
def write(x, peak, a, edge, scale, y):
    """A row of probabilities times ``scale``, of what :func:`threshold` found."""
    zero = x.dtype.type(0.0)
    if edge != edge:
        y[:] = edge
    elif a == 0.5:
        half, tau = x.dtype.type(0.5), x.dtype.type(edge)
        for i in range(x.size):
            d = (x[i] - peak) * half - tau
            y[i] = zero if d <= zero else d * d * scale
    elif a == 1.0:
        tau = x.dtype.type(edge)
        for i in range(x.size):
            d = x[i] - peak - tau
            y[i] = zero if d <= zero else d * scale
    elif a > 1.0:
        _write_powers(x, np.float64(peak), a, edge, scale, y)
        _normalise(y, scale)
    else:
        _write_powers(x, peak, x.dtype.type(a), x.dtype.type(edge), scale, y)


@compiled
def _normalise(y, scale):
    """Make a row sum to ``scale``: for large alpha no threshold does, as it is a number."""
    total = 0.0
    for i in range(y.size):
        total += y[i]
    if total != 0.0:
        factor = y.dtype.type(scale / total)
        for i in range(y.size):
            y[i] *= factor


@compiled
def _write_powers(x, peak, a, t, scale, y):
    zero, one = type(a)(0), type(a)(1)
    growth = type(a)(np.exp(min(a * t, type(a)(700))))
    for start in range(0, x.size, CHUNK):
        end = min(start + CHUNK, x.size)
        top = x[start]
        for i in range(start, end):
            top = larger(top, x[i])
        if a * ((top - peak) * growth) + one <= zero or top == -np.inf:
            y[start:end] = 0
            continue
        for i in range(start, end):
            u = (x[i] - peak) * growth
            outside = (a * u + one <= zero) | (x[i] == -np.inf)
            p = exponential(log_power(u, a) - t)
            y[i] = zero if outside else p * scale


@threaded
def _forward(part, parts, x, alpha, y):
    one = x.dtype.type(1)
    for row in part_of(x.shape[0], part, parts):
        a = alpha[row % alpha.size] - 1.0
        peak = peak_of(x[row])
        k = reach(x[row], peak, a, y[row])  # y is free until it is written
        edge = threshold(y[row][:k], peak, a)
        write(x[row], peak, a, edge, one, y[row])


@threaded
def _backward(part, parts, grad, y, alpha, dx, dalpha):
    zero = y.dtype.type(0.0)
    for row in part_of(y.shape[0], part, parts):
        a = alpha[row % alpha.size] - 1.0
        if a == 0.5:
            for i in range(y.shape[1]):
                dx[row, i] = np.sqrt(y[row, i])
        else:
            _slopes(y[row], y.dtype.type(a), dx[row])
        total, weighted = 0.0, 0.0
        for i in range(y.shape[1]):
            s = dx[row, i]
            total += s
            weighted += zero if s == zero else s * grad[row, i]
        if dalpha.size:
            dalpha[row] = _slope_in_alpha(grad[row], y[row], a, weighted / total)
        mean = y.dtype.type(weighted / total)
        for i in range(y.shape[1]):
            s = dx[row, i]
            dx[row, i] = zero if s == zero else s * (grad[row, i] - mean)


@compiled
def _slopes(y, a, s):
    """``y ** (1 - a)`` on the support, bounded so that its sum is finite."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    most = y.dtype.type(44 if y.itemsize == 4 else 354)
    for start in range(0, y.size, CHUNK):
        end = min(start + CHUNK, y.size)
        top = zero
        for i in range(start, end):
            top += y[i]
        if top == zero:
            s[start:end] = zero
            continue
        for i in range(start, end):
            p = y[i]
            log = logarithm(p if p > zero else one)
            power = exponential(smaller((one - a) * log, most))
            s[i] = power if p > zero else p


@compiled
def _slope_in_alpha(grad, y, a, mean):
    """``-sum(q (grad - mean))``, where ``q = y log(y) ** 2 (exp(v) - 1 - v) / v ** 2``.

    With ``v = -a log(y)``, ``y exp(v)`` is what mean is weighted by: its share in the sum is 0. For
    a > 0.5 it is left out, as it grows beyond what the rest of the sum could be told from.
    """
    slope = 0.0
    for i in range(y.size):
        if y[i] != 0:
            log = np.log(np.float64(y[i]))
            v = -a * log
            if a > 0.5:
                remainder = (-1.0 - v) / (a * a)
            elif abs(v) < 0.05:
                remainder = 0.5 + v * (1 / 6 + v * (1 / 24 + v * (1 / 120 + v * (1 / 720))))
                remainder += v**5 * (1 / 5040 + v * (1 / 40320 + v / 362880))
                remainder *= log * log
            else:
                remainder = (np.expm1(v) - v) / (a * a)
            slope -= y[i] * remainder * (grad[i] - mean)
    return slope


def rows_of(x: Tensor) -> Tensor:
    """(..., n) -> (rows, n), contiguous, in a dtype that Numba knows."""
    wide = torch.promote_types(x.dtype, torch.float32)
    return x.detach().to(wide).reshape(-1, x.shape[-1]).contiguous()


def _numbers(alpha: Tensor | float) -> np.ndarray:
    if isinstance(alpha, Tensor):
        return alpha.detach().to(torch.float64).contiguous().numpy()
    return np.array([alpha], np.float64)


def forward(x: Tensor, alpha: Tensor | float) -> Tensor:
    """(..., n) -> (..., n), along the last dimension; ``alpha`` for all rows or (rows,)."""
    rows = rows_of(x)
    y = in_huge_pages(torch.empty_like(rows))
    _forward(rows.numpy(), _numbers(alpha), y.numpy())
    return y.view(x.shape).to(x.dtype)


def backward(grad: Tensor, y: Tensor, alpha: Tensor | float) -> tuple[Tensor, Tensor]:
    """(..., n), (..., n) -> (..., n), with ``y`` the result of :func:`forward`; and (rows,)."""
    rows = rows_of(y)
    dx = in_huge_pages(torch.empty_like(rows))
    size = rows.shape[0] if isinstance(alpha, Tensor) else 0  # else no gradient in alpha
    dalpha = rows.new_empty(size, dtype=torch.float64)
    numbers = _numbers(alpha)
    _backward(rows_of(grad).numpy(), rows.numpy(), numbers, dx.numpy(), dalpha.numpy())
    return dx.view(y.shape).to(y.dtype), dalpha
