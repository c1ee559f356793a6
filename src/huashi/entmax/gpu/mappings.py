"""Entmax in Triton: one program per row of any length, the threshold without sorting.

A row of n entries of b bytes is read once and written once, ``2 b n`` bytes, if it fits registers:
up to 32,768 entries for alpha 1.5 and 2 (where some spill into the L1 cache), 8,192 for others,
whose arithmetic is the limit. A longer row is read again by each of the 2 to 10 steps to its
threshold; 32 warps to a program keep so few rows under way that the L2 cache holds them. Backward
moves ``3 b n`` bytes, of more than 8,192 entries a second time; for alpha other than 1.5 and 2 an
entry costs a logarithm and an exponential, for the gradient in alpha two of each.
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN201, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from huashi.entmax.gpu.threshold import (
    entries,
    factor,
    peak_of,
    probabilities,
    scores,
    threshold,
)

MOST = {"quadratic": 32768, "linear": 32768, "power": 8192}  # entries in registers
MOST_BACKWARD = 8192  # of two tensors
TILE = 4096  # of a row that does not fit
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
    for start in range(0, n if LONG else 1, BLOCK):
        i = start + tl.arange(0, BLOCK)
        part = entries(x, x_ptr, start, n, BLOCK, LONG)
        tl.store(y_ptr + i, probabilities(part, peak, a, edge, scale, KIND, WIDE), mask=i < n)


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
def _slope_in_alpha(y, g, mean, a):
    """Less the gradient in alpha, of these entries; see ``cpu/mappings.py`` for the two forms."""
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
    held = _pair(grad_ptr, y_ptr, 0, n, BLOCK)
    total, weighted = 0.0, 0.0
    for start in range(0, n if LONG else 1, BLOCK):
        y, g = _pair(grad_ptr, y_ptr, start, n, BLOCK) if LONG else held
        s = _slopes(y, a, KIND)
        total += tl.sum(s, 0)
        weighted += tl.sum(s * g, 0)
    mean = weighted / total  # 0 / 0 where all is masked: then it is not looked at
    slope = 0.0
    for start in range(0, n if LONG else 1, BLOCK):
        i = start + tl.arange(0, BLOCK)
        y, g = _pair(grad_ptr, y_ptr, start, n, BLOCK) if LONG else held
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
    block = triton.next_power_of_2(n)
    if block > most:
        return Launch(TILE, LONG=True, num_warps=32)
    return Launch(block, LONG=False, num_warps=min(32, max(1, block // 256)))


def kind_of(alpha: Tensor | float) -> str:
    """Of what is solved for, see ``gpu/threshold.py``."""
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
    launch = launch_of(n, MOST[kind])._asdict()
    grid = (x.numel() // n,)
    _forward[grid](x, by_row, y, number_of(alpha), n, KIND=kind, WIDE=wide, **launch)
    return y


def backward(grad: Tensor, y: Tensor, alpha: float) -> Tensor:
    """The gradient in x: (..., n), (..., n) -> (..., n), with ``y`` what :func:`forward` gave."""
    return _gradients(grad, y, alpha, dalpha=None)


def backward_by_row(grad: Tensor, y: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients in x and alpha: (..., n), (..., n), (rows,) -> (..., n), (rows,) float64."""
    dalpha = y.new_empty(len(alpha), dtype=torch.float64)
    return _gradients(grad, y, alpha, dalpha), dalpha


def _gradients(grad: Tensor, y: Tensor, alpha: Tensor | float, dalpha: Tensor | None) -> Tensor:
    """The gradient in x; the one in alpha is written to ``dalpha``, if given."""
    grad, y, n = grad.contiguous(), y.contiguous(), y.shape[-1]
    dx = torch.empty_like(y)
    by_row = alpha.contiguous() if isinstance(alpha, Tensor) else None
    launch = launch_of(n, MOST_BACKWARD)._asdict()
    given = grad, y, by_row, dx, dalpha, number_of(alpha), n
    _backward[(y.numel() // n,)](*given, KIND=kind_of(alpha), **launch)
    return dx
