"""Unpooling: everything back at its place, at the size it came from, whatever the windows."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi._windows import axes_of
from huashi.pooling import unpool
from huashi.pooling.extrema import max_pool1d, max_pool2d, max_pool3d
from huashi.pooling.offsets import Places
from huashi.pooling.unpool import MaxUnpool2d, max_unpool1d, max_unpool2d, max_unpool3d

POOL = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}
UNPOOL = {1: max_unpool1d, 2: max_unpool2d, 3: max_unpool3d}
TORCH = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
BACKEND = {"last": "inductor", "max": "aot_eager", "sum": "aot_eager"}  # C++ takes seconds
OVERLAPPING = {"kernel_size": 3, "stride": 2, "padding": 1}


def by_hand(x, index, size, policy):
    """One row at a time, one value at a time."""
    y = torch.zeros(*x.shape[:-1], size, dtype=x.dtype)
    for row, places, values in zip(
        y.view(-1, size),
        index.reshape(-1, index.shape[-1]),
        x.reshape(-1, x.shape[-1]),
        strict=True,
    ):
        found = {}
        for place, value in zip(places.tolist(), values.tolist(), strict=True):
            if place >= 0:
                found.setdefault(place, []).append(value)
        for place, several in found.items():
            row[place] = {"last": several[-1], "max": max(several), "sum": sum(several)}[policy]
    return y


@st.composite
def pools(draw):
    n = draw(st.integers(1, 3))
    lengths = [draw(st.integers(1, 6)) for _ in range(n)]
    kernel = [draw(st.integers(1, 3)) for _ in range(n)]
    dilation = draw(st.integers(1, 2))
    padding = [(dilation * k - draw(st.integers(0, 1)), dilation * k) for k in kernel]
    return lengths, {
        "kernel_size": kernel,
        "stride": [draw(st.integers(1, 3)) for _ in range(n)],
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
    }


@given(pools(), st.sampled_from(unpool.POLICIES), st.integers(0, 99), st.booleans())
def test_each_value_is_where_it_was_found(pool, policy, seed, compact):
    lengths, windows = pool
    n = len(lengths)
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(2, 1, *lengths, generator=generator, dtype=torch.double)
    y, places = POOL[n](image, **windows, return_indices="compact")
    index = places.indices()
    x = torch.randn(y.shape, generator=generator, dtype=torch.double)
    out = (places,) if compact else (index, None, None, 0, lengths)
    got = UNPOOL[n](x, *out, duplicates=policy)
    want = by_hand(x.flatten(-n), index.flatten(-n), math.prod(lengths), policy)
    assert got.shape == image.shape
    assert_close(got.flatten(-n), want)
    maxima = UNPOOL[n](y.clamp(min=-99), *out, duplicates="max")
    held = maxima != 0
    assert torch.equal(maxima[held], image[held])
    assert held.any() == (index >= 0).any()


@pytest.fixture
def torchs():
    """To let PyTorch's own unpooling run, which calls itself not deterministic."""
    torch.use_deterministic_algorithms(False)


def test_an_odd_input_comes_back_at_its_size_where_torch_misplaces(torchs):
    image = torch.arange(25.0, 0, -1).view(1, 1, 5, 5)
    y, places = max_pool2d(image, 2, return_indices="compact")
    want = torch.zeros_like(image)
    want[..., 0:4:2, 0:4:2] = image[..., 0:4:2, 0:4:2]
    assert torch.equal(max_unpool2d(y, places), want)
    assert torch.equal(max_unpool2d(y, places.indices(), output_size=[5, 5]), want)
    guess = F.max_unpool2d(y, places.indices(), 2)
    assert guess[0, 0].nonzero().tolist() == [[0, 0], [0, 2], [2, 2], [3, 0]]
    assert want[0, 0].nonzero().tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("size", [False, True])
def test_agrees_with_torch_where_torch_is_right(n, size, torchs):
    image = torch.randn(2, 3, *[6, 4, 8][:n], dtype=torch.double)
    y, index = POOL[n](image, 2, return_indices=True)
    x = torch.randn_like(y).requires_grad_()
    output_size = image.shape if size else None
    got, want = (f(x, index, 2, output_size=output_size) for f in (UNPOOL[n], TORCH[n]))
    assert torch.equal(got, want)
    g = torch.randn_like(got)
    assert torch.equal(grad(got, x, g)[0], grad(want, x, g)[0])


def test_padding_and_stride_give_torchs_size(torchs):
    image = torch.randn(1, 2, 9, 7)
    y, index = max_pool2d(image, **OVERLAPPING, return_indices=True)
    assert max_unpool2d(y, index, 3, 2, 1).shape == image.shape
    assert torch.equal(max_unpool2d(y, index, 3, 2, 1), F.max_unpool2d(y, index, 3, 2, 1))
    assert max_unpool2d(y, index, 3, 2, ((1, 1), (1, 1))).shape == image.shape


VALUES = torch.tensor([[1.0, 7.0, 7.0, 2.0]])
SHARED = torch.tensor([[3, 1, 1, 1]])


@pytest.mark.parametrize(
    ("policy", "want", "slope"),
    [
        ("last", [0, 2, 0, 1, 0], [30, 0, 0, 10]),
        ("max", [0, 7, 0, 1, 0], [30, 10, 0, 0]),  # the first of equals
        ("sum", [0, 16, 0, 1, 0], [30, 10, 10, 10]),
    ],
)
def test_a_named_rule_decides_between_duplicates(policy, want, slope):
    x = VALUES.clone().requires_grad_()
    y = max_unpool1d(x, SHARED, output_size=[5], duplicates=policy)
    assert y.tolist() == [want]
    g = torch.tensor([[0.0, 10, 20, 30, 40]])
    assert grad(y, x, g)[0].tolist() == [slope]


def test_nan_is_the_largest_and_stays_where_it_is():
    x = torch.tensor([[9.0, torch.nan, 4.0]])
    y = max_unpool1d(x, torch.tensor([[0, 0, 2]]), output_size=[3], duplicates="max")
    assert_close(y, torch.tensor([[torch.nan, 0.0, 4.0]]), equal_nan=True)
    y = max_unpool1d(x.roll(1, -1), torch.tensor([[0, 0, 1]]), output_size=[2])
    assert_close(y, torch.tensor([[9.0, torch.nan]]), equal_nan=True)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_the_sum_of_devices_is_that_of_the_cpu(n, size, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, generator=generator, dtype=torch.double).requires_grad_()
    place = torch.randint(size, (2, n), generator=generator)
    got, want = unpool._add_sorted(x, place, size), unpool._add(x, place, size)
    assert_close(got, want)
    g = torch.randn_like(got)
    assert torch.equal(grad(got, x, g)[0], grad(want, x, g)[0])


def test_an_empty_window_adds_nothing():
    y, places = max_pool2d(
        torch.ones(1, 3, 1, 1), 2, padding=1, dilation=2, return_indices="compact"
    )
    x = torch.ones_like(y).requires_grad_()
    for indices in (places, places.indices()):
        for policy in unpool.POLICIES:
            back = max_unpool2d(x, indices, output_size=[1, 1], duplicates=policy)
            assert not back.any()
            assert not grad(back.sum(), x)[0].any()


@pytest.mark.parametrize("policy", unpool.POLICIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.int32])
def test_keeps_dtype_and_format(dtype, policy, device):
    image = torch.randint(-9, 9, (2, 3, 7, 9), device=device).to(dtype)
    image = image.to(memory_format=torch.channels_last)
    y, places = max_pool2d(image, **OVERLAPPING, return_indices="compact")
    y = y.contiguous(memory_format=torch.channels_last)
    back = max_unpool2d(y, places, duplicates=policy)
    assert (back.dtype, back.shape) == (dtype, image.shape)
    assert back.is_contiguous(memory_format=torch.channels_last)
    plain = max_unpool2d(y.contiguous(), places, duplicates=policy)
    assert plain.is_contiguous()
    assert torch.equal(back, plain)
    assert torch.equal(back, max_unpool2d(y, places, duplicates=policy))
    assert torch.equal(
        back[0], max_unpool2d(y[0], places._replace(offsets=places.offsets[0]), duplicates=policy)
    )


def test_a_half_is_summed_in_float():
    x = torch.tensor([[2048.0] + [1.0] * 8], dtype=torch.float16)
    y = max_unpool1d(x, torch.zeros(1, 9, dtype=torch.long), output_size=[1], duplicates="sum")
    assert y.item() == 2056  # 2048 + 1 is 2048 in half precision


@pytest.mark.parametrize("policy", unpool.POLICIES)
def test_derivatives(policy):
    image = torch.randn(2, 2, 5, 4, dtype=torch.double)
    y, places = max_pool2d(image, **OVERLAPPING, return_indices="compact")
    assert places.indices().flatten(2).sort().values.diff().eq(0).any()  # windows share maxima
    x = torch.randn_like(y).requires_grad_()

    def run(x):
        return max_unpool2d(x, places, duplicates=policy)

    assert gradcheck(run, x, check_forward_ad=True)
    assert gradgradcheck(lambda x: run(x).sin(), x)


@pytest.mark.parametrize("policy", unpool.POLICIES)
def test_vmap_is_the_batch(policy):
    y, index = max_pool2d(torch.randn(3, 2, 5, 4), **OVERLAPPING, return_indices=True)
    x = torch.randn_like(y)

    def run(x, index):
        return max_unpool2d(x, index, output_size=[5, 4], duplicates=policy)

    assert torch.equal(torch.vmap(run)(x, index), run(x, index))
    slopes = torch.vmap(torch.func.grad(lambda x, index: run(x, index).pow(2).sum()))(x, index)
    x = x.requires_grad_()
    assert_close(slopes, grad(run(x, index).pow(2).sum(), x)[0])


@pytest.mark.parametrize("policy", unpool.POLICIES)
def test_compiles_without_graph_breaks(policy):
    y, places = max_pool2d(torch.randn(2, 3, 7, 5), **OVERLAPPING, return_indices="compact")
    x = torch.randn_like(y).requires_grad_()
    g = torch.randn(2, 3, 7, 5)

    def run(x, places):
        return max_unpool2d(x, places, duplicates=policy)

    got, want = (
        torch.compile(run, fullgraph=True, backend=BACKEND[policy])(x, places),
        run(x, places),
    )
    assert_close(got, want)
    assert_close(grad(got, x, g), grad(want, x, g))


@pytest.mark.parametrize("return_indices", [True, "compact"])
def test_shapes_on_meta(return_indices):
    x = torch.empty(2, 3, 8, 6, device="meta")
    y, indices = max_pool2d(x, 2, return_indices=return_indices)
    assert max_unpool2d(y, indices, None if return_indices == "compact" else 2).shape == x.shape


def test_the_module_is_the_function():
    y, index = max_pool2d(torch.randn(1, 2, 8, 6), **OVERLAPPING, return_indices=True)
    module = MaxUnpool2d(3, 2, 1, duplicates="sum")
    got = module(y, index, [8, 6])
    assert torch.equal(got, max_unpool2d(y, index, 3, 2, 1, [8, 6], duplicates="sum"))
    assert repr(module) == "MaxUnpool2d(kernel_size=3, stride=2, padding=1, duplicates=sum)"
    y, places = max_pool2d(torch.randn(1, 2, 7, 5), 2, return_indices="compact")
    assert MaxUnpool2d()(y, places).shape == (1, 2, 7, 5)
    assert MaxUnpool2d(2)(y, places).shape == (1, 2, 7, 5)


X = torch.ones(1, 1, 2, 2)
AXES = axes_of([4, 5], 2)
GOOD = Places(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), AXES)
PADDED = Places(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), axes_of([2, 2], 2, padding=1))
INDEX = torch.zeros(1, 1, 2, 2, dtype=torch.long)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((INDEX + 16, 2), r"indices must be from -1 to 15, in an output of \(4, 4\), got 16 to 16"),
        ((INDEX - 2, 2), "indices must be .*, got -2 to -2"),
        (
            (INDEX[..., :1], 2),
            r"indices must have the shape of x \(1, 1, 2, 2\), got \(1, 1, 2, 1\)",
        ),
        ((INDEX,), "output_size or kernel_size must be given with a tensor, got neither"),
        ((INDEX, None, 2), "kernel_size must be given where stride or padding is"),
        ((INDEX, 2, 2, "same"), "padding must be numbers with a tensor of indices, got 'same'"),
        ((INDEX, 2, 2, 4), "padding must leave something of the output, got 4"),
        (
            (INDEX, 2, 2, 0, [6, 4]),
            r"output_size must be less than a stride from \(4, 4\), got \(6, 4\)",
        ),
        ((INDEX, 2, 2, 0, [4]), r"output_size must be 2 numbers > 0, or 4, got \(4,\)"),
        ((GOOD._replace(offsets=GOOD.offsets[..., :1]),), "indices must be for the windows of x"),
        ((GOOD._replace(axes=axes_of([6, 5], 2)),), r"of \(1, 1, 2, 2\) in 3 x 2 windows"),
        ((GOOD._replace(axes=AXES[:1]),), "indices must be for the windows of x"),
        (
            (GOOD._replace(offsets=GOOD.offsets + 4),),
            r"must be from -1 to 19, .* got -2 to -2, an offset to no",
        ),
        (
            (PADDED,),
            r"indices must be from -1 to 3, in an output of \(2, 2\), got -2 to 3, an offset to no element",
        ),
        ((GOOD, 3), "kernel_size, stride and padding must be those of indices, got 3, None and 0"),
        ((GOOD, None, None, 0, [4, 4]), r"output_size must be \(4, 5\), which indices come from"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        max_unpool2d(X, *arguments)


def test_an_offset_that_wraps_into_another_row_is_refused():
    axes = axes_of([1, 1], 2, padding=1, dilation=2)
    y, places = max_pool2d(
        torch.ones(1, 1, 1, 1), 2, padding=1, dilation=2, return_indices="compact"
    )
    assert places.axes == axes
    with pytest.raises(ValueError, match="got -2 to -2, an offset to no element"):
        max_unpool2d(y, Places(torch.zeros_like(places.offsets), axes))


def test_kinds_are_checked():
    with pytest.raises(
        TypeError, match=r"indices must be Places or an int64 tensor, got torch.int32"
    ):
        max_unpool2d(X, INDEX.int(), 2)
    with pytest.raises(
        TypeError, match=r"indices must have uint8, int16 or int32 offsets, got torch.int64"
    ):
        max_unpool2d(X, GOOD._replace(offsets=INDEX))
    with pytest.raises(ValueError, match=r"duplicates must be one of .* did you mean 'last'"):
        max_unpool2d(X, GOOD, duplicates="lst")
    with pytest.raises(ValueError, match="kernel_size must be >= 1, got 0"):
        MaxUnpool2d(0)
