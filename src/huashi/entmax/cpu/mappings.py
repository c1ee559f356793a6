"""Entmax in Numba: rows in parallel, no sorting, the threshold exact to rounding.

A row of n float32 is read once from memory and written once, 8n bytes; the forward pass sweeps
over it three times, the second and third time in the cache. The maximum and the result run in
vector lanes; gathering the entries near the maximum goes one by one and is the limit. The threshold
takes 1 to 10 loops over what was gathered. The backward pass reads 8n bytes, twice, and writes 4n.
On rows of 32,000 the kernel of 1.5-entmax moves about a third of what a copy does, and the fresh
memory of a large output costs more than the kernel (benchmarks/entmax_limits.py, docs/kernels.md).
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.mathematics import exponential, logarithm
from huashi._kernel.memory import empty_like
from huashi._kernel.numba import compiled, part_of, threaded
from huashi._kernel.select import larger, minimum, smaller
from huashi.entmax.cpu.threshold import gather_near, log_power, peak_of, threshold

CHUNK = 64  # entries that are skipped together where all of them are 0


@compiled
def write(x, peak, a, edge, scale, y):
    """Write probabilities times ``scale``, given the threshold ``edge`` of the row."""
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
            d = (
                minimum(x[i] - peak, zero) - tau
            )  # never reordered to x - (peak + tau), which rounds
            y[i] = zero if d <= zero else d * scale
    elif a > 1.0:
        _write_powers(x, np.float64(peak), a, edge, scale, y)
        _normalise(y, scale)
    else:
        _write_powers(x, peak, x.dtype.type(a), x.dtype.type(edge), scale, y)


@compiled
def _normalise(y, scale):
    """Make a row sum to ``scale``: for large alpha no threshold of finite precision does."""
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
        k = gather_near(x[row], peak, a, y[row])  # y is free until it is written
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

    With ``v = -a log(y)``, the mean is weighted by ``y exp(v)``, whose share in the sum is 0. For
    a > 0.5 it is left out: it grows so large that the rest of the sum would be lost in rounding.
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


def forward(x: Tensor, alpha: Tensor | float) -> Tensor:
    """(..., n) -> (..., n), along the last dimension; ``alpha`` for all rows or (rows,)."""
    rows = rows_of(x)
    y = empty_like(rows)
    _forward(rows.numpy(), _numbers(alpha), y.numpy())
    return y.view(x.shape).to(x.dtype)


def backward(grad: Tensor, y: Tensor, alpha: float) -> Tensor:
    """The gradient in x: (..., n), (..., n) -> (..., n), with ``y`` what :func:`forward` gave."""
    return _gradients(grad, y, alpha, rows_with_alpha=0)[0]


def backward_by_row(grad: Tensor, y: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients in x and alpha: (..., n), (..., n), (rows,) -> (..., n), (rows,) float64."""
    return _gradients(grad, y, alpha, rows_with_alpha=len(alpha))


def _gradients(
    grad: Tensor, y: Tensor, alpha: Tensor | float, *, rows_with_alpha: int
) -> tuple[Tensor, Tensor]:
    rows = rows_of(y)
    dx = empty_like(rows)
    dalpha = rows.new_empty(rows_with_alpha, dtype=torch.float64)
    numbers = _numbers(alpha)
    _backward(rows_of(grad).numpy(), rows.numpy(), numbers, dx.numpy(), dalpha.numpy())
    return dx.view(y.shape).to(y.dtype), dalpha


def _numbers(alpha: Tensor | float) -> np.ndarray:
    if isinstance(alpha, Tensor):
        return alpha.detach().to(torch.float64).contiguous().numpy()
    return np.array([alpha], np.float64)
