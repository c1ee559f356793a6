"""Blur and max-blur pooling: the binomial filter, its reflection, and what shifts do to it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.pooling import blur
from huashi.pooling.extrema import max_pool2d
from tests.conftest import GRADIENT_TOLERANCE, TOLERANCE, with_gradient

BLUR = {1: blur.blur_pool1d, 2: blur.blur_pool2d, 3: blur.blur_pool3d}
MAX_BLUR = {1: blur.max_blur_pool1d, 2: blur.max_blur_pool2d, 3: blur.max_blur_pool3d}
FILTERS = {  # Pascal's triangle, written out
    1: [1],
    2: [1, 1],
    3: [1, 2, 1],
    4: [1, 3, 3, 1],
    5: [1, 4, 6, 4, 1],
    6: [1, 5, 10, 10, 5, 1],
}


def by_numpy(x, kernels, strides):
    """Each dimension in turn, an element of the output at a time."""
    x = x.numpy()
    for axis, (n, stride) in enumerate(zip(kernels, strides, strict=True), 2):
        weights = np.array(FILTERS[n]) / sum(FILTERS[n])
        sides = [(0, 0)] * x.ndim
        sides[axis] = ((n - 1) // 2, -(-(n - 1) // 2))
        padded = np.moveaxis(np.pad(x, sides, mode="reflect"), axis, 0)
        rows = [
            np.tensordot(weights, padded[i : i + n], 1) for i in range(0, x.shape[axis], stride)
        ]
        x = np.moveaxis(np.stack(rows), 0, axis)
    return torch.from_numpy(x)


@st.composite
def geometries(draw):
    n = draw(st.integers(1, 3))
    kernels = [draw(st.integers(1, 6)) for _ in range(n)]
    lengths = [k // 2 + draw(st.integers(1, 5)) for k in kernels]
    return lengths, kernels, [draw(st.integers(1, 3)) for _ in range(n)]


@given(geometries(), st.integers(0, 99))
def test_is_the_binomial_filter_of_the_reflected_input(geometry, seed):
    lengths, kernels, strides = geometry
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((2, 3, *lengths), generator=generator, dtype=torch.double)
    want = by_numpy(x, kernels, strides)
    y = BLUR[len(lengths)](x, kernels, strides)
    assert y.shape[2:] == tuple(-(-a // s) for a, s in zip(lengths, strides, strict=True))
    assert_close(y, want)
    narrow = BLUR[len(lengths)](x.float(), kernels, strides)  # through a convolution
    assert_close(narrow.double(), want, rtol=1e-5, atol=1e-6)


def test_golden_values():
    x = torch.tensor([[0.0, 4.0, 8.0, 0.0, 0.0]])
    assert blur.blur_pool1d(x, 3, 1).tolist() == [[2.0, 4.0, 5.0, 2.0, 0.0]]
    assert blur.blur_pool1d(x, 3).tolist() == [[2.0, 5.0, 0.0]]
    assert blur.blur_pool1d(x, 2, 1).tolist() == [[2.0, 6.0, 4.0, 0.0, 0.0]]
    point = torch.zeros(1, 5, 5)
    point[0, 2, 2] = 16.0
    want = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
    assert torch.equal(blur.blur_pool2d(point, 3, 1)[0, 1:4, 1:4], want)
    assert blur.blur_pool2d(point, (1, 3), 1)[0, 2].tolist() == [0.0, 4.0, 8.0, 4.0, 0.0]


def test_is_zhangs_convolution():
    """The layer of antialiased-cnns, from its description: outer product, reflection, stride."""
    for n in FILTERS:
        x, weights = torch.randn(2, 3, 9, 8), torch.tensor(FILTERS[n], dtype=torch.float32)
        kernel = torch.outer(weights, weights) / weights.sum() ** 2
        before, after = (n - 1) // 2, -(-(n - 1) // 2)
        padded = F.pad(x, (before, after, before, after), mode="reflect")
        want = F.conv2d(padded, kernel.expand(3, 1, n, n), stride=2, groups=3)
        assert_close(blur.blur_pool2d(x, n), want)
        assert_close(blur._by_slices(x, (n, n), (2, 2)), want)


def test_leaves_what_is_constant_and_one_element_as_they_are():
    for dims in (1, 2, 3):
        assert_close(
            BLUR[dims](torch.full((2, 3, *[7] * dims), 3.0)), torch.full((2, 3, *[4] * dims), 3.0)
        )
        x = torch.randn(2, 3, *[5] * dims)
        assert torch.equal(BLUR[dims](x, 1, 1), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("pool", [blur.blur_pool2d, lambda x: blur.max_blur_pool2d(x, 3, 2, 1)])
def test_agrees_with_float64(pool, dtype, layout, device):
    x = torch.randn(2, 4, 9, 8, device=device).to(dtype).contiguous(memory_format=layout)
    y = pool(x)
    assert y.dtype == dtype
    g = torch.randn_like(y)
    (got, slope), (want, wanted) = with_gradient(pool, x, g), with_gradient(pool, x.double(), g)
    assert_close(got.double(), want, **TOLERANCE[dtype])
    assert_close(slope.double(), wanted, **GRADIENT_TOLERANCE[dtype])


@pytest.mark.parametrize("n", FILTERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # the convolution, and slices
def test_keeps_the_memory_format(n, dtype, device):
    flat = torch.randn(2, 3, 8, 8, dtype=dtype, device=device)
    solid = torch.randn(2, 3, 8, 8, 8, dtype=dtype, device=device)
    last, last3d = torch.channels_last, torch.channels_last_3d
    assert blur.blur_pool2d(flat.contiguous(memory_format=last), n).is_contiguous(
        memory_format=last
    )
    assert blur.blur_pool3d(solid.contiguous(memory_format=last3d), n).is_contiguous(
        memory_format=last3d
    )
    assert blur.blur_pool2d(flat, n).is_contiguous()
    assert_close(blur.blur_pool2d(flat.mT, n), blur.blur_pool2d(flat, n).mT)  # not contiguous


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_batch_and_an_empty_one(dtype):
    for dims in (1, 2, 3):
        x = torch.randn(2, 3, *[6] * dims, dtype=dtype)
        assert_close(BLUR[dims](x[0]), BLUR[dims](x)[0])
        assert_close(MAX_BLUR[dims](x[0], 2), MAX_BLUR[dims](x, 2)[0])
        assert BLUR[dims](x[:0]).shape == (0, 3, *[3] * dims)


def test_max_blur_is_a_maximum_everywhere_and_then_a_blur():
    x = torch.randn(2, 3, 9, 8)
    for windows in ((2, 2), (3, 2, 1), ((3, 2), (2, 1), "same", 2)):
        kernel_size, stride, *rest = windows
        want = blur.blur_pool2d(max_pool2d(x, kernel_size, 1, *rest), 3, stride)
        assert torch.equal(blur.max_blur_pool2d(x, *windows, blur_size=3), want)
    assert torch.equal(blur.max_blur_pool2d(x, 3), blur.max_blur_pool2d(x, 3, 3, blur_size=4))


def test_max_blur_of_what_is_masked():
    x = torch.tensor([[[1.0, 5.0, 2.0, torch.nan]]])
    mask = torch.tensor([True, False, True, False])
    y = blur.max_blur_pool1d(x, 2, 1, blur_size=2, mask=mask)  # maxima 1 2 2
    assert y.tolist() == [[[1.5, 2.0, 2.0]]]
    by_length = blur.max_blur_pool1d(x, 2, 1, blur_size=2, lengths=torch.tensor([3]))
    assert by_length.tolist() == [[[5.0, 3.5, 3.5]]]  # maxima 5 5 2
    empty = blur.max_blur_pool1d(x, 2, 1, blur_size=2, lengths=torch.tensor([1]))
    assert empty.tolist() == [[[-torch.inf] * 3]]


def test_a_shift_changes_it_less_than_it_changes_the_maximum():
    """Zhang's example: an alternating signal, sampled at its ups or at its downs."""
    x = torch.tensor([[0.0, 0.0, 1.0, 1.0] * 4])
    at = lambda shift, pool: pool(x.roll(shift, -1)[None, None]).squeeze()[1:-1]  # noqa: E731
    sharp = lambda x: max_pool2d(x, (1, 2), (1, 2))  # noqa: E731
    smooth = lambda x: blur.max_blur_pool2d(x, (1, 2), (1, 2), blur_size=(1, 3))  # noqa: E731
    change = [(at(0, pool) - at(1, pool)).abs().max() for pool in (sharp, smooth)]
    assert change[0] == 1.0
    assert change[1] <= 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_linear_and_its_gradient_the_transpose(dtype):
    x, y, g = (torch.randn(1, 2, 6, 5, dtype=dtype) for _ in range(3))
    pool = lambda x: blur.blur_pool2d(x, (3, 4))  # noqa: E731
    assert_close(pool(2 * x - y), 2 * pool(x) - pool(y))
    g = torch.randn_like(pool(x))
    assert_close((with_gradient(pool, x, g)[1] * y).sum(), (g * pool(y)).sum())


def test_derivatives_of_both_orders():
    for dims, lengths in ((1, [7]), (2, [4, 5]), (3, [3, 4, 3])):
        x = torch.randn(1, 2, *lengths, dtype=torch.double, requires_grad=True)
        for run in (BLUR[dims], lambda x, dims=dims: MAX_BLUR[dims](x, 2, blur_size=3)):
            assert gradcheck(run, x)
            assert gradgradcheck(run, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_over_a_further_dimension_and_has_a_forward_derivative(dtype):
    x = torch.randn(3, 2, 2, 6, 6, dtype=dtype)
    assert_close(
        torch.func.vmap(blur.blur_pool2d)(x), torch.stack([blur.blur_pool2d(t) for t in x])
    )
    y, slope = torch.func.jvp(blur.blur_pool2d, (x[0],), (x[1],))
    assert_close((y, slope), (blur.blur_pool2d(x[0]), blur.blur_pool2d(x[1])))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiles_in_one_graph(dtype):
    x = torch.randn(2, 3, 8, 7, dtype=dtype)
    for pool in (blur.BlurPool2d(3), blur.MaxBlurPool2d(2)):
        compiled = torch.compile(pool, fullgraph=True, backend="aot_eager")
        g = torch.randn_like(pool(x))
        assert_close(with_gradient(compiled, x, g), with_gradient(pool, x, g))


def test_modules_are_the_functions():
    for dims in (1, 2, 3):
        x = torch.randn(2, 3, *[9] * dims)
        blurred = getattr(blur, f"BlurPool{dims}d")(5, 3)
        assert torch.equal(blurred(x), BLUR[dims](x, 5, 3))
        pool = getattr(blur, f"MaxBlurPool{dims}d")(3, 2, 1, blur_size=5)
        mask = torch.rand(2, 1, *[9] * dims) < 0.9
        assert torch.equal(pool(x, mask=mask), MAX_BLUR[dims](x, 3, 2, 1, blur_size=5, mask=mask))
        assert not pool.state_dict()
    assert repr(blurred) == "BlurPool3d(kernel_size=5, stride=3)"
    assert repr(pool).endswith("kernel_size=3, stride=2, padding=1, dilation=1, blur_size=5)")


@pytest.mark.parametrize(
    ("run", "error", "text"),
    [
        (
            lambda x: blur.blur_pool2d(x, (3, 6)),
            ValueError,
            r"kernel_size must be less than twice the length of x in each dimension, for its ends "
            r"to be reflected, got \(3, 6\) for \(4, 3\)",
        ),
        (
            lambda x: blur.max_blur_pool2d(x, 2, blur_size=4),
            ValueError,
            r"blur_size must be less than .*, got 4 for \(3, 2\)",
        ),
        (lambda x: blur.blur_pool2d(x, 0), ValueError, "kernel_size must be >= 1, got 0"),
        (lambda x: blur.blur_pool2d(x, 3, 0), ValueError, "stride must be >= 1, got 0"),
        (
            lambda x: blur.blur_pool2d(x, 2.0),
            TypeError,
            "kernel_size must be made of ints, got 2.0",
        ),
        (
            lambda x: blur.blur_pool2d(x.int()),
            TypeError,
            "x must be a floating-point tensor, got torch.int32",
        ),
        (
            lambda x: blur.max_blur_pool2d(x.int(), 2),
            TypeError,
            "x must be a floating-point tensor, got torch.int32",
        ),
        (
            lambda x: blur.blur_pool1d(x),
            ValueError,
            r"x must have shape \(channel, length\) or \(batch, channel, length\), got .*",
        ),
        (
            lambda _: blur.BlurPool2d([3] * 3),
            ValueError,
            r"kernel_size must .* 2 of them, got \[3.*",
        ),
        (lambda _: blur.MaxBlurPool2d(2, blur_size=0), ValueError, "blur_size must be >= 1, got 0"),
    ],
)
def test_errors_name_the_argument(run, error, text):
    with pytest.raises(error, match=f"^{text}$"):
        run(torch.ones(2, 2, 4, 3))


def test_the_smallest_input_that_can_be_reflected():
    x = torch.randn(1, 1, 3, dtype=torch.double)
    assert_close(blur.blur_pool1d(x, 5), by_numpy(x, [5], [2]))
    with pytest.raises(ValueError, match="kernel_size"):
        blur.blur_pool1d(x, 6)
