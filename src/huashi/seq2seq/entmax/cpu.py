"""1.5-entmax in Numba: rows in parallel, no sorting, the threshold exact to rounding.

A row of n float32 is read once from memory and written once, 8n bytes; the forward pass sweeps
over it three times, the second and third time in the cache. The maximum and the result run in
vector lanes; gathering the entries near the maximum goes one by one and is the limit. The threshold
takes 1 to 10 loops over what was gathered, in float64. The backward pass reads 8n bytes, twice, and
writes 4n. On rows of 32,000 the kernel moves about a third of what a copy does, and the fresh
memory of a large output costs more than the kernel (benchmarks/entmax_limits.py, docs/kernels.md).
"""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from torch import Tensor

from huashi._memory import in_huge_pages
from huashi._numba import compiled, larger, part_of, smaller, threaded


@compiled
def _peak(x):
    peak = x[0]
    for i in range(x.size):
        peak = larger(peak, x[i])
    return peak if peak != -np.inf else x.dtype.type(0)  # masked throughout: all are below


@compiled
def _reach(x, peak, found):
    """Copy what can be in the support, and NaN, to the front of ``found``; return how many."""
    k = 0
    for i in range(x.size):
        found[k] = x[i]  # without a branch: which entries are near the peak is not predictable
        k += not x[i] - peak <= -2.0  # not against peak - 2, which at 1e9 is peak again
    return k


@compiled
def _threshold(x, peak):
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


@threaded
def _forward(part, parts, x, y):
    half, zero = x.dtype.type(0.5), x.dtype.type(0.0)
    for row in part_of(x.shape[0], part, parts):
        peak = _peak(x[row])
        k = _reach(x[row], peak, y[row])  # y is free until it is written
        tau = x.dtype.type(_threshold(y[row][:k], peak))
        for i in range(x.shape[1]):
            d = (x[row, i] - peak) * half - tau
            y[row, i] = zero if d <= zero else d * d


@threaded
def _backward(part, parts, grad, y, dx):
    zero = y.dtype.type(0.0)
    for row in part_of(y.shape[0], part, parts):
        total, weighted = 0.0, 0.0
        for i in range(y.shape[1]):
            s = np.sqrt(y[row, i])
            total += s
            weighted += zero if s == zero else s * grad[row, i]
        mean = y.dtype.type(weighted / total)
        for i in range(y.shape[1]):
            s = np.sqrt(y[row, i])
            dx[row, i] = zero if s == zero else s * (grad[row, i] - mean)


def _rows(x: Tensor) -> Tensor:
    """(..., n) -> (rows, n), contiguous, in a dtype that Numba knows."""
    wide = torch.promote_types(x.dtype, torch.float32)
    return x.detach().to(wide).reshape(-1, x.shape[-1]).contiguous()


def forward(x: Tensor) -> Tensor:
    """(..., n) -> (..., n), along the last dimension."""
    rows = _rows(x)
    y = in_huge_pages(torch.empty_like(rows))
    _forward(rows.numpy(), y.numpy())
    return y.view(x.shape).to(x.dtype)


def backward(grad: Tensor, y: Tensor) -> Tensor:
    """(..., n), (..., n) -> (..., n), with ``y`` the result of :func:`forward`."""
    rows = _rows(y)
    dx = in_huge_pages(torch.empty_like(rows))
    _backward(_rows(grad).numpy(), rows.numpy(), dx.numpy())
    return dx.view(y.shape).to(y.dtype)
