"""Which elements a window holds, and which windows hold an element: what Triton kernels share.

A tensor is (outer, depth, height, width, inner) in memory: ``inner`` is 1 where it is contiguous,
the channels where they come last, so that one kernel serves both. Missing axes have length 1.

Forward, a program has a tile of windows by elements. A small window is unrolled, one lane each;
neighbouring lanes are neighbours in memory. A large one is shared by many lanes, so that a plane of
any size is read side by side. Backward, each element of the input gathers from the windows that
hold it: no atomics, one order of addition.
"""

# The types of a kernel are Triton's, not Python's, and a branch of it needs its else:
# ruff: noqa: ANN001, ANN201, ANN202, N803, RET505
# pyright: reportMissingImports=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false

import functools
import math
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from huashi._windows import Axis
from huashi.pooling.dimensions import memory_format_of

UNROLLED = 64  # elements of a window, or windows of an element, that are written out
NARROW = 2**31 - 2**12  # so many elements have numbers of 32 bits, in a last tile too

_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
_ONE = Axis(length=1, kernel=1, stride=1, before=0, after=0, dilation=1, windows=1)


class Geometry(NamedTuple):
    """What a kernel knows of its windows: three numbers for three axes, or one for all.

    What it is compiled for is a constexpr: all of a small window, nothing of the input's size.
    """

    length: Any
    kernel: Any
    stride: Any
    before: Any
    after: Any
    dilation: Any
    windows: Any
    elements: Any  # of a window
    inner: int
    total: int  # how many lanes have work: one for each window, or element of the input
    lanes: Any  # of a tile
    chunk: Any  # elements of a window in a tile
    unroll: Any
    whole: Any  # the window is the plane
    within: Any  # no window reaches out of the input
    wide: Any  # 32 bits are too few to number the elements


class Meetings(NamedTuple):
    """Which windows o, with which of their elements j, hold element i: i = o s - before + j d.

    With g = gcd(s, d) and q = i + before: none unless g divides q; else o = q / g * inverse,
    modulo step = d / g. Where nothing is dilated that is every o, from the first to reach i on.
    """

    step: Any
    inverse: Any
    common: Any  # g
    count: Any  # no element lies in more windows


@triton.jit
def lanes(g):
    """The numbers of a tile's lanes, (lanes, 1)."""
    tile = tl.program_id(0)
    if g.wide:
        tile = tile.to(tl.int64)
    return tile * g.lanes + tl.arange(0, g.lanes)[:, None]


@triton.jit
def _split(t, sizes, inner):
    """Where number ``t`` of (outer, *sizes, inner) lies."""
    i = t % inner
    t = t // inner
    w = t % sizes[2]
    t = t // sizes[2]
    h = t % sizes[1]
    t = t // sizes[1]
    return t // sizes[0], t % sizes[0], h, w, i


@triton.jit
def windows_of(t, g):
    """For windows ``t``: where their plane begins in memory, the first element along each axis."""
    outer, d, h, w, i = _split(t, g.windows, g.inner)
    start = outer * g.length[0] * g.length[1] * g.length[2] * g.inner + i
    d = d * g.stride[0] - g.before[0]
    h = h * g.stride[1] - g.before[1]
    w = w * g.stride[2] - g.before[2]
    return start, d, h, w, t < g.total


@triton.jit
def load(x_ptr, window, e, g):
    """Element ``e`` of each window as float32, 0 if there is none, and whether there is one."""
    start, d, h, w, real = window
    real = real & (e < g.elements)
    if g.whole:
        at = start + e * g.inner
    else:
        d += e // (g.kernel[1] * g.kernel[2]) * g.dilation[0]
        h += e // g.kernel[2] % g.kernel[1] * g.dilation[1]
        w += e % g.kernel[2] * g.dilation[2]
        if not g.within:
            real = real & (d >= 0) & (d < g.length[0]) & (h >= 0) & (h < g.length[1])
            real = real & (w >= 0) & (w < g.length[2])
        at = start + ((d * g.length[1] + h) * g.length[2] + w) * g.inner
    return tl.load(x_ptr + at, mask=real, other=0.0).to(tl.float32), real


@triton.jit
def fold(STEP: tl.constexpr, state, extra, x_ptr, window, g):
    """Let ``STEP`` renew ``state`` by every element of the windows, in their order."""
    if g.unroll:
        for number in tl.static_range(g.elements):
            e = tl.full((1, 1), number, tl.int32)
            x, real = load(x_ptr, window, e, g)
            state = STEP(state, extra, x, real, e)
    else:
        for first in range(0, g.elements, g.chunk):
            e = first + tl.arange(0, g.chunk)[None, :]
            x, real = load(x_ptr, window, e, g)
            state = STEP(state, extra, x, real, e)
    return state


@triton.jit
def _before(edge, first, axis: tl.constexpr, g):
    """How many elements of windows that begin at ``first`` lie before ``edge``."""
    n = (edge - first + g.dilation[axis] - 1) // g.dilation[axis]
    return tl.minimum(tl.maximum(n, 0), g.kernel[axis])


@triton.jit
def _along(first, axis: tl.constexpr, g, PADDED: tl.constexpr):
    if PADDED:
        return _before(g.length[axis] + g.after[axis], first, axis, g)
    else:
        return _before(g.length[axis], first, axis, g) - _before(0, first, axis, g)


@triton.jit
def count(d, h, w, g, PADDED: tl.constexpr):
    """How many elements of windows lie in the input, or also in its padding; float32."""
    n = _along(d, 0, g, PADDED) * _along(h, 1, g, PADDED) * _along(w, 2, g, PADDED)
    return n.to(tl.float32)


@triton.jit
def _meeting(i, n, axis: tl.constexpr, g, m):
    """The n-th window that holds ``i``, which of its elements that is, whether there is one."""
    q = i + g.before[axis]
    late = tl.maximum(q - (g.kernel[axis] - 1) * g.dilation[axis], 0)
    o = (late + g.stride[axis] - 1) // g.stride[axis]
    residue = q // m.common[axis] % m.step[axis] * m.inverse[axis]
    o += (residue + m.step[axis] - o % m.step[axis]) % m.step[axis] + n * m.step[axis]
    ahead = q - o * g.stride[axis]
    there = (q % m.common[axis] == 0) & (ahead >= 0) & (o < g.windows[axis])
    return o, ahead // g.dilation[axis], there


@triton.jit
def _of_window(STEP: tl.constexpr, extra, place, n, g, m):
    """What ``STEP`` gives for the n-th window that holds each element; 0 if there is none."""
    outer, d, h, w, i, real = place
    od, jd, in_d = _meeting(d, n // (m.count[1] * m.count[2]), 0, g, m)
    oh, jh, in_h = _meeting(h, n // m.count[2] % m.count[1], 1, g, m)
    ow, jw, in_w = _meeting(w, n % m.count[2], 2, g, m)
    there = real & in_d & in_h & in_w
    o = (((outer * g.windows[0] + od) * g.windows[1] + oh) * g.windows[2] + ow) * g.inner + i
    e = (jd * g.kernel[1] + jh) * g.kernel[2] + jw
    return tl.where(there, STEP(extra, o, od, oh, ow, e, there, g), 0.0)


@triton.jit
def gather(STEP: tl.constexpr, extra, t, g, m):
    """Sum what ``STEP`` gives for every window that holds element ``t`` of the input."""
    if g.whole:
        o = t // (g.elements * g.inner) * g.inner + t % g.inner
        dx = STEP(extra, o, 0 * t, 0 * t, 0 * t, t // g.inner % g.elements, t < g.total, g)
    else:
        outer, d, h, w, i = _split(t, g.length, g.inner)
        place = (outer, d, h, w, i, t < g.total)
        dx = tl.zeros((g.lanes, 1), tl.float32)
        if g.unroll:
            for number in tl.static_range(m.count[0] * m.count[1] * m.count[2]):
                n = tl.full((1, 1), number, tl.int32)
                dx += _of_window(STEP, extra, place, n, g, m)
        else:
            for n in range(m.count[0] * m.count[1] * m.count[2]):
                dx += _of_window(STEP, extra, place, n, g, m)
    return dx


def prepared(x: Tensor, dims: int) -> tuple[Tensor, int]:
    """``x`` as kernels can read it, and how many channels then lie side by side."""
    if memory_format_of(x, dims) == torch.contiguous_format:
        return x.contiguous(), 1
    return x, x.shape[1]


def memory(inner: int, dims: int) -> torch.memory_format:
    """Of a tensor with ``inner`` channels side by side."""
    return torch.contiguous_format if inner == 1 else _LAST[dims]


def output(x: Tensor, axes: tuple[Axis, ...], inner: int, dtype: torch.dtype) -> Tensor:
    """Memory for a number for each window of ``x``."""
    return _empty(x, [axis.windows for axis in axes], inner, dtype)


def gradient(grad: Tensor, axes: tuple[Axis, ...], inner: int) -> Tensor:
    """Memory for the gradient in an input, like ``grad`` in all but the lengths."""
    return _empty(grad, [axis.length for axis in axes], inner, grad.dtype)


def _empty(x: Tensor, sizes: list[int], inner: int, dtype: torch.dtype) -> Tensor:
    dims = len(sizes)
    shape, format_ = [*x.shape[: x.ndim - dims], *sizes], memory(inner, dims)
    return torch.empty(shape, dtype=dtype, device=x.device, memory_format=format_)


@functools.lru_cache(maxsize=1024)  # it takes longer than a launch
def forward(numel: int, axes: tuple[Axis, ...], inner: int) -> tuple[tuple[int], Geometry]:
    """The grid and the geometry of a kernel whose lanes are the windows of ``numel`` elements."""
    g = _geometry(axes, inner)
    total = numel // math.prod(g.length) * math.prod(g.windows)
    chunk, lanes = 1, 256
    if g.elements > UNROLLED or (g.whole and inner == 1 and g.elements > 16):
        chunk = min(triton.next_power_of_2(g.elements), 2048 if inner == 1 else 128)
        lanes = max(1024 // chunk, 1) if inner == 1 else 16  # a sector of memory, at least
    wide = max(numel, total) > NARROW
    g = g._replace(total=total, lanes=lanes, chunk=chunk, unroll=chunk == 1, wide=wide)
    return (triton.cdiv(total, lanes),), _frozen(g)


@functools.lru_cache(maxsize=1024)
def backward(
    numel: int, axes: tuple[Axis, ...], inner: int
) -> tuple[tuple[int], Geometry, Meetings]:
    """The same for a kernel whose lanes are the elements, and the windows of each."""
    g = _geometry(axes, inner)
    common = [math.gcd(s, d) for s, d in zip(g.stride, g.dilation, strict=True)]
    step = [d // c for d, c in zip(g.dilation, common, strict=True)]
    inverse = [pow(s // c, -1, n) for s, c, n in zip(g.stride, common, step, strict=True)]
    count = [
        min(-(-k * c // s), -(-windows // n))
        for k, c, s, windows, n in zip(g.kernel, common, g.stride, g.windows, step, strict=True)
    ]
    m = Meetings(*map(tuple, (step, inverse, common, count)))
    unroll = math.prod(count) <= UNROLLED
    wide = max(numel, numel // math.prod(g.length) * math.prod(g.windows)) > NARROW
    g = g._replace(total=numel, unroll=unroll, wide=wide)
    grid = (triton.cdiv(numel, g.lanes),)
    return grid, _frozen(g), Meetings(*map(_constant, m)) if unroll else m


def _geometry(axes: tuple[Axis, ...], inner: int) -> Geometry:
    three = (_ONE,) * (3 - len(axes)) + axes
    return Geometry(
        *zip(*three, strict=True),
        elements=math.prod(axis.kernel for axis in axes),
        inner=inner,
        total=0,
        lanes=256,
        chunk=1,
        unroll=True,
        whole=all(
            (axis.windows, axis.before, axis.kernel) == (1, 0, axis.length)
            and 1 in (axis.kernel, axis.dilation)
            for axis in axes
        ),
        within=all(
            axis.before == 0
            and (axis.windows - 1) * axis.stride + (axis.kernel - 1) * axis.dilation < axis.length
            for axis in axes
        ),
        wide=False,
    )


def _frozen(g: Geometry) -> Geometry:
    """The geometry, with what the kernel is compiled for as constants."""
    fields = ["lanes", "chunk", "unroll", "whole", "within", "wide"]
    if g.unroll:
        fields += ["kernel", "stride", "before", "after", "dilation", "elements"]
    return g._replace(**{field: _constant(getattr(g, field)) for field in fields})


def _constant(value: Any) -> Any:
    return tuple(map(_constant, value)) if isinstance(value, tuple) else tl.constexpr(value)
