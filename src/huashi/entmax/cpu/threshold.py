"""The threshold of a row of entmax in Numba, exact to rounding, without sorting.

With a = alpha - 1 and z = x - max(x), the scores below ``-1 / a`` get nothing. For 1.5 and 2 the
threshold tau of ``max(a z - tau, 0) ** (1 / a)`` is found, for other alpha the t of
``exp(-t) (1 + a z exp(a t)) ** (1 / a)``, which holds for ``a = 0`` and for large alpha too.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np
from numba.core import types
from numba.extending import overload

from huashi._kernel.mathematics import exponential, logarithm
from huashi._kernel.numba import compiled
from huashi._kernel.select import larger, minimum, smaller


@compiled
def peak_of(x):
    """The largest entry."""
    peak = x[0]
    for i in range(x.size):
        peak = larger(peak, x[i])
    return peak if peak != -np.inf else x.dtype.type(0)  # all masked: every entry lies below


@compiled
def gather_near(x, peak, a, found):
    """Copy the entries that can be in the support, and NaN, to ``found``; return how many."""
    least = x.dtype.type(-1.0 / a if a > 0.0 else -np.inf)
    k = 0
    for i in range(x.size):
        found[k] = x[i]  # without a branch: which entries are near the peak is not predictable
        k += not x[i] - peak <= least  # not against peak + least, which at 1e9 is peak again
    return k


@compiled
def threshold(x, peak, a):
    """Find tau for alpha 1.5 and 2, t for others, from the entries that can be in the support."""
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
            d = minimum(x[i] - peak, x.dtype.type(0)) - tau  # as in write: never x - (peak + tau)
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
