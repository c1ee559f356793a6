"""Exponentials, logarithms and powers of kernels against NumPy's in float64."""

import numpy as np
import pytest

from huashi._kernel.mathematics import (
    expm1,
    exponential,
    log1p,
    logarithm,
    raised,
    unevenness,
)
from huashi._kernel.numba import compiled


@compiled
def each(x, out, which):
    for i in range(x.size):
        if which == 0:
            out[i] = exponential(x[i])
        elif which == 1:
            out[i] = expm1(x[i])
        elif which == 2:
            out[i] = log1p(x[i])
        elif which == 3:
            out[i] = logarithm(x[i])
        elif which == 4:
            out[i] = raised(x[i], x.dtype.type(2.7))
        else:
            out[i] = unevenness(x[i])


def by_its_integral(t):
    """e^t (t - 1) + 1 is the integral of s e^s from 0 to t, here in Gauss's points."""
    points, weights = np.polynomial.legendre.leggauss(40)
    s = t[:, None] / 2 * (points + 1)
    return (s * np.exp(s) * weights).sum(1) * t / 2


FUNCTIONS = {  # number, what NumPy calls it, where it is defined
    "exponential": (0, np.exp, -np.logspace(-7, 1.9, 400)),
    "expm1": (1, np.expm1, -np.logspace(-30, 3, 400)),
    "log1p": (
        2,
        np.log1p,
        np.concatenate([-np.logspace(-30, -0.31, 200), np.logspace(-30, 0, 200)]),
    ),
    "logarithm": (3, np.log, np.logspace(-37, 37, 400)),
    "unevenness": (
        5,
        by_its_integral,
        np.concatenate([-np.logspace(-15, 1, 200), np.logspace(-15, 1, 200)]),
    ),
    "raised": (4, lambda x: x**2.7, np.logspace(-13, 13, 400)),
}


@pytest.mark.filterwarnings("ignore:.*Cannot cache compiled function")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_to_its_last_digits(name, dtype):
    number, theirs, where = FUNCTIONS[name]
    x = where.astype(dtype)
    out = np.empty_like(x)
    each(x, out, number)
    far = {"exponential": 60, "raised": 200, "unevenness": 500}.get(
        name, 8
    )  # the error of an exponent is multiplied
    np.testing.assert_allclose(out, theirs(x.astype(np.float64)), rtol=far * np.finfo(dtype).eps)


@pytest.mark.filterwarnings("ignore:.*Cannot cache compiled function")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends(dtype):
    def of(number, value):
        out = np.empty(1, dtype)
        each(np.array([value], dtype), out, number)
        return out[0]

    assert (of(0, -np.inf), of(1, -np.inf), of(4, 0.0), of(1, 0.0)) == (0, -1, 0, 0)
    assert (of(5, -np.inf), of(5, 0.0)) == (1, 0)
    assert all(np.isnan(of(number, np.nan)) for number in (0, 1, 2, 4, 5))
