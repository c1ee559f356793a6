"""The threshold of a row of entmax in Triton, and what its entries get: parts of kernels.

One program has one row. It is in registers, as ``x``, unless it is LONG: then each pass reads it
again, from the L2 cache where it fits. With ``a = alpha - 1`` and z the scores less the largest,
KIND says what is solved for:

=============  ==========================================  ==================================
KIND           p, on the support                           an entry costs, in each of s steps
=============  ==========================================  ==================================
``quadratic``  ``(z / 2 - tau) ** 2``, alpha 1.5           8 operations; s is 2 to 10
``linear``     ``z - tau``, alpha 2                        6; 2 to 10
``power``      ``exp(-t) (1 + a z exp(a t)) ** (1 / a)``   30, of which 2 logarithms and
                                                           exponentials, 2 divisions; 2 to 8
=============  ==========================================  ==================================

The steps are those of ``cpu/threshold.py``. They never pass the root: a step that
does, or that does not move, comes from rounding, and ends the search. Numbers of a row are in
float64, its entries in float32. For alpha > 2, where the function is steep near the threshold, the
entries are in float64 too (WIDE).
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN201, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false

import triton
import triton.language as tl

INF = tl.constexpr(float("inf"))


@triton.jit
def scores(x_ptr, start, n, BLOCK: tl.constexpr):
    """Entries from ``start``, in float32; -inf, which is never in the support, beyond the row."""
    i = start + tl.arange(0, BLOCK)
    return tl.load(x_ptr + i, mask=i < n, other=-INF).to(tl.float32)


@triton.jit
def entries(x, x_ptr, start, n, BLOCK: tl.constexpr, LONG: tl.constexpr):
    """Those from ``start`` on: of a row in registers, all."""
    if LONG:
        return scores(x_ptr, start, n, BLOCK)
    else:
        return x


@triton.jit
def peak_of(x, x_ptr, n, BLOCK: tl.constexpr, LONG: tl.constexpr):
    """The largest entry; 0 for a row that is masked throughout, which is below it."""
    peak = -INF
    for start in range(0, n if LONG else 1, BLOCK):
        peak = tl.maximum(peak, tl.max(entries(x, x_ptr, start, n, BLOCK, LONG), 0))
    return tl.where(peak == -INF, 0.0, peak)


@triton.jit
def threshold(
    x,
    x_ptr,
    peak,
    a,
    n,
    KIND: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
    LONG: tl.constexpr,
):
    """Tau of ``quadratic`` and ``linear``, t of ``power``; NaN for a row that holds NaN or inf."""
    if KIND == "power":
        return _power_root(x, x_ptr, peak, a, n, WIDE, BLOCK, LONG)
    else:
        return _root(x, x_ptr, peak, n, KIND, BLOCK, LONG)


@triton.jit
def _root(x, x_ptr, peak, n, KIND: tl.constexpr, BLOCK: tl.constexpr, LONG: tl.constexpr):
    """From the left; done once the root for this support lies before the next entry to leave it."""
    tau = -1.0
    steps = 0
    searching = True
    while searching:
        k, first, second, kink = 0.0, 0.0, 0.0, INF
        for start in range(0, n if LONG else 1, BLOCK):
            part = _moments(entries(x, x_ptr, start, n, BLOCK, LONG), peak, tau, KIND)
            k += part[0]
            first += part[1]
            second += part[2]
            kink = tl.minimum(kink, part[3])
        k = tl.maximum(k, 1.0)
        if KIND == "linear":
            root = (first - 1.0) / k
            step = root
        else:
            excess = second - 1.0
            root = excess / (first + tl.sqrt(tl.maximum(first * first - k * excess, 0.0)))
            step = tl.maximum(excess / (2.0 * first), first / k - 1.0 / tl.sqrt(k))
        steps += 1
        searching = (step > 0.0) & (root > kink) & (steps < 100)
        tau += tl.where(searching, step, root)
    return tau


@triton.jit
def _moments(x, peak, tau, KIND: tl.constexpr):
    """Of what is above the threshold: how many, sum, sum of squares, the least."""
    d = _above(x, peak, tau, KIND)
    outside = d <= 0.0  # not NaN, nor inf - inf: by way of tau they reach the whole row
    e = tl.where(outside, 0.0, d)
    k = tl.sum(tl.where(outside, 0.0, 1.0), 0)
    return k, tl.sum(e, 0), tl.sum(e * e, 0), tl.min(tl.where(outside, INF, d), 0)


@triton.jit
def _above(x, peak, tau, KIND: tl.constexpr):
    if KIND == "linear":
        return x - peak - tau
    else:
        return (x - peak) * 0.5 - tau


@triton.jit
def _power_root(x, x_ptr, peak, a, n, WIDE: tl.constexpr, BLOCK: tl.constexpr, LONG: tl.constexpr):
    """Newton's steps for a norm of what is linear in ``exp(-a t)``, for a <= 1 from the left.

    For a > 1 the steps may leave the bracket, or not shrink; then it is halved.
    """
    low = tl.full((), 0.0, tl.float64)
    high = tl.log(n.to(tl.float64)) + 1e-6  # equal scores: the first step must not leave
    t, last = low, high + 1.0
    tolerance = tl.where(a > 1.0, 4.4e-16, 2.4e-7)  # two units in the last place
    steps = 0
    searching = True
    while searching:
        first, second = power_sums(x, x_ptr, peak, a, t, n, WIDE, BLOCK, LONG)
        log_sum = tl.log(first) - t
        low = tl.where(log_sum > 0.0, t, low)
        high = tl.where(log_sum > 0.0, high, t)
        ratio = first / second
        rest = 1.0 + ratio * (tl.exp(-a * log_sum) - 1.0)
        step = tl.where(tl.abs(a) < 1e-8, ratio * log_sum, -tl.log(rest) / a)
        inside = (t + step >= low) & (t + step <= high) & (tl.abs(step) <= 0.5 * last)
        step = tl.where(inside, step, 0.5 * (low + high) - t)
        step = tl.where(log_sum == log_sum, step, log_sum)  # NaN
        step = tl.where(first == 0.0, 0.0, step)  # masked throughout: any t does
        t += step
        last = tl.where(a > 1.0, tl.abs(step), INF)
        left = tl.where(a > 1.0, tl.abs(step), step)  # back is rounding, if from the left
        steps += 1
        searching = (left > tolerance * (1.0 + t)) & (steps < 100)
    return t


@triton.jit
def power_sums(
    x, x_ptr, peak, a, t, n, WIDE: tl.constexpr, BLOCK: tl.constexpr, LONG: tl.constexpr
):
    """Sums of ``v ** (1 / a)`` and ``v ** (1 / a - 1)``, where ``v = 1 + a z exp(a t)`` is > 0."""
    first = tl.full((), 0.0, tl.float64)
    second = first
    for start in range(0, n if LONG else 1, BLOCK):
        part = _power_sums(entries(x, x_ptr, start, n, BLOCK, LONG), peak, a, t, WIDE)
        first += part[0]
        second += part[1]
    return first, second


@triton.jit
def _power_sums(x, peak, a, t, WIDE: tl.constexpr):
    growth = tl.exp(tl.minimum(a * t, 700.0))
    if WIDE and a > 1.0:
        first, second = _sums_in(x.to(tl.float64) - peak, a, growth)
    else:
        first, second = _sums_in(x - peak, a.to(tl.float32), growth.to(tl.float32))
    return first, second


@triton.jit
def _sums_in(z, a, growth):
    e, v = _powers(z, a, growth)
    return tl.sum(e, 0).to(tl.float64), tl.sum(e / v, 0).to(tl.float64)


@triton.jit
def _powers(z, a, growth):
    """``v ** (1 / a)`` and ``v = 1 + a z growth``; 0 and 1 outside the support."""
    u = tl.where(z == -INF, 0.0, z) * growth
    v = 1.0 + a * u  # once: fused with the product or not, it is the same wherever it is used
    outside = (z == -INF) | (v <= 0.0)
    v = tl.where(outside, 1.0, v)
    return tl.where(outside, 0.0, tl.exp(_log_power(u, v, a))), v


@triton.jit
def _log_power(u, v, a):
    """``log(v) / a``, u for a = 0; near v = 1 by ``log(1 + w) = 2 artanh(w / (w + 2))``."""
    if u.dtype == tl.float64:  # a > 1: nothing is lost near 1
        return tl.log(v) / a
    else:
        w = a * u
        s = w / (w + 2.0)
        q = s * s
        series = 1 / 11 + q * (1 / 13)
        series = 1 / 7 + q * (1 / 9 + q * series)
        series = 1.0 + q * (1 / 3 + q * (1 / 5 + q * series))
        near = u / (0.5 * w + 1.0) * series
        return tl.where((w > -0.5) & (w < 1.0), near, tl.log(v) / a)


@triton.jit
def factor(
    x,
    x_ptr,
    peak,
    a,
    t,
    n,
    KIND: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
    LONG: tl.constexpr,
):
    """What makes a row sum to 1: for large alpha no threshold of finite precision does."""
    if KIND == "power" and WIDE:
        total = power_sums(x, x_ptr, peak, a, t, n, WIDE, BLOCK, LONG)[0] * tl.exp(-t)
        return tl.where((a > 1.0) & (total != 0.0), 1.0 / total, 1.0).to(tl.float32)
    else:
        return 1.0


@triton.jit
def probabilities(x, peak, a, edge, scale, KIND: tl.constexpr, WIDE: tl.constexpr):
    """What entries get, times ``scale``, given what :func:`threshold` and :func:`factor` found."""
    if KIND == "power":
        p = _power_probabilities(x, peak, a, edge, WIDE)
        return tl.where(edge == edge, p * scale, edge.to(tl.float32))
    else:
        d = _above(x, peak, edge, KIND)
        p = d if KIND == "linear" else d * d
        return tl.where(d <= 0.0, 0.0, p * scale)


@triton.jit
def _power_probabilities(x, peak, a, t, WIDE: tl.constexpr):
    growth = tl.exp(tl.minimum(a * t, 700.0))
    if WIDE and a > 1.0:
        p = (_powers(x.to(tl.float64) - peak, a, growth)[0] * tl.exp(-t)).to(tl.float32)
    else:
        p = _powers(x - peak, a.to(tl.float32), growth.to(tl.float32))[0] * tl.exp(-t).to(
            tl.float32
        )
    return p
