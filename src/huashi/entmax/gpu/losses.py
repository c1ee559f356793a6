"""The losses of entmax in Triton: no probabilities are stored, in neither direction.

Forward reads the ``b n`` bytes of a row once (see ``gpu/mappings.py``) and writes a loss, the
largest score and the threshold; backward reads them and writes the gradient, ``2 b n`` bytes, in
one pass, after another one only for label smoothing and for alpha > 2. The formula is that of
``cpu/losses.py``. A target that is no class makes its loss NaN: to raise would wait for the GPU.
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from huashi.entmax.gpu.mappings import MOST, kind_of, launch_of
from huashi.entmax.gpu.threshold import (
    INF,
    entries,
    factor,
    peak_of,
    probabilities,
    scores,
    threshold,
)


@triton.jit
def _expected(x, peak, a, edge, scale, KIND: tl.constexpr, WIDE: tl.constexpr):
    p = probabilities(x, peak, a, edge, scale, KIND, WIDE)
    return tl.sum(tl.where(p == 0.0, 0.0, p * (x - peak)), 0)


@triton.jit
def _free(x, peak, start, n, BLOCK: tl.constexpr):
    """Of what is not masked: how many, and the sum of z."""
    free = (x != -INF) & (start + tl.arange(0, BLOCK) < n)
    return tl.sum(tl.where(free, 1.0, 0.0), 0), tl.sum(tl.where(free, x - peak, 0.0), 0)


@triton.jit
def _mean(x, x_ptr, peak, n, BLOCK: tl.constexpr, LONG: tl.constexpr):
    """How many are not masked, and the mean of their z."""
    count, total = 0.0, 0.0
    for start in range(0, n if LONG else 1, BLOCK):
        part = _free(entries(x, x_ptr, start, n, BLOCK, LONG), peak, start, n, BLOCK)
        count += part[0]
        total += part[1]
    count = tl.maximum(count, 1.0)
    return count, total / count


@triton.jit
def _entropy(a, edge, KIND: tl.constexpr):
    """``(1 - s) / a``, of ``p ** a = a z + s``."""
    if KIND == "power":
        return tl.where(tl.abs(a) < 1e-8, edge, (1.0 - tl.exp(-a * edge)) / a)
    else:
        return (1.0 + edge) / a


@triton.jit
def _forward(
    x_ptr,
    target_ptr,
    loss_ptr,
    edges_ptr,
    a,
    n,
    ignore,
    smoothing,
    KIND: tl.constexpr,
    WIDE: tl.constexpr,
    SMOOTH: tl.constexpr,
    BLOCK: tl.constexpr,
    LONG: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    a = tl.full((), 0.0, tl.float64) + a
    x_ptr += row * n
    target = tl.load(target_ptr + row)
    if target == ignore:
        tl.store(loss_ptr + row, 0.0)
        tl.store(edges_ptr + 2 * row, 0.0)
        tl.store(edges_ptr + 2 * row + 1, 0.0)
    else:
        x = scores(x_ptr, 0, n, BLOCK)
        peak = peak_of(x, x_ptr, n, BLOCK, LONG)
        edge = threshold(x, x_ptr, peak, a, n, KIND, WIDE, BLOCK, LONG)
        scale = factor(x, x_ptr, peak, a, edge, n, KIND, WIDE, BLOCK, LONG)
        expected = 0.0
        for start in range(0, n if LONG else 1, BLOCK):
            part = entries(x, x_ptr, start, n, BLOCK, LONG)
            expected += _expected(part, peak, a, edge, scale, KIND, WIDE)
        known = (target >= 0) & (target < n)
        right = tl.load(x_ptr + target, mask=known, other=float("nan")).to(tl.float32) - peak
        loss = (a * expected + _entropy(a, edge, KIND)) / (a + 1.0) - right
        if SMOOTH:
            loss += smoothing * (right - _mean(x, x_ptr, peak, n, BLOCK, LONG)[1])
        tl.store(loss_ptr + row, loss)
        tl.store(edges_ptr + 2 * row, peak)
        tl.store(edges_ptr + 2 * row + 1, edge)


@triton.jit
def _backward(
    grad_ptr,
    x_ptr,
    target_ptr,
    edges_ptr,
    dx_ptr,
    a,
    n,
    ignore,
    smoothing,
    KIND: tl.constexpr,
    WIDE: tl.constexpr,
    SMOOTH: tl.constexpr,
    BLOCK: tl.constexpr,
    LONG: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    a = tl.full((), 0.0, tl.float64) + a
    x_ptr += row * n
    dx_ptr += row * n
    target = tl.load(target_ptr + row)
    grad = tl.load(grad_ptr + row).to(tl.float32)
    peak = tl.load(edges_ptr + 2 * row).to(tl.float32)
    edge = tl.load(edges_ptr + 2 * row + 1)
    edge = edge if KIND == "power" else edge.to(tl.float32)
    x = scores(x_ptr, 0, n, BLOCK)
    scale = grad * factor(x, x_ptr, peak, a, edge, n, KIND, WIDE, BLOCK, LONG)
    even = 0.0
    if SMOOTH:
        even = grad * smoothing / _mean(x, x_ptr, peak, n, BLOCK, LONG)[0]
    for start in range(0, n if LONG else 1, BLOCK):
        i = start + tl.arange(0, BLOCK)
        part = entries(x, x_ptr, start, n, BLOCK, LONG)
        dx = probabilities(part, peak, a, edge, scale, KIND, WIDE) - even
        dx -= tl.where(i == target, grad * (1.0 - smoothing), 0.0)
        dx = tl.where((target == ignore) | (part == -INF), 0.0, dx)
        tl.store(dx_ptr + i, dx, mask=i < n)


def _settings(n: int, alpha: float, smoothing: float) -> dict:
    kind = kind_of(alpha)
    launch = launch_of(n, MOST[kind])._asdict()
    return {"KIND": kind, "WIDE": alpha > 2.0, "SMOOTH": smoothing != 0.0, **launch}


def forward(
    x: Tensor, target: Tensor, alpha: float, ignore: int, smoothing: float
) -> tuple[Tensor, Tensor]:
    """(rows, n), (rows,) -> (rows,), and (rows, 2) for :func:`backward`."""
    (rows, n), x = x.shape, x.contiguous()
    loss = x.new_empty(rows, dtype=torch.float32)
    edges = x.new_empty((rows, 2), dtype=torch.float64)
    given = x, target.contiguous(), loss, edges, alpha - 1.0, n, ignore, smoothing
    _forward[(rows,)](*given, **_settings(n, alpha, smoothing))
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
    (rows, n), x = x.shape, x.contiguous()
    dx = torch.empty_like(x)
    given = grad.contiguous(), x, target.contiguous(), edges, dx
    numbers = alpha - 1.0, n, ignore, smoothing
    _backward[(rows,)](*given, *numbers, **_settings(n, alpha, smoothing))
    return dx
