"""Exponentials, logarithms and powers of kernels in Numba, which run in vector lanes.

LLVM calls a function of the system's mathematics for each number instead, several times as slow.
"""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

import math

import numpy as np
from numba.core import types
from numba.extending import overload

from huashi._kernel.bfloat16 import bits_of_float, float_of_bits
from huashi._kernel.numba import compiled
from huashi._kernel.select import larger, smaller

_LN2 = math.log(2)


@compiled
def _exp2_parts(t):
    """2^t of a float32 as (1 + a) b: a at most 0.42, b a power of 2, or 0 or infinite."""
    t = smaller(larger(t, np.float32(-127)), np.float32(128))
    whole = np.floor(t + np.float32(0.5))
    x = (t - whole) * np.float32(_LN2)  # at most 0.35: the series is exact enough after 7 terms
    series = np.float32(1 / 5040)
    series = series * x + np.float32(1 / 720)
    series = series * x + np.float32(1 / 120)
    series = series * x + np.float32(1 / 24)
    series = series * x + np.float32(1 / 6)
    series = series * x + np.float32(0.5)
    series = series * x + np.float32(1)
    exponent = np.int32(whole) + np.int32(127)
    return series * x, float_of_bits(exponent << 23)


@compiled
def _exp2(t):
    """2^t of a float32, in vector lanes; 0 below 2^-126, infinite from 2^128."""
    a, b = _exp2_parts(t)
    return (a + np.float32(1)) * b


@compiled
def _exp2_less_1(t):
    """2^t - 1 of a float32, in vector lanes, to its last digits near 0."""
    a, b = _exp2_parts(t)
    return a * b + (b - np.float32(1))


@compiled
def _log1p(u):
    """log(1 + u) of a float32 from -0.5 to 1, in vector lanes: 2 artanh(u / (2 + u))."""
    s = u / (np.float32(2) + u)  # at most 1/3: exact enough after 7 terms
    z = s * s
    series = np.float32(1 / 13)
    series = series * z + np.float32(1 / 11)
    series = series * z + np.float32(1 / 9)
    series = series * z + np.float32(1 / 7)
    series = series * z + np.float32(1 / 5)
    series = series * z + np.float32(1 / 3)
    series = series * z + np.float32(1)
    return np.float32(2) * s * series


@compiled
def _log2(v):
    """log2 of a normal float32 > 0, in vector lanes."""
    bits = bits_of_float(v)
    fraction = float_of_bits((bits & 0x7FFFFF) | 0x3F800000)
    upper = fraction > np.float32(1.41421356)
    m = fraction * np.float32(0.5) if upper else fraction  # from sqrt(1/2) to sqrt(2)
    exponent = np.float32(np.int32(bits >> 23) - np.int32(127)) + np.float32(upper)
    s = (m - np.float32(1)) / (m + np.float32(1))
    z = s * s
    series = np.float32(1 / 9)
    series = series * z + np.float32(1 / 7)
    series = series * z + np.float32(1 / 5)
    series = series * z + np.float32(1 / 3)
    series = series * z + np.float32(1)
    return exponent + np.float32(2 / _LN2) * s * series


def exponential(x):
    """In a kernel: e^x, for x <= 0."""
    raise NotImplementedError("only for kernels")


def expm1(x):
    """In a kernel: e^x - 1, for x <= 0."""
    raise NotImplementedError("only for kernels")


def log1p(x):
    """In a kernel: the natural logarithm of 1 + x, for x from -0.5 to 1."""
    raise NotImplementedError("only for kernels")


def logarithm(x):
    """In a kernel: the natural logarithm of a number > 0."""
    raise NotImplementedError("only for kernels")


def unevenness(t):
    """In a kernel: e^t (t - 1) + 1, which is 0 at 0, positive elsewhere, 1 at -inf."""
    raise NotImplementedError("only for kernels")


def raised(x, p):
    """In a kernel: x^p for x >= 0; 0 for x = 0."""
    raise NotImplementedError("only for kernels")


@overload(exponential)
def _exponential(x):
    if x == types.float32:
        return lambda x: x if x != x else _exp2(x * np.float32(1 / _LN2))
    return lambda x: np.exp(x)


@overload(expm1)
def _expm1(x):
    if x == types.float32:
        return lambda x: x if x != x else _exp2_less_1(x * np.float32(1 / _LN2))
    return lambda x: np.expm1(x)


@overload(log1p)
def _log1p_of(x):
    if x == types.float32:
        return lambda x: _log1p(x)
    return lambda x: np.log1p(x)


@overload(logarithm)
def _logarithm(x):
    if x == types.float32:
        return lambda x: _log2(x) * np.float32(_LN2)
    return lambda x: np.log(x)


@overload(unevenness)
def _unevenness(t):
    number = np.float32 if t == types.float32 else np.float64
    a, b, c, d, e, f, g, h, i = (number((k - 1) / math.factorial(k)) for k in range(2, 11))
    zero, one = number(0), number(1)
    small = number(0.25 if t == types.float32 else 0.1)  # nine terms are exact enough below it

    def of(t):
        series = a + t * (b + t * (c + t * (d + t * (e + t * (f + t * (g + t * (h + t * i)))))))
        power = exponential(t)
        far = one if power == zero else power * (t - one) + one
        return t * t * series if abs(t) < small else far

    return of


@overload(raised)
def _raised(x, p):
    if x == types.float32:

        def single(x, p):
            small, odd = x < np.float32(1.2e-38), not x < np.inf  # next to 0; infinite or NaN
            power = _exp2(p * _log2(np.float32(1) if small or odd else x))
            return x if odd else (x * 0 if small else power)

        return single
    return lambda x, p: x * 0 if x == 0 else x**p
