"""Fractional and S3 pools, what they say of the papers; and what adaptive pools share with them."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.pooling import extrema
from huashi.pooling.adaptive import extrema as adaptive_extrema
from huashi.pooling.adaptive import means as adaptive_means
from huashi.pooling.adaptive import spatial_pyramid
from huashi.pooling.random_regions import fractional, s3
from tests.pooling.test_adaptive import KINDS
from tests.pooling.test_reference import image


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def edges_of(length, output, kernel, seed=0, samples=1):
    """First and last element of each region in one dimension, (samples, output)."""
    u = torch.rand(samples, 1, generator=seeded(seed))
    index, real = fractional._fractional_regions(length, output, kernel, u)
    return index.amin(-1), torch.where(real, index, -1).amax(-1)


@given(st.integers(1, 60), st.data(), st.integers(0, 99))
def test_disjoint_regions_cover_all_and_grow_by_one_or_two(length, data, seed):
    output = data.draw(st.integers(1, length))
    first, last = edges_of(length, output, "disjoint", seed, samples=20)
    assert (first[:, 0] == 0).all()
    assert (last[:, -1] == length - 1).all()
    assert torch.equal(last[:, :-1] + 1, first[:, 1:])
    size = last - first + 1
    assert set(size.unique().tolist()) <= {length // output, -(-length // output)}


@given(st.integers(2, 60), st.data(), st.integers(0, 99))
def test_overlapping_regions_share_their_edges(length, data, seed):
    output = data.draw(st.integers(1, length - 1))
    first, last = edges_of(length, output, "overlapping", seed, samples=20)
    assert (first[:, 0] == 0).all()
    assert (last[:, -1] == length - 1).all()
    assert torch.equal(last[:, :-1], first[:, 1:])
    steps = {(length - 1) // output, -(-(length - 1) // output)}
    assert set((last - first).unique().tolist()) <= steps


def test_regions_of_a_ratio_between_one_and_two_have_one_or_two_elements():
    first, last = edges_of(25, 18, "disjoint", samples=200)
    size = last - first + 1
    assert set(size.unique().tolist()) == {1, 2}
    assert ((size == 2).sum(-1) == 7).all()  # as many as it takes


def test_u_is_uniform():
    """Each region is the larger one as often as in the paper's sequence over all u in (0, 1)."""
    first, last = edges_of(25, 18, "disjoint", samples=20_000)
    u = (torch.arange(10_000, dtype=torch.double)[:, None] + 0.5) / 10_000
    steps = torch.ceil(25 / 18 * (torch.arange(19) + u)).diff()
    often, want = ((many == 2).double().mean(0) for many in (last - first + 1, steps))
    assert_close(often, want, rtol=0, atol=0.015)


def test_edges_are_the_sequence_of_the_paper():
    u = torch.tensor([[0.3], [0.9]])
    index, _ = fractional._fractional_regions(25, 18, "disjoint", u)
    alpha = 25 / 18
    want = torch.ceil(alpha * (torch.arange(18) + u)) - torch.ceil(alpha * u)
    assert torch.equal(index.amin(-1), want.long())


@pytest.mark.parametrize(("dims", "order"), [(2, [1, 0]), (3, [0, 1, 2])])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("output", [(5, 4, 3), (1, 4, 1)])
def test_regions_of_fixed_size_are_torchs(dims, order, kernel, output):
    pool = {2: F.fractional_max_pool2d, 3: F.fractional_max_pool3d}[dims]
    full, output = [9, 8, 7][:dims], output[:dims]
    x = image(full, 3, ties=True).requires_grad_()
    u = torch.rand(2, 2, dims, generator=seeded(7), dtype=x.dtype)
    samples = u[..., order]  # torch draws for the width first
    want, want_index = pool(x, kernel, output, return_indices=True, _random_samples=samples)
    y, index = fractional.fractional_max_pool(
        dims, x, kernel, output, None, True, generator=seeded(7)
    )
    assert torch.equal(y, want)
    assert torch.equal(index, want_index)
    g = torch.randn_like(y)
    assert_close(grad(y, x, g), grad(want, x, g))


@pytest.mark.parametrize("kernel", [2, (2, 3), "disjoint", "overlapping"])
def test_fractional_maximum_is_that_of_its_regions(kernel):
    x = image([9, 8], 1, ties=True, nan=True)
    mask = torch.rand(2, 1, 9, 8, generator=seeded()) < 0.7
    options = {"output_ratio": 0.6, "return_indices": True}
    y, index = fractional.fractional_max_pool2d(x, kernel, generator=seeded(4), **options)
    covered, real = fractional.fractional_max_pool2d(
        x, kernel, generator=seeded(4), mask=mask, **options
    )
    assert y.shape == (2, 2, 5, 4)
    kernels = (kernel, kernel) if not isinstance(kernel, tuple) else kernel
    u = torch.rand(2, 2, 2, generator=seeded(4), dtype=x.dtype)
    (rows, in_row), (columns, in_column) = (
        fractional._fractional_regions(n, m, k, u[..., d, None])
        for d, (n, m, k) in enumerate(zip((9, 8), (5, 4), kernels, strict=True))
    )
    for b, c, i, j in torch.cartesian_prod(*map(torch.arange, y.shape)).tolist():
        own_rows = rows[b, c, i][in_row[b, c, i]]
        own_columns = columns[b, c, j][in_column[b, c, j]]
        at = slice(own_rows[0], own_rows[-1] + 1), slice(own_columns[0], own_columns[-1] + 1)
        own, seen = x[b, c][at], mask[b, 0][at]
        assert_close(y[b, c, i, j], own.max(), equal_nan=True, rtol=0, atol=0)
        assert_close(x[b, c].flatten()[index[b, c, i, j]], own.max(), equal_nan=True)
        want = own[seen].max() if seen.any() else torch.tensor(-torch.inf, dtype=x.dtype)
        assert_close(covered[b, c, i, j], want, equal_nan=True, rtol=0, atol=0)
        assert (real[b, c, i, j] == -1) == (not seen.any())


def test_draws_are_repeatable_and_channels_have_their_own():
    x = torch.arange(31.0).expand(2, 50, 31)
    draw = lambda seed: fractional.fractional_max_pool1d(x, "disjoint", 20, generator=seeded(seed))  # noqa: E731
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert len(draw(1).flatten(0, 1).unique(dim=0)) > 10
    fixed = fractional.fractional_max_pool1d(x, "disjoint", 20, training=False)
    assert len(fixed.flatten(0, 1).unique(dim=0)) == 1
    module = fractional.FractionalMaxPool1d("disjoint", 20, generator=seeded(1))
    assert torch.equal(module(x), draw(1))
    assert torch.equal(module.eval()(x), fixed)


# --- S3


@given(st.integers(2, 30), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_every_cell_keeps_its_share_in_order(length, stride, times, seed):
    assume(length >= stride)
    grid = stride * times
    kept = s3._kept(torch.rand(7, length, generator=seeded(seed)), grid, stride)
    assert kept.shape == (7, length // stride)
    assert (kept.diff() > 0).all()
    cell = kept // grid
    for number in range(-(-length // grid)):
        size = min(grid, length - number * grid)
        assert ((cell == number).sum(-1) == size // stride).all()


def test_every_element_of_a_cell_is_kept_as_often():
    kept = s3._kept(torch.rand(20_000, 6, generator=seeded()), 4, 2)  # 4, and a cell of 2
    often = torch.bincount(kept.flatten(), minlength=6) / 20_000
    assert_close(often, torch.full_like(often, 0.5), rtol=0, atol=0.015)


def test_s3_keeps_rows_and_columns_of_the_maximum():
    x = torch.randn(3, 4, 8, 9)
    high = extrema.max_pool2d(x, 3, 1, "same")
    y = s3.s3_pool2d(x, 3, 2, 4, generator=seeded(2))
    assert y.shape == (3, 4, 4, 4)
    generator = seeded(2)
    rows = s3._kept(torch.rand(3, 8, generator=generator), 4, 2)
    columns = s3._kept(torch.rand(3, 9, generator=generator), 4, 2)
    for n in range(3):
        assert torch.equal(y[n], high[n][:, rows[n]][..., columns[n]])
    assert torch.equal(y, s3.s3_pool2d(x, 3, 2, 4, generator=seeded(2)))
    mean = F.avg_pool2d(high, 2)
    assert_close(s3.s3_pool2d(x, 3, 2, 4, training=False), mean)
    module = s3.S3Pool2d(3, 2, 4, generator=seeded(2))
    assert torch.equal(module(x), y)
    assert_close(module.eval()(x), mean)


@pytest.mark.parametrize("training", [True, False])
def test_s3_of_what_is_masked(training):
    x = torch.rand(2, 1, 6) + 1
    lengths = torch.tensor([6, 2])
    poisoned = x.masked_fill(torch.arange(6) >= lengths[:, None, None], torch.nan).requires_grad_()
    options = {"training": training, "lengths": lengths}
    y = s3.s3_pool1d(poisoned, 2, generator=seeded(), **options)
    plain = s3.s3_pool1d(x[:1], 2, training=training, generator=seeded())
    assert y.isfinite().all()
    assert y[1, 0, 0] > 1
    assert not y[1, 0, 1:].any()
    if not training:  # the draws of the first sample come first as well
        assert_close(y[:1], plain)
        assert_close(y[1, 0, 0], (x[1, 0, :2].max() + x[1, 0, 1]) / 2)
    (slope,) = grad(y.sum(), poisoned)
    assert slope.isfinite().all()
    assert not slope[1, 0, 2:].any()


# --- all of them

SEEDED = {
    **{name: lambda x, kind=kind: kind[0](2, x, (2, 3)) for name, kind in KINDS.items()},
    "gem": lambda x: adaptive_means.adaptive_gem_pool2d(x, (2, 3), p=3.0),
    "pyramid": lambda x: spatial_pyramid.spatial_pyramid_pool2d(x, (1, 2)),
    "disjoint": lambda x: fractional.fractional_max_pool2d(x, "disjoint", 3, training=False),
    "fractional": lambda x: fractional.fractional_max_pool2d(x, 2, 3, generator=seeded()),
    "s3": lambda x: s3.s3_pool2d(x, 2, generator=seeded()),
    "s3_mean": lambda x: s3.s3_pool2d(x, 2, training=False),
}


@pytest.mark.parametrize("name", SEEDED)
def test_derivatives_of_both_orders(name):
    x = (torch.randn(1, 2, 5, 4, dtype=torch.double) + 0.01).requires_grad_()
    assert gradcheck(SEEDED[name], x)
    assert gradgradcheck(SEEDED[name], x)


@pytest.mark.parametrize("name", SEEDED)
def test_unbatched_empty_strided_and_half_precision(name):
    run, x = SEEDED[name], torch.randn(2, 3, 7, 6)
    if name not in ("fractional", "s3"):  # whose draws depend on the batch
        assert_close(run(x[1]), run(x)[1])
    assert run(x[1]).shape == run(x)[1].shape
    assert run(x[:0]).shape == (0, *run(x).shape[1:])
    want = run(x)
    assert_close(run(x.to(memory_format=torch.channels_last)), want)
    assert_close(run(x.mT.contiguous().mT), want)
    for dtype in (torch.bfloat16, torch.float16):
        y = run(x.to(dtype))
        assert y.dtype == dtype
        assert_close(y.float(), run(x.to(dtype).float()), rtol=8e-3, atol=1e-3)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: adaptive_extrema.adaptive_max_pool2d(x, (2, 3), return_indices=True)[0],
        lambda x: (
            adaptive_means.adaptive_soft_pool2d(x, 3) + adaptive_means.adaptive_avg_pool2d(x, 3)
        ),
        lambda x: fractional.fractional_max_pool2d(x, "overlapping", 3, training=False),
        lambda x: s3.s3_pool2d(x, 2, training=False),
    ],
)
def test_compiles_in_one_graph(run):
    x = torch.randn(1, 2, 7, 5, requires_grad=True)
    y, z = run(x), torch.compile(run, fullgraph=True, backend="aot_eager")(x)
    assert_close(z, y)
    assert_close(grad(z.sum(), x), grad(y.sum(), x))


def test_random_pools_compile_in_one_graph():
    x = torch.arange(24.0).expand(4, 3, 24)

    def both(x):
        y = fractional.fractional_max_pool1d(x, "disjoint", output_ratio=0.7)
        return y, s3.s3_pool1d(x, 2, 2, 4)

    y, z = torch.compile(both, fullgraph=True, backend="aot_eager")(x)
    assert (y.diff() > 0).all()
    assert (z.diff() > 0).all()
    assert y.shape == (4, 3, 16)


def test_modules_are_the_functions():
    x = torch.randn(2, 3, 7)
    for module, want in (
        (adaptive_extrema.AdaptiveMaxPool1d(3), adaptive_extrema.adaptive_max_pool1d(x, 3)),
        (adaptive_extrema.AdaptiveMinPool1d(3), adaptive_extrema.adaptive_min_pool1d(x, 3)),
        (adaptive_means.AdaptiveAvgPool1d(3), adaptive_means.adaptive_avg_pool1d(x, 3)),
        (adaptive_means.AdaptiveLPPool1d(3, 2, reduction="mean"), adaptive_means.adaptive_lp_pool1d(x, 3, 2, reduction="mean")),
        (adaptive_means.AdaptiveSoftPool1d(3), adaptive_means.adaptive_soft_pool1d(x, 3)),
    ):  # fmt: skip
        assert_close(module(x), want)
        lengths = torch.tensor([7, 7])
        assert_close(module(x, lengths=lengths), want)
    y, index = adaptive_extrema.AdaptiveMaxPool1d(3, return_indices=True)(x)
    assert_close(x.gather(-1, index), y)
    y, index = adaptive_extrema.AdaptiveMinPool1d(3, return_indices=True)(x)
    assert_close(x.gather(-1, index), y)
    gem = adaptive_means.AdaptiveGeMPool1d(3, p=2.0)
    gem(x).sum().backward()
    assert gem.p.grad.isfinite()
    assert_close(gem(x), adaptive_means.adaptive_gem_pool1d(x, 3, p=2.0))
    assert (
        str(adaptive_means.AdaptiveAvgPool2d((3, None)))
        == "AdaptiveAvgPool2d(output_size=(3, None))"
    )
    assert "kernel_size=2, stride=2, grid_size=4" in str(s3.S3Pool3d(2, grid_size=4))
    assert "output_ratio=0.7" in str(fractional.FractionalMaxPool3d(2, output_ratio=0.7))
    y, index = fractional.FractionalMaxPool3d(2, 3, return_indices=True)(torch.randn(1, 6, 6, 6))
    assert (y.shape, index.dtype) == ((1, 3, 3, 3), torch.int64)


X = torch.ones(1, 2, 5, 5)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: adaptive_extrema.adaptive_max_pool2d(X, 0), ValueError, "output_size must be >= 1, got"),
        (lambda: adaptive_means.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, "output_size must be an int or have 2"),
        (lambda: adaptive_means.adaptive_avg_pool2d(X, 2.0), TypeError, "output_size must be made of ints"),
        (lambda: adaptive_means.adaptive_avg_pool2d(X.long(), 2), TypeError, "x must be a floating-point tensor"),
        (lambda: adaptive_means.adaptive_avg_pool1d(X, 2), ValueError, r"x must have shape \(channel, length\) or"),
        (lambda: adaptive_extrema.adaptive_max_pool2d(X, 2, "compact"), TypeError, "return_indices must be a bool, got 'compact'"),
        (lambda: adaptive_extrema.adaptive_max_pool2d(X, 2, mask=X), TypeError, "mask must be a bool tensor"),
        (lambda: adaptive_means.adaptive_lp_pool2d(X, 0, 2), ValueError, "norm_type must be > 0, got 0"),
        (lambda: adaptive_means.adaptive_lp_pool2d(X, 1, 2, reduction="man"), ValueError, "did you mean 'mean'"),
        (lambda: adaptive_means.adaptive_gem_pool2d(X, 2, p=-1.0), ValueError, "p must be > 0, got -1.0"),
        (lambda: adaptive_means.adaptive_gem_pool2d(X, 2, p=1.0, eps=0), ValueError, "eps must be > 0, got 0"),
        (lambda: spatial_pyramid.spatial_pyramid_pool2d(X, kind="mex"), ValueError, "kind must be one of 'max', 'avg'"),
        (lambda: spatial_pyramid.spatial_pyramid_pool2d(X, ()), ValueError, "levels must have at least one"),
        (lambda: fractional.fractional_max_pool2d(X, 2), ValueError, "output_size or output_ratio must be given, and not both"),
        (lambda: fractional.fractional_max_pool2d(X, 2, 2, 0.5), ValueError, "and not both, got 2 and 0.5"),
        (lambda: fractional.fractional_max_pool2d(X, 2, 5), ValueError, "output_size must leave room for regions of 2 in 5 elements, got 5"),
        (lambda: fractional.fractional_max_pool2d(X, "disjoint", 6), ValueError, "regions of 1 in 5 elements, got 6"),
        (lambda: fractional.fractional_max_pool2d(X, 2, output_ratio=1.0), ValueError, r"output_ratio must be in \(0, 1\), one or 2 of them, got 1.0"),
        (lambda: fractional.fractional_max_pool2d(X, "disjunct", 2), ValueError, "did you mean 'disjoint'"),
        (lambda: fractional.FractionalMaxPool2d(2), ValueError, "output_size or output_ratio must be given"),
        (lambda: fractional.FractionalMaxPool2d(0, 2), ValueError, "kernel_size must be >= 1, got 0"),
        (lambda: s3.s3_pool2d(X, 2, grid_size=3), ValueError, r"grid_size must be a multiple of stride \(2, 2\), got \(3, 3\)"),
        (lambda: s3.s3_pool2d(X, 2, stride=6), ValueError, r"stride must be at most the size of x \(5, 5\), got \(6, 6\)"),
        (lambda: s3.S3Pool2d(2, stride=0), ValueError, "stride must be >= 1, got 0"),
        (lambda: adaptive_extrema.AdaptiveMaxPool2d((1, 2, 3)), ValueError, "output_size must be an int or have 2"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, error, complaint):
    with pytest.raises(error, match=complaint):
        call()
