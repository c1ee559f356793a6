"""Norms, means and softmaxes in Numba: of elements that lie side by side, in vector lanes.

The elements of many windows, or of many rows, are K lanes of a scratch; they are folded twice, for
the largest and for the sums. An exponential or a power takes about 20 operations.
"""

# ruff: noqa: ANN001, ANN201  (Numba infers the types of a kernel)

from typing import Any, NamedTuple

import numpy as np

from huashi._kernel.mathematics import (
    expm1,
    exponential,
    log1p,
    logarithm,
    raised,
    unevenness,
)
from huashi._kernel.numba import compiled, inlined
from huashi.pooling.masks import NONE

KINDS = "lp", "lp_mean", "power", "soft", "log_sum_exp", "stochastic"
LP, LP_MEAN, POWER, SOFT, LOG_SUM_EXP, STOCHASTIC = range(len(KINDS))
SMALL = 0.1  # below this a power of p is so near 1 that its mean has few digits for the root
ABSENT = {POWER: NONE, SOFT: -np.inf, LOG_SUM_EXP: -np.inf}  # of the others 0


class Formula(NamedTuple):
    """What is computed of each window; numbers are of the dtype that is computed in."""

    kind: int
    """One of KINDS, by its place in them."""
    param: Any
    """The exponent of a norm or power, the factor r of ``log_sum_exp``; finite or NaN."""
    eps: Any
    """The floor of POWER."""
    absent: Any
    """What stands for an element outside the input."""


class Sums(NamedTuple):
    """What the elements of each window add up to, in lines as long as a row of windows."""

    scale: Any
    """The largest element; where that is infinite, a number to divide by, or subtract, instead."""
    first: Any
    second: Any


def formula_of(kind: str, param: float, eps: float, number: Any) -> Formula:
    """The formula for a kernel that computes in the dtype ``number``."""
    place = KINDS.index(kind)
    param = min(param, float(np.finfo(number).max) / 8)  # the limit, as far as numbers can tell
    return Formula(place, number(param), number(eps), number(ABSENT.get(place, 0.0)))


@inlined
def _log_share(share: Any, element: Any, scale: Any) -> Any:
    """The logarithm of a share of the largest, also where the share itself is no normal number."""
    return logarithm(share) if share > 1e-30 else logarithm(element) - logarithm(scale)


@compiled
def change(buffer, out, formula):
    """What the formula starts from: magnitudes, or what is left above a floor."""
    kind, eps = formula.kind, formula.eps
    zero = eps * 0
    for j in range(buffer.shape[0]):
        lane, target = buffer[j], out[j]
        if kind in (LP, LP_MEAN):
            for i in range(lane.size):
                target[i] = abs(lane[i])
        elif kind == POWER:
            for i in range(lane.size):
                floored = eps if lane[i] < eps else lane[i]
                target[i] = zero if lane[i] == NONE else floored
        elif kind == STOCHASTIC:
            for i in range(lane.size):
                target[i] = zero if lane[i] < zero else lane[i]
        else:
            for i in range(lane.size):
                target[i] = lane[i]


@compiled
def add_up(buffer, sums, formula):
    """The largest element of each window, and the two sums that its formula needs.

    Of exponents all is relative to the largest: SOFT sums up how far the others are from it.
    """
    (scale, first, second), kind, param = sums, formula.kind, formula.param
    scale[:] = buffer[0]
    first[:] = 0
    second[:] = 0
    for j in range(1, buffer.shape[0]):
        lane = buffer[j]
        for i in range(lane.size):
            scale[i] = scale[i] if (scale[i] >= lane[i]) | (scale[i] != scale[i]) else lane[i]
    exponents = kind in (SOFT, LOG_SUM_EXP)
    least, one = scale.dtype.type(-1e38), scale.dtype.type(1)
    for i in range(scale.size):  # nothing can be divided by an infinite one, or subtracted from it
        peak = scale[i]
        scale[i] = peak if abs(peak) < np.inf or peak != peak else (least if exponents else one)
    for j in range(buffer.shape[0]):
        lane = buffer[j]
        if kind == SOFT:
            for i in range(lane.size):
                weight = exponential(lane[i] - scale[i])
                first[i] += weight
                second[i] += weight * (lane[i] - scale[i]) if weight != 0 else weight
        elif kind == LOG_SUM_EXP:
            for i in range(lane.size):
                weight = exponential(param * (lane[i] - scale[i]))
                less = expm1(param * (lane[i] - scale[i]))
                first[i] += weight
                second[i] += less if lane[i] != -np.inf else weight
        elif kind == STOCHASTIC:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                first[i] += share
                second[i] += share * share
        elif param == 3:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                first[i] += share * share * share
        elif param < SMALL:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                known = (lane[i] > 0) & (share < np.inf)  # of infinity the logarithm here is 88
                exponent = param * _log_share(share, lane[i], scale[i])
                first[i] += exponential(exponent) if known else share
                second[i] += expm1(exponent) if known else share
        else:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                first[i] += raised(share, param)
    if param != param:  # which the exponentials, in vector lanes, do not respect
        first[:] = param


@compiled
def results(sums, counts, formula, out):
    """The pooled values, 0 for a window without an element; ``counts`` is how many each has.

    A mean of powers or exponentials that is near 1 has few digits for its root or logarithm, which
    are taken of what it is less than 1 instead, where ``sums`` tell that.
    """
    (scale, first, second), kind, param = sums, formula.kind, formula.param
    one = out.dtype.type(1)
    for i in range(out.size):
        n = counts[i]
        if n == 0 or (scale[i] == 0 and kind != SOFT and kind != LOG_SUM_EXP):
            out[i] = 0
        elif kind == SOFT:
            out[i] = scale[i] + second[i] / first[i]
        elif kind == LOG_SUM_EXP:
            mean = first[i] / n
            near = mean > 0.5 and first[i] - second[i] > n - 0.5  # which -inf is no part of
            log = log1p(second[i] / n) if near else logarithm(mean)
            out[i] = -np.inf if mean == 0 else (mean if mean == np.inf else scale[i] + log / param)
        elif kind == STOCHASTIC:
            out[i] = scale[i] * (second[i] / first[i])
        else:
            mean = first[i] if kind == LP else first[i] / n
            near = kind != LP and mean > 0.5 and first[i] - second[i] > n - 0.5
            if param < SMALL and near:
                out[i] = scale[i] * exponential(log1p(second[i] / n) / param)
            else:
                out[i] = scale[i] * raised(mean, one / param)


@compiled
def slopes(buffer, sums, counts, formula, out):
    """The derivatives in the parameter; ``out`` holds the pooled values first.

    With shares q of the sum of powers or exponentials it is ``sum q log(n q) / param^2``, which a
    mean of ``unevenness(log(n q))`` gives without cancellation; an element without a share adds 1.
    """
    (scale, first, second), kind, param = sums, formula.kind, formula.param
    zero = out.dtype.type(0)
    for i in range(out.size):
        n = counts[i]
        mean = first[i] / n if n > zero else n
        near = mean > 0.5 and first[i] - second[i] > n - 0.5
        if near and (kind == LOG_SUM_EXP or param < SMALL):
            log = log1p(second[i] / n)
        else:
            log = logarithm(mean) if mean < np.inf else mean
        first[i] = log if mean != 0 else mean
        second[i] = n
    none = -np.inf if kind == LOG_SUM_EXP else 0.0  # of an element without a share
    for j in range(buffer.shape[0]):
        lane = buffer[j]
        for i in range(lane.size):
            second[i] -= lane[i] != none
    for j in range(buffer.shape[0]):
        lane = buffer[j]
        if kind == LOG_SUM_EXP:
            for i in range(lane.size):
                part = unevenness(param * (lane[i] - scale[i]) - first[i])
                second[i] += part if lane[i] != -np.inf else zero
        else:
            for i in range(lane.size):
                share = lane[i] / scale[i] if scale[i] != 0 else lane[i]
                part = unevenness(param * _log_share(share, lane[i], scale[i]) - first[i])
                second[i] += part if lane[i] != 0 else zero
    for i in range(out.size):
        slope = second[i] / counts[i] / param / param
        slope = slope if kind == LOG_SUM_EXP else slope * out[i]
        out[i] = slope if counts[i] > 0 else zero


@compiled
def gradients(raw, sums, y, g, n, formula):
    """Turn the elements of a row of windows, (K, lanes), into their gradients.

    Of each window: ``y`` the result, ``g`` its gradient, ``n`` how many elements it has.
    """
    (scale, first, second), kind, param, eps = sums, formula.kind, formula.param, formula.eps
    zero = eps * 0
    one = zero + np.float32(1)
    for i in range(first.size):  # what the elements of a window have in common
        if kind == SOFT:
            second[i] = one - second[i] / first[i]
        elif kind in (LP, LP_MEAN, POWER):
            second[i] = y[i] / scale[i] / first[i] if y[i] != zero else zero
    for j in range(raw.shape[0]):
        lane = raw[j]
        for i in range(lane.size):
            x, share = lane[i], zero
            if kind == SOFT:
                weight = exponential(x - scale[i])
                share = weight / first[i] * ((x - scale[i]) + second[i])
                share = zero if x == -np.inf or weight == zero else share
            elif kind == LOG_SUM_EXP:
                share = exponential(param * (x - scale[i])) / first[i]
                share = zero if x == -np.inf else share
            elif kind == STOCHASTIC:
                total = first[i] * scale[i]
                share = (2 * x - y[i]) / total if x > zero and total > zero else zero
            elif not y[i] <= zero:
                size = abs(x) if kind != POWER else x
                share = raised(size / scale[i], param - one) * second[i]
                if kind == POWER:
                    share = share if x >= eps else zero
                else:
                    share = -share if x < zero else (share if x > zero else zero)
            lane[i] = g[i] * share if n[i] > zero else zero
