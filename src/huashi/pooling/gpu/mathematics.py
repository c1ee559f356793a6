"""Powers and exponentials in Triton that keep their digits near 0 and 1."""

# The types of a kernel are Triton's, not Python's:
# ruff: noqa: ANN001, ANN201
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false

import triton
import triton.language as tl


@triton.jit
def log2(u):
    """The logarithm to base 2 for u >= 0, but 0 for u = 0; NaN stays."""
    return tl.log2(tl.where(u < 1e-37, 1.0, u))


@triton.jit
def power(u, p):
    """``u ** p`` for u >= 0, but 0 for u = 0 whatever p: what is 0 has no part in a norm."""
    return tl.where(u < 1e-37, 0.0, tl.exp2(p * log2(u)))


@triton.jit
def expm1(t):
    """``exp(t) - 1`` for t <= 0, by its series near 0."""
    series = 1.0 + t / 7.0
    series = 1.0 + t / 6.0 * series
    series = 1.0 + t / 5.0 * series
    series = 1.0 + t / 4.0 * series
    series = 1.0 + t / 3.0 * series
    series = 1.0 + t / 2.0 * series
    return tl.where(t > -0.35, t * series, tl.exp(t) - 1.0)


@triton.jit
def log1p(u):
    """``log(1 + u)`` for u from -0.5 to 1: ``2 artanh(u / (2 + u))``."""
    s = u / (2.0 + u)
    z = s * s
    series = 1.0 / 11.0 + z * (1.0 / 13.0)
    series = 1.0 / 9.0 + z * series
    series = 1.0 / 7.0 + z * series
    series = 1.0 / 5.0 + z * series
    series = 1.0 / 3.0 + z * series
    return 2.0 * s * (1.0 + z * series)


@triton.jit
def unevenness(t):
    """``exp(t) (t - 1) + 1``, 0 at 0, positive elsewhere, 1 at -inf; near 0 by its series."""
    series = 1.0 / 5760.0 + t * (1.0 / 45360.0 + t * (1.0 / 403200.0))
    series = 1.0 / 30.0 + t * (1.0 / 144.0 + t * (1.0 / 840.0 + t * series))
    series = 1.0 / 2.0 + t * (1.0 / 3.0 + t * (1.0 / 8.0 + t * series))
    weight = tl.exp(t)
    far = tl.where(weight == 0.0, 1.0, weight * (t - 1.0) + 1.0)
    return tl.where(tl.abs(t) < 0.25, t * t * series, far)
