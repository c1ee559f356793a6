"""1.5-entmax in Triton: one program per row of any length, float32 arithmetic."""

# The types of a kernel are Triton's, not Python's:
# ruff: noqa: ANN001, ANN202, N803
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _forward(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * n
    top = tl.full((BLOCK,), -float("inf"), tl.float32)
    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row + i, mask=i < n, other=-float("inf")).to(tl.float32)
        top = tl.maximum(top, x)
    peak = tl.max(top, 0)
    peak = tl.where(peak == -float("inf"), 0.0, peak)  # masked throughout: all are below

    # As in cpu.py: from the left to the root of f(tau) = sum(max(z - tau, 0) ** 2) - 1 by steps
    # that never pass it; then the quadratic on the support.
    tau = -1.0
    steps = 0
    searching = True
    while searching:
        counts = tl.zeros((BLOCK,), tl.float32)
        firsts = tl.zeros((BLOCK,), tl.float32)
        seconds = tl.zeros((BLOCK,), tl.float32)
        kinks = tl.full((BLOCK,), float("inf"), tl.float32)
        for start in range(0, n, BLOCK):
            i = start + tl.arange(0, BLOCK)
            x = tl.load(x_ptr + row + i, mask=i < n, other=-float("inf")).to(tl.float32)
            d = (x - peak) * 0.5 - tau
            outside = d <= 0.0  # not NaN, nor inf - inf: by way of tau they reach the whole row
            e = tl.where(outside, 0.0, d)
            counts += tl.where(outside, 0.0, 1.0)
            firsts += e
            seconds += e * e
            kinks = tl.minimum(kinks, tl.where(outside, float("inf"), d))
        k = tl.maximum(tl.sum(counts, 0), 1.0)
        first = tl.sum(firsts, 0)
        excess = tl.sum(seconds, 0) - 1.0
        root = excess / (first + tl.sqrt(tl.maximum(first * first - k * excess, 0.0)))
        step = tl.maximum(excess / (2.0 * first), first / k - 1.0 / tl.sqrt(k))
        steps += 1
        searching = (step > 0.0) & (root > tl.min(kinks, 0)) & (steps < 100)
        tau += tl.where(searching, step, root)

    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row + i, mask=i < n, other=-float("inf")).to(tl.float32)
        d = (x - peak) * 0.5 - tau
        tl.store(y_ptr + row + i, tl.where(d <= 0.0, 0.0, d * d), mask=i < n)


@triton.jit
def _backward(grad_ptr, y_ptr, dx_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * n
    totals = tl.zeros((BLOCK,), tl.float32)
    weighted = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        s = tl.sqrt(tl.load(y_ptr + row + i, mask=i < n, other=0.0).to(tl.float32))
        g = tl.load(grad_ptr + row + i, mask=i < n, other=0.0).to(tl.float32)
        totals += s
        weighted += tl.where(s == 0.0, 0.0, s * g)  # whatever grad is outside the support
    mean = tl.sum(weighted, 0) / tl.sum(totals, 0)
    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        s = tl.sqrt(tl.load(y_ptr + row + i, mask=i < n, other=0.0).to(tl.float32))
        g = tl.load(grad_ptr + row + i, mask=i < n, other=0.0).to(tl.float32)
        tl.store(dx_ptr + row + i, tl.where(s == 0.0, 0.0, s * (g - mean)), mask=i < n)


def _block(n: int) -> int:
    return min(4096, triton.next_power_of_2(n))


def forward(x: Tensor) -> Tensor:
    """(..., n) -> (..., n), along the last dimension."""
    x, n = x.contiguous(), x.shape[-1]
    y = torch.empty_like(x)
    _forward[(x.numel() // n,)](x, y, n, BLOCK=_block(n))
    return y


def backward(grad: Tensor, y: Tensor) -> Tensor:
    """(..., n), (..., n) -> (..., n), with ``y`` the result of :func:`forward`."""
    grad, y, n = grad.contiguous(), y.contiguous(), y.shape[-1]
    dx = torch.empty_like(y)
    _backward[(y.numel() // n,)](grad, y, dx, n, BLOCK=_block(n))
    return dx
