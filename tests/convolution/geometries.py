"""Geometries of convolutions for hypothesis, and what they mean in float64, written out."""

import math
from itertools import product

import torch
from hypothesis import strategies as st
from torch.nn import functional as F

CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
MODES = ("zeros", "reflect", "replicate", "circular")
KERNELS = st.integers(1, 4)


@st.composite
def geometries(draw, dims, kernels=KERNELS):
    """What torch's convolutions are given for their geometry, by name, and lengths that fit."""
    stride = [draw(st.integers(1, 3)) for _ in range(dims)]
    dilation = [draw(st.integers(1, 2)) for _ in range(dims)]
    kernel = [draw(kernels) for _ in range(dims)]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    kind = draw(st.sampled_from(["int", "each axis", "each side", "mixed", "word"]))
    if kind == "word":
        padding = draw(st.sampled_from(["valid", "same", "same_lower"]))
        sides = [(0, 0) if padding == "valid" else padding] * dims
    elif kind == "int":
        padding = draw(st.integers(0, 2))
        sides = [(padding, padding)] * dims
    elif kind == "each axis":
        padding = tuple(draw(st.integers(0, 2)) for _ in range(dims))
        sides = [(p, p) for p in padding]
    else:
        side = st.tuples(st.integers(0, 2), st.integers(0, 2))
        if kind == "mixed":
            side |= st.sampled_from(["same", "same_lower"])
        padding = sides = [draw(side) for _ in range(dims)]
    lengths = []
    for span, side in zip(spans, sides, strict=True):
        least = span if isinstance(side, str) else max(span - sum(side), max(side) + 1)
        lengths.append(draw(st.integers(least, least + 3)))
    options = {"kernel_size": tuple(kernel), "stride": tuple(stride), "padding": padding}
    options |= {"dilation": tuple(dilation), "padding_mode": draw(st.sampled_from(MODES))}
    return options, tuple(lengths), sides


def padded(x, options, sides):
    """``x`` with what its padding mode puts around it, taken element by element."""
    shape = zip(options["kernel_size"], options["stride"], options["dilation"], sides, strict=True)
    for axis, (kernel, stride, dilation, side) in enumerate(shape, 2):
        length = x.shape[axis]
        if isinstance(side, str):
            results = math.ceil(length / stride)
            total = max((results - 1) * stride + dilation * (kernel - 1) + 1 - length, 0)
            less = total // 2
            before, after = (less, total - less) if side == "same" else (total - less, less)
        else:
            before, after = side
        places = range(-before, length + after)
        mode = options["padding_mode"]
        if mode == "circular":
            source = [i % length for i in places]
        elif mode == "reflect":
            source = [length - 1 - abs(length - 1 - abs(i)) for i in places]
        else:
            source = [min(max(i, 0), length - 1) for i in places]
        x = x.index_select(axis, torch.tensor(source))
        if mode == "zeros":
            inside = torch.tensor([0 <= i < length for i in places], dtype=x.dtype)
            x = x * inside.reshape(-1, *[1] * (x.ndim - 1 - axis))
    return x


def convolved(x, kernel, bias, options, sides):
    """One convolution with a dense kernel, (out, in, *taps), of the padded input."""
    convolve = CONVOLVE[x.ndim - 2]
    return convolve(
        padded(x, options, sides), kernel, bias, options["stride"], 0, options["dilation"]
    )


def convolved_by_loops(x, kernel, bias, options, sides):
    """The same as a sum over taps, of which each is a product of matrices."""
    x = padded(x, options, sides)
    axes = range(x.ndim - 2)
    stride, dilation = options["stride"], options["dilation"]
    spans = [dilation[i] * (options["kernel_size"][i] - 1) + 1 for i in axes]
    results = [(x.shape[2 + i] - spans[i]) // stride[i] + 1 for i in axes]
    y = 0
    for tap in product(*(range(taps) for taps in kernel.shape[2:])):
        seen = x
        for i in axes:
            places = dilation[i] * tap[i] + stride[i] * torch.arange(results[i])
            seen = seen.index_select(2 + i, places)
        y = y + torch.einsum("bc..., oc -> bo...", seen, kernel[(..., *tap)])
    return y if bias is None else y + bias.reshape(-1, *[1] * len(axes))


def ungrouped(weight, groups):
    """A kernel in groups, (out, in / groups, *taps), as one with zeros between the groups."""
    rows = weight.chunk(groups)
    blank = [torch.zeros_like(row) for row in rows]
    return torch.cat(
        [torch.cat([*blank[:g], row, *blank[g + 1 :]], 1) for g, row in enumerate(rows)]
    )


def agree(layer, definition, x):
    """Values, and the gradients in the input and every parameter, of a layer and its definition."""
    leaves = [x.requires_grad_(), *layer.parameters()]
    y, want = layer(x), definition(x)
    assert y.shape == want.shape
    torch.testing.assert_close(y, want, rtol=1e-10, atol=1e-11)
    weights = torch.randn_like(want)
    found = torch.autograd.grad(y, leaves, weights)
    wanted = torch.autograd.grad(want, leaves, weights)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
