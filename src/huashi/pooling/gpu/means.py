"""Norms, generalised means, SoftPool, log-mean-exp, expected draws over windows in Triton.

All of them are sums of powers or exponentials of a window's elements, relative to its largest, so
that nothing overflows: the first pass over a window finds that scale, the second sums, and reads
from the cache what the first read from memory. With b the bytes of an element and w windows to each
element of the input, ``b + w b`` are moved forward; an exponential (for a power also a logarithm)
for each element of a window is the arithmetic, and bounds windows that overlap.

Backward, a first kernel finds the scale and the sums again, in float32 whatever the dtype of y, and
stores what every element of a window shares, 8 w bytes (SoftPool 12 w); a second one gathers.
In all ``3 b + w b + 16 w`` bytes, and one more exponential for each element of a window.

With a mask the kernels read a copy in which what is absent is marked, ``2 b`` more, and how many
elements of each window are real, 4 w.

==============  ==========================  ======================================================
kind            y                           dy/dx_i
==============  ==========================  ======================================================
lp, lp_mean     (sum or mean of |x|^p)^1/p  sign(x_i) (|x_i| / s)^(p-1) times a factor; s: largest
power           the same of max(x, eps)     the same where x_i >= eps
soft            sum w x, w = softmax(x)     w_i (1 + x_i - y)
log_sum_exp     log(mean exp(r x)) / r      w_i, w = softmax(r x)
stochastic      sum a^2 / sum a, a = x^+    (2 a_i - y) / sum a where x_i > 0
==============  ==========================  ======================================================
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN201, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling import masks
from huashi.pooling.gpu.averages import average
from huashi.pooling.gpu.mathematics import expm1, log1p, log2, power, unevenness
from huashi.pooling.gpu.windows import (
    backward,
    count,
    fold,
    forward,
    gather,
    lanes,
    memory,
    output,
    prepared,
    windows_of,
)

INF = tl.constexpr(float("inf"))
LN2 = tl.constexpr(math.log(2))
MOST = tl.constexpr(torch.finfo(torch.float32).max / 8)  # as good as an infinite exponent
NONE = tl.constexpr(masks.NONE)


@triton.jit
def _base(x, eps, KIND: tl.constexpr):
    """What a power, or an exponential, is taken of."""
    if KIND == "power":
        return tl.where(x == NONE, 0.0, tl.where(x < eps, eps, x))
    elif KIND == "stochastic":
        return tl.where(x < 0.0, 0.0, x)
    elif KIND == "soft" or KIND == "log_sum_exp":
        return x
    else:
        return tl.abs(x)


@triton.jit
def _larger(state, extra, x, real, e):
    x = _base(x, extra[0], extra[1])
    return (tl.where(real & (x > state[0]), x, state[0]),)  # NaN shows in the sums


@triton.jit
def scale_of(x_ptr, window, eps, g, KIND: tl.constexpr):
    """The largest of each window; what can be divided by, or subtracted, where that can not."""
    state = (tl.full((g.lanes, g.chunk), -INF, tl.float32),)
    peak = tl.max(fold(_larger, state, (eps, KIND), x_ptr, window, g)[0], 1, keep_dims=True)
    if KIND == "soft" or KIND == "log_sum_exp":
        return tl.where(tl.abs(peak) < INF, peak, 0.0)
    else:
        return tl.where((peak > 0.0) & (peak < INF), peak, 1.0)


@triton.jit
def _plus(state, extra, x, real, e):
    scale, param = extra[0], extra[1]
    KIND: tl.constexpr = extra[3]
    x = _base(x, extra[2], KIND)
    if KIND == "soft":
        first = tl.exp(x - scale)
        second = tl.where(first == 0.0, 0.0, first * (x - scale))
    elif KIND == "log_sum_exp":
        first = tl.exp(param * (x - scale))
        second = tl.where(x == -INF, 0.0, expm1(param * (x - scale)))
    elif KIND == "stochastic":
        first = x / scale
        second = first * first
    else:
        first = power(x / scale, param)
        second = expm1(param * LN2 * log2(x / scale))
    return state[0] + tl.where(real, first, 0.0), state[1] + tl.where(real, second, 0.0)


@triton.jit
def _uneven(state, extra, x, real, e):
    """Sums up how uneven the shares are, and counts the elements that have one."""
    scale, param, log = extra[0], extra[1], extra[4]
    KIND: tl.constexpr = extra[3]
    x = _base(x, extra[2], KIND)
    if KIND == "log_sum_exp":
        some = real & (x != -INF)
        part = unevenness(param * (x - scale) - log)
    else:
        some = real & (x != 0.0)
        part = unevenness(param * LN2 * log2(x / scale) - log)
    return state[0] + tl.where(some, part, 0.0), state[1] + tl.where(some, 1.0, 0.0)


@triton.jit
def _value(scale, first, second, n, param, KIND: tl.constexpr):
    # 1 has few digits for a root or a logarithm; what is infinite or absent has no part in these
    near = (first > 0.5 * n) & (first - second > n - 0.5)
    if KIND == "soft":
        y = scale + second / first
    elif KIND == "log_sum_exp":
        log = tl.where(near, log1p(tl.where(near, second / n, 0.0)), tl.log(first / n))
        y = scale + log / param
    elif KIND == "stochastic":
        y = tl.where(first == 0.0, 0.0, scale * second / first)
    elif KIND == "lp":
        y = scale * power(first, 1.0 / param)
    else:
        root = tl.exp(log1p(tl.where(near, second / n, 0.0)) / param)
        y = scale * tl.where(near, root, power(first / n, 1.0 / param))
    return y


@triton.jit
def _slope(x_ptr, window, scale, first, second, n, param, eps, g, KIND: tl.constexpr):
    """The derivative in ``param``; of shares q it is ``sum q log(n q) / param^2``.

    That is a mean of ``unevenness(log(n q))``, without cancellation; what has no share adds 1.
    """
    near = (first > 0.5 * n) & (first - second > n - 0.5)
    mean = first / n
    log = tl.where(mean > 0.0, tl.log(tl.where(mean > 0.0, mean, 1.0)), mean)
    log = tl.where(near, log1p(tl.where(near, second / n, 0.0)), log)
    sums = (tl.zeros((g.lanes, g.chunk), tl.float32), tl.zeros((g.lanes, g.chunk), tl.float32))
    sums = fold(_uneven, sums, (scale, param, eps, KIND, log), x_ptr, window, g)
    total, some = tl.sum(sums[0], 1, keep_dims=True), tl.sum(sums[1], 1, keep_dims=True)
    slope = (total + (n - some)) / n / param / param
    if KIND == "log_sum_exp":
        return slope
    else:
        return slope * _value(scale, first, second, n, param, KIND)


@triton.jit
def _factor(grad, scale, first, second, n, param, KIND: tl.constexpr):
    """What all elements of a window have in common in ``grad * dy/dx``."""
    if KIND == "lp" or KIND == "lp_mean" or KIND == "power":
        y = _value(scale, first, second, n, param, KIND)
        return tl.where(y == 0.0, 0.0, grad * (y / scale / first))
    elif KIND == "stochastic":
        return tl.where(first > 0.0, grad / (scale * first), 0.0)
    else:
        return grad / first


@triton.jit
def _formula(
    x_ptr,
    grad_ptr,
    out_ptr,
    real_ptr,
    param_ptr,
    eps,
    g,
    KIND: tl.constexpr,
    WANTED: tl.constexpr,
):
    t = lanes(g)
    window = windows_of(t, g)
    param = tl.load(param_ptr).to(tl.float32)
    param = tl.where(param > MOST, MOST, param)
    scale = scale_of(x_ptr, window, eps, g, KIND)
    sums = (tl.zeros((g.lanes, g.chunk), tl.float32), tl.zeros((g.lanes, g.chunk), tl.float32))
    sums = fold(_plus, sums, (scale, param, eps, KIND), x_ptr, window, g)
    first, second = tl.sum(sums[0], 1, keep_dims=True), tl.sum(sums[1], 1, keep_dims=True)
    ok = t < g.total
    if real_ptr is None:
        n = count(window[1], window[2], window[3], g, False)
    else:
        n = tl.load(real_ptr + t, mask=ok, other=0.0)
    empty, n = n == 0.0, tl.maximum(n, 1.0)
    if WANTED == "value":
        y = _value(scale, first, second, n, param, KIND)
        tl.store(out_ptr + t, tl.where(empty, 0.0, y), mask=ok)
    elif WANTED == "slope":
        slope = _slope(x_ptr, window, scale, first, second, n, param, eps, g, KIND)
        tl.store(out_ptr + t, tl.where(empty, 0.0, slope), mask=ok)
    else:
        grad = tl.load(grad_ptr + t, mask=ok, other=0.0).to(tl.float32)
        factor = _factor(grad, scale, first, second, n, param, KIND)
        if KIND == "stochastic":
            scale = _value(scale, first, second, n, param, KIND)
        tl.store(out_ptr + t, scale, mask=ok)
        tl.store(out_ptr + g.total + t, factor, mask=ok)
        if KIND == "soft":
            tl.store(out_ptr + g.total + g.total + t, factor * (1.0 - second / first), mask=ok)


@triton.jit
def _part(extra, o, od, oh, ow, e, there, g):
    x, shared_ptr, windows = extra[0], extra[1], extra[2]
    param, eps = extra[3], extra[4]
    KIND: tl.constexpr = extra[5]
    scale = tl.load(shared_ptr + o, mask=there, other=1.0)
    factor = tl.load(shared_ptr + windows + o, mask=there, other=0.0)
    if KIND == "soft":
        rest = tl.load(shared_ptr + windows + windows + o, mask=there, other=0.0)
        weight = tl.exp(x - scale)
        return tl.where(weight == 0.0, 0.0, weight * (factor * (x - scale) + rest))
    elif KIND == "log_sum_exp":
        return tl.where(x == -INF, 0.0, tl.exp(param * (x - scale)) * factor)
    elif KIND == "stochastic":
        return tl.where(x > 0.0, (2.0 * x - scale) * factor, 0.0)
    elif KIND == "power":
        return tl.where(x >= eps, power(x / scale, param - 1.0) * factor, 0.0)
    else:
        part = power(tl.abs(x) / scale, param - 1.0) * factor
        return tl.where(x > 0.0, part, tl.where(x < 0.0, -part, 0.0))


@triton.jit
def _formula_backward(x_ptr, shared_ptr, dx_ptr, windows, param_ptr, eps, g, m, KIND: tl.constexpr):
    t = lanes(g)
    param = tl.load(param_ptr).to(tl.float32)
    param = tl.where(param > MOST, MOST, param)
    x = tl.load(x_ptr + t, mask=t < g.total, other=0.0).to(tl.float32)
    dx = gather(_part, (x, shared_ptr, windows, param, eps, KIND), t, g, m)
    tl.store(dx_ptr + t, dx, mask=t < g.total)


def formula(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """The formula ``kind`` of each window; (..., windows), in the dtype of x.

    ``param`` is p or r, 0-d, on the device of x, where it stays; not inf.
    """
    return _over_windows(x, axes, kind, param, eps, mask, "value", x.dtype)


def formula_slope(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Its derivative in ``param`` for each window; (..., windows), float32."""
    return _over_windows(x, axes, kind, param, eps, mask, "slope", torch.float32)


def formula_backward(
    grad: Tensor,
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    eps: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Its gradient in x; (..., lengths), in the dtype of x."""
    source, inner = _source(x, len(axes), kind, mask)
    grad = grad.contiguous(memory_format=memory(inner, len(axes)))
    rows = 3 if kind == "soft" else 2
    shared = torch.empty((rows, grad.numel()), dtype=torch.float32, device=x.device)
    grid, g = forward(x.numel(), axes, inner)
    real = _real(mask, axes, grad)
    _formula[grid](source, grad, shared, real, param, eps, g, KIND=kind, WANTED="shared")
    dx = torch.empty_like(source, dtype=x.dtype)
    grid, g, m = backward(x.numel(), axes, inner)
    _formula_backward[grid](source, shared, dx, grad.numel(), param, eps, g, m, KIND=kind)
    return dx


def _over_windows(
    x: Tensor,
    axes: tuple[Axis, ...],
    kind: str,
    param: Tensor,
    eps: float,
    mask: Tensor | None,
    wanted: str,
    dtype: torch.dtype,
) -> Tensor:
    x, inner = _source(x, len(axes), kind, mask)
    out = output(x, axes, inner, dtype)
    grid, g = forward(x.numel(), axes, inner)
    _formula[grid](x, None, out, _real(mask, axes, out), param, eps, g, KIND=kind, WANTED=wanted)
    return out


def _source(x: Tensor, dims: int, kind: str, mask: Tensor | None) -> tuple[Tensor, int]:
    """``x`` as kernels can read it, what the mask leaves out marked; channels side by side."""
    x, inner = prepared(x, dims)
    if mask is None:
        return x, inner
    if kind == "power":  # float16 has no NONE
        return masks.marked(x.float() if x.dtype == torch.float16 else x, mask, masks.NONE), inner
    absent = -math.inf if kind in ("soft", "log_sum_exp") else 0.0
    return masks.marked(x, mask, absent), inner


def _real(mask: Tensor | None, axes: tuple[Axis, ...], like: Tensor) -> Tensor | None:
    """How many elements of each window are real, in the memory format of a result."""
    if mask is None:
        return None
    return masks.counted(mask, axes, torch.empty_like(like, dtype=torch.float32), average)
