"""The losses of entmax in Numba: no probabilities are stored, in neither direction.

The forward pass reads a row of n scores and keeps two numbers, the largest score and the
threshold; the backward pass reads the scores again and writes the gradient, 8n bytes. With
``a = alpha - 1``, z the scores less the largest, and ``p ** a = a z + s`` on the support,
the loss needs one sum over it: ``(a sum(p z) + (1 - s) / a) / alpha - z_y``.
"""

# ruff: noqa: ANN001, ANN202  (Numba infers the types of a kernel)

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.memory import empty_like
from huashi._kernel.numba import compiled, part_of, threaded
from huashi.entmax.cpu.mappings import rows_of, write
from huashi.entmax.cpu.threshold import gather_near, peak_of, threshold


@compiled
def _expected(found, peak, p):
    total = 0.0
    for i in range(found.size):
        total += p[i] * (np.float64(found[i]) - peak) if p[i] != 0 else 0.0
    return total


@compiled
def _mean(x, peak):
    """Of z, over what is not masked."""
    total, free = 0.0, 0
    for i in range(x.size):
        masked = x[i] == -np.inf
        total += 0.0 if masked else x[i] - peak
        free += not masked
    return total / max(free, 1), free


@threaded
def _forward(part, parts, x, target, alpha, ignore, smoothing, loss, edges):
    found, p = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    one, a = x.dtype.type(1), alpha - 1.0
    for row in part_of(x.shape[0], part, parts):
        if target[row] == ignore:
            loss[row] = 0
            edges[row, :] = 0
            continue
        peak = peak_of(x[row])
        k = gather_near(x[row], peak, a, found)
        edge = threshold(found[:k], peak, a)
        write(found[:k], peak, a, edge, one, p[:k])
        if a == 0.5 or a == 1.0:
            entropy = (1.0 + edge) / a
        else:
            entropy = edge if a == 0.0 else -np.expm1(-a * edge) / a
        at_target = x[row, target[row]] - peak
        expected = _expected(found[:k], peak, p[:k])
        smoothed = smoothing * (at_target - _mean(x[row], peak)[0]) if smoothing else 0.0
        loss[row] = (a * expected + entropy) / alpha - at_target + smoothed
        edges[row, 0], edges[row, 1] = peak, edge


@threaded
def _backward(part, parts, x, grad, target, edges, alpha, ignore, smoothing, dx):
    zero = x.dtype.type(0)
    for row in part_of(x.shape[0], part, parts):
        if target[row] == ignore:
            dx[row, :] = zero
            continue
        peak, scale, right = x.dtype.type(edges[row, 0]), grad[row], target[row]
        write(x[row], peak, alpha - 1.0, edges[row, 1], scale, dx[row])
        if x[row, right] != -np.inf:
            dx[row, right] -= scale * x.dtype.type(1.0 - smoothing)
        if smoothing:
            even = scale * x.dtype.type(smoothing / max(_mean(x[row], peak)[1], 1))
            for i in range(x.shape[1]):
                dx[row, i] = zero if x[row, i] == -np.inf else dx[row, i] - even


def _check(target: Tensor, classes: int, ignore: int) -> np.ndarray:
    labels = target.numpy()
    wrong = labels[((labels < 0) | (labels >= classes)) & (labels != ignore)]
    if wrong.size:
        raise IndexError(f"target must be from 0 to {classes - 1} or {ignore}, got {wrong[0]}")
    return labels


def forward(
    x: Tensor, target: Tensor, alpha: float, ignore: int, smoothing: float
) -> tuple[Tensor, Tensor]:
    """(rows, n), (rows,) -> (rows,), and (rows, 2) for :func:`backward`."""
    rows, labels = rows_of(x), _check(target.contiguous(), x.shape[1], ignore)
    loss = rows.new_empty(rows.shape[0])
    edges = loss.new_empty((rows.shape[0], 2), dtype=torch.float64)
    _forward(rows.numpy(), labels, alpha, ignore, smoothing, loss.numpy(), edges.numpy())
    return loss, edges


def backward(
    grad: Tensor,
    x: Tensor,
    target: Tensor,
    edges: Tensor,
    alpha: float,
    ignore: int,
    smoothing: float,
) -> Tensor:
    """(rows,), (rows, n), (rows,), (rows, 2) -> (rows, n)."""
    rows = rows_of(x)
    dx = empty_like(rows)
    given = grad.contiguous().numpy(), target.contiguous().numpy(), edges.numpy()
    _backward(rows.numpy(), *given, alpha, ignore, smoothing, dx.numpy())
    return dx.to(x.dtype)
