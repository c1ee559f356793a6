"""Entmax in Triton: one program per row of any length, the threshold without sorting.

A row of up to 32,768 entries of b bytes is read once, 1 to 32 to a thread, and written once: ``2 b
n`` bytes. A longer one is read again by each of the 2 to 10 steps to its threshold, and once more.
Backward moves ``3 b n`` bytes, up to 16,384 entries read once, longer rows twice; for alpha other
than 1.5 and 2 an entry costs a logarithm and an exponential, for the gradient in alpha two of each.
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN201, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from huashi.seq2seq.entmax.gpu_threshold import factor, peak_of, probabilities, scores, threshold

MOST = 32768  # entries in registers: 32 for each of 1,024 threads, which have 64 registers
MOST_BACKWARD = 16384  # of two tensors
KINDS = {1.5: "quadratic", 2.0: "linear"}


@triton.jit
def less_one(alpha_ptr, a, row):
    """Alpha - 1 of a row, in float64: rounded later, or an alpha near 1 is lost."""
    if alpha_ptr is None:
        return tl.full((), 0.0, tl.float64) + a
    else:
        return tl.load(alpha_ptr + row).to(tl.float64) - 1.0


@triton.jit
def _forward(
    x_ptr,
    alpha_ptr,
    y_ptr,
    a,
    n,
    KIND: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
    LONG: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    a = less_one(alpha_ptr, a, row)
    x_ptr += row * n
    y_ptr += row * n
    x = scores(x_ptr, 0, n, BLOCK)
    peak = peak_of(x, x_ptr, n, BLOCK, LONG)
    edge = threshold(x, x_ptr, peak, a, n, KIND, WIDE, BLOCK, LONG)
    scale = factor(x, x_ptr, peak, a, edge, n, KIND, WIDE, BLOCK, LONG)
    i = tl.arange(0, BLOCK)
    tl.store(y_ptr + i, probabilities(x, peak, a, edge, scale, KIND, WIDE), mask=i < n)
    if LONG:
        for start in range(BLOCK, n, BLOCK):
            i = start + tl.arange(0, BLOCK)
            x = scores(x_ptr, start, n, BLOCK)
            tl.store(y_ptr + i, probabilities(x, peak, a, edge, scale, KIND, WIDE), mask=i < n)


@triton.jit
def _pair(grad_ptr, y_ptr, start, n, BLOCK: tl.constexpr):
    i = start + tl.arange(0, BLOCK)
    y = tl.load(y_ptr + i, mask=i < n, other=0.0).to(tl.float32)
    g = tl.load(grad_ptr + i, mask=i < n, other=0.0).to(tl.float32)
    return y, tl.where(y == 0.0, 0.0, g)  # whatever grad is outside the support


@triton.jit
def _slopes(y, a, KIND: tl.constexpr):
    """``y ** (1 - a)`` on the support, bounded so that its sum is finite; NaN stays."""
    if KIND == "quadratic":
        return tl.sqrt(y)
    elif KIND == "linear":
        return tl.where(y == 0.0, y, tl.where(y == y, 1.0, y))
    else:
        log = tl.log(tl.where(y > 0.0, y, 1.0))
        power = tl.exp(tl.minimum((1.0 - a.to(tl.float32)) * log, 44.0))
        return tl.where(y > 0.0, power, y)


@triton.jit
def _weighted(y, g, a, KIND: tl.constexpr):
    s = _slopes(y, a, KIND)
    return tl.sum(s, 0), tl.sum(s * g, 0)


@triton.jit
def _slope_in_alpha(y, g, mean, a):
    """Less the gradient in alpha, of these entries; see ``cpu.py`` for the two forms."""
    a = a.to(tl.float32)
    log = tl.log(tl.where(y > 0.0, y, 1.0))
    if a > 0.5:
        q = y * (a * log - 1.0) / (a * a)
    else:
        v = -a * log  # exp(v) is at most 1 / sqrt(y)
        near = 1 / 5040 + v * (1 / 40320 + v * (1 / 362880 + v * (1 / 3628800)))
        near = 1 / 24 + v * (1 / 120 + v * (1 / 720 + v * near))
        near = 0.5 + v * (1 / 6 + v * near)
        far = (tl.exp(v) - 1.0 - v) / (v * v)
        q = y * log * log * tl.where(tl.abs(v) < 1.0, near, far)
    return tl.sum(tl.where(y == 0.0, 0.0, q * (g - mean)), 0)


@triton.jit
def _backward(
    grad_ptr,
    y_ptr,
    alpha_ptr,
    dx_ptr,
    dalpha_ptr,
    a,
    n,
    KIND: tl.constexpr,
    BLOCK: tl.constexpr,
    LONG: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    a = less_one(alpha_ptr, a, row)
    grad_ptr += row * n
    y_ptr += row * n
    dx_ptr += row * n
    y, g = _pair(grad_ptr, y_ptr, 0, n, BLOCK)
    total, weighted = _weighted(y, g, a, KIND)
    if LONG:
        for start in range(BLOCK, n, BLOCK):
            more_y, more_g = _pair(grad_ptr, y_ptr, start, n, BLOCK)
            more = _weighted(more_y, more_g, a, KIND)
            total += more[0]
            weighted += more[1]
    mean = weighted / total  # 0 / 0 where all is masked: then it is not looked at
    slope = 0.0
    for start in range(0, n if LONG else 1, BLOCK):
        i = start + tl.arange(0, BLOCK)
        if LONG:
            y, g = _pair(grad_ptr, y_ptr, start, n, BLOCK)
        s = _slopes(y, a, KIND)
        tl.store(dx_ptr + i, tl.where(s == 0.0, 0.0, s * (g - mean)), mask=i < n)
        if dalpha_ptr is not None:
            slope += _slope_in_alpha(y, g, mean, a)
    if dalpha_ptr is not None:
        tl.store(dalpha_ptr + row, -slope)


class Launch(NamedTuple):
    """How a kernel runs on rows of one length."""

    BLOCK: int
    LONG: bool
    num_warps: int


def launch_of(n: int, most: int) -> Launch:
    """For rows of n entries, of which at most ``most`` are to be held in registers."""
    block = min(most, triton.next_power_of_2(n))
    return Launch(block, n > block, min(32, max(1, block // 256)))


def kind_of(alpha: Tensor | float) -> str:
    return "power" if isinstance(alpha, Tensor) else KINDS.get(alpha, "power")


def number_of(alpha: Tensor | float) -> float:
    """Alpha - 1 where it is one for all rows; rounded to float32 by the launch."""
    return 0.0 if isinstance(alpha, Tensor) else alpha - 1.0


def forward(x: Tensor, alpha: Tensor | float) -> Tensor:
    """(..., n) -> (..., n), along the last dimension; ``alpha`` for all rows or (rows,)."""
    x, n = x.contiguous(), x.shape[-1]
    y = torch.empty_like(x)
    by_row = alpha.contiguous() if isinstance(alpha, Tensor) else None
    kind, wide = kind_of(alpha), isinstance(alpha, Tensor) or alpha > 2.0
    launch = launch_of(n, MOST)._asdict()
    grid = (x.numel() // n,)
    _forward[grid](x, by_row, y, number_of(alpha), n, KIND=kind, WIDE=wide, **launch)
    return y


def backward(grad: Tensor, y: Tensor, alpha: Tensor | float) -> tuple[Tensor, Tensor]:
    """(..., n), (..., n) -> (..., n), with ``y`` the result of :func:`forward`; and (rows,)."""
    grad, y, n = grad.contiguous(), y.contiguous(), y.shape[-1]
    dx, rows = torch.empty_like(y), y.numel() // n
    by_row = alpha.contiguous() if isinstance(alpha, Tensor) else None
    dalpha = None if by_row is None else y.new_empty(rows, dtype=torch.float64)
    launch = launch_of(n, MOST_BACKWARD)._asdict()
    given = grad, y, by_row, dx, dalpha, number_of(alpha), n
    _backward[(rows,)](*given, KIND=kind_of(alpha), **launch)
    return dx, y.new_empty(0, dtype=torch.float64) if dalpha is None else dalpha
