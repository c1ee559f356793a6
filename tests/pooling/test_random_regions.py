"""Adaptive, fractional and S3 pools: torch where it has them, and what the papers say."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.pooling import adaptive, functional, reference
from huashi.pooling import random_regions as regions
from huashi.pooling.geometry import Axis, Bins, bins_of
from tests.pooling.test_reference import image

ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
KINDS = {  # name: (adaptive, over windows)
    "max": (adaptive.adaptive_max_pool, functional.max_pool),
    "min": (adaptive.adaptive_min_pool, functional.min_pool),
    "avg": (adaptive.adaptive_avg_pool, functional.avg_pool),
    "lp": (
        lambda dims, x, size, **real: adaptive.adaptive_lp_pool(dims, x, 3.0, size, **real),
        lambda dims, x, size, **real: functional.lp_pool(dims, x, 3.0, size, **real),
    ),
    "lp_mean": (
        lambda dims, x, size: adaptive.adaptive_lp_pool(dims, x, 2, size, reduction="mean"),
        lambda dims, x, size: functional.lp_pool(dims, x, 2, size, reduction="mean"),
    ),
    "gem": (
        lambda dims, x, size, **real: adaptive.adaptive_gem_pool(dims, x, 3.0, size, eps=0.1, **real),
        lambda dims, x, size, **real: functional.gem_pool(dims, x, 3.0, size, eps=0.1, **real),
    ),
    "soft": (adaptive.adaptive_soft_pool, functional.soft_pool),
}  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@st.composite
def sizes(draw):
    """Lengths and sizes of the output in one to three dimensions, also more bins than elements."""
    n = draw(st.integers(1, 3))
    return [draw(st.integers(1, 7)) for _ in range(n)], [draw(st.integers(1, 8)) for _ in range(n)]


def bins(lengths, outputs):
    """As bins_of, but irregular in form also where they are all of one size."""
    return tuple(
        Bins(
            n,
            tuple(i * n // m for i in range(m)),
            tuple((i * n + n + m - 1) // m for i in range(m)),
        )
        for n, m in zip(lengths, outputs, strict=True)
    )


@given(st.integers(1, 40), st.integers(1, 40))
def test_bins_hold_every_element_and_are_windows_where_they_can_be(length, output):
    axis = bins_of(length, output)
    assert axis.windows == output
    assert isinstance(axis, Axis) == (length % output == 0)
    [written_out] = bins([length], [output])
    if isinstance(axis, Bins):
        assert axis == written_out
    (_, real, places), (_, want_real, want) = (
        reference.windows(torch.ones(length), (each,)) for each in (axis, written_out)
    )
    assert torch.equal(real, want_real)
    assert torch.equal(places[real], want[want_real])
    assert places[real].unique().tolist() == list(range(length))


@given(sizes(), st.integers(0, 99), st.booleans(), st.booleans(), st.booleans())
def test_maximum_is_torchs_in_value_index_and_gradient(shape, seed, ties, nan, batched):
    lengths, outputs = shape
    dims = len(lengths)
    x = image(lengths, seed, ties=ties, nan=nan)
    x = (x if batched else x[0]).requires_grad_()
    want, want_index = ADAPTIVE_MAX[dims](x, outputs, return_indices=True)
    g = torch.randn_like(want)
    for y, index in (
        adaptive.adaptive_max_pool(dims, x, outputs, True),
        reference.extremum(x, bins(lengths, outputs)),
    ):
        assert_close(y, want, equal_nan=True, rtol=0, atol=0)
        assert index.dtype == torch.int64
        assert torch.equal(index, want_index)
        assert_close(grad(y, x, g), grad(want, x, g, retain_graph=True))


@given(sizes(), st.integers(0, 99), st.booleans(), st.booleans())
def test_average_is_torchs(shape, seed, nan, batched):
    lengths, outputs = shape
    dims = len(lengths)
    x = image(lengths, seed, nan=nan)
    x = (x if batched else x[0]).requires_grad_()
    want = ADAPTIVE_AVG[dims](x, outputs)
    g = torch.randn_like(want)
    for y in (
        adaptive.adaptive_avg_pool(dims, x, outputs),
        reference.average(x, bins(lengths, outputs)),
    ):
        assert_close(y, want, equal_nan=True)
        assert_close(grad(y, x, g), grad(want, x, g, retain_graph=True), equal_nan=True)


@given(sizes(), st.integers(0, 99), st.booleans())
def test_minimum_is_the_maximum_of_the_negative(shape, seed, nan):
    lengths, outputs = shape
    x = image(lengths, seed, ties=True, nan=nan)
    y, index = adaptive.adaptive_min_pool(len(lengths), x, outputs, True)
    want, want_index = adaptive.adaptive_max_pool(len(lengths), -x, outputs, True)
    assert_close(y, -want, equal_nan=True, rtol=0, atol=0)
    assert torch.equal(index, want_index)
    alone = adaptive.adaptive_min_pool(len(lengths), x, outputs)
    assert_close(alone, y, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", [(2, 3), (2, 2), (3, None), (7, 1)])
def test_each_bin_is_pooled_as_a_window_of_its_own(kind, output):
    adaptive, pool = KINDS[kind]
    x = torch.randn(2, 3, 5, 6, dtype=torch.double)
    y = adaptive(2, x, output)
    rows, columns = bins([5, 6], [n or 6 for n in output])
    assert y.shape == (2, 3, rows.windows, columns.windows)
    for i, (top, bottom) in enumerate(zip(rows.starts, rows.stops, strict=True)):
        for j, (left, right) in enumerate(zip(columns.starts, columns.stops, strict=True)):
            own = x[..., top:bottom, left:right]
            assert_close(y[..., i : i + 1, j : j + 1], pool(2, own, list(own.shape[-2:])))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "lp_mean"])
@pytest.mark.parametrize("output", [2, 3])  # of 6: regular; of 7: not
def test_masked_elements_are_absent(kind, output):
    adaptive, pool = KINDS[kind]
    length = 7
    lengths = torch.tensor([7, 4, 0])
    inside = torch.arange(length) < lengths[:, None, None]
    x = torch.randn(3, 2, length, dtype=torch.double).masked_fill(~inside, torch.nan)
    for trimmed in (7, 6):
        line = x[..., :trimmed].requires_grad_()
        real = lengths.clamp(max=trimmed)
        y = adaptive(1, line, output, lengths=real)
        assert torch.equal(y, adaptive(1, line, output, mask=inside[..., :trimmed]))
        [axis] = bins([trimmed], [output])
        for n in range(3):
            for o, (start, stop) in enumerate(zip(axis.starts, axis.stops, strict=True)):
                own = line[n : n + 1, :, start : min(stop, int(real[n]))]
                if own.shape[-1]:
                    assert_close(y[n : n + 1, :, o : o + 1], pool(1, own, own.shape[-1]))
                else:
                    identity = {"max": -torch.inf, "min": torch.inf}.get(kind, 0.0)
                    assert (y[n, :, o] == identity).all()
        (slope,) = grad(y.clamp(-9, 9).sum(), line)
        assert not slope[~inside[..., :trimmed].expand_as(slope)].any()
        assert slope.isfinite().all()


def test_an_empty_bin_has_no_index_and_integers_have_extrema():
    x = torch.tensor([[[3, 1, 2, 7, 5]]])
    assert adaptive.adaptive_max_pool1d(x, 2)[0, 0].tolist() == [3, 7]
    assert adaptive.adaptive_min_pool1d(x, 2)[0, 0].tolist() == [1, 2]
    y, index = adaptive.adaptive_max_pool1d(x, 2, True, lengths=torch.tensor([2]))
    assert (y[0, 0, 0].item(), index[0, 0].tolist()) == (3, [0, -1])


def test_what_serves(monkeypatch):
    """Regular bins go to the pools over windows; others to torch, or, masked, to the reference."""
    served = []
    for owner, name in (
        (functional, "max_pool"), (reference, "extremum"), (functional, "avg_pool"), (reference, "average")
    ):  # fmt: skip
        run = getattr(owner, name)
        monkeypatch.setattr(
            owner,
            name,
            lambda *a, run=run, n=f"{owner.__name__}.{name}", **k: served.append(n) or run(*a, **k),
        )
    x, mask = torch.randn(1, 1, 6, 6), torch.ones(6, 6, dtype=torch.bool)
    adaptive.adaptive_max_pool2d(x, (2, 3), mask=mask)
    adaptive.adaptive_avg_pool2d(x, (6, 1))
    assert served[0] == "huashi.pooling.functional.max_pool"
    assert "huashi.pooling.functional.avg_pool" in served
    served.clear()
    adaptive.adaptive_max_pool2d(x, (2, 4))
    adaptive.adaptive_avg_pool2d(x, (4, 1))
    assert served == []
    adaptive.adaptive_max_pool2d(x, (2, 4), mask=mask)
    adaptive.adaptive_avg_pool2d(x, (4, 1), mask=mask)
    assert served == ["huashi.pooling.reference.extremum", "huashi.pooling.reference.average"]
    elsewhere = x.to("meta").requires_grad_()  # where torch's gradient is not deterministic
    adaptive.adaptive_avg_pool2d(elsewhere, (4, 1))
    assert served[2:] == ["huashi.pooling.reference.average"]


def test_pyramid_puts_level_after_level():
    x = torch.randn(2, 3, 9, 7)
    y = adaptive.spatial_pyramid_pool2d(x, (1, 2, 4))
    assert y.shape == (2, 3 * 21)
    assert torch.equal(y[:, :3], x.amax((-1, -2)))
    assert torch.equal(y[:, 3:15], F.adaptive_max_pool2d(x, 2).flatten(1))
    assert torch.equal(y[:, 15:], F.adaptive_max_pool2d(x, 4).flatten(1))
    mean = adaptive.SpatialPyramidPool2d((3, 1), "avg")(x[0])
    assert_close(mean, torch.cat([F.adaptive_avg_pool2d(x[0], n).flatten() for n in (3, 1)]))
    assert adaptive.spatial_pyramid_pool2d(torch.randn(3, 64, 48)).shape == (63,)


# --- fractional


def edges_of(length, output, kernel, seed=0, samples=1):
    """First and last element of each region in one dimension, (samples, output)."""
    u = torch.rand(samples, 1, generator=seeded(seed))
    index, real = regions._fractional_regions(length, output, kernel, u)
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
    index, _ = regions._fractional_regions(25, 18, "disjoint", u)
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
    y, index = regions.fractional_max_pool(dims, x, kernel, output, None, True, generator=seeded(7))
    assert torch.equal(y, want)
    assert torch.equal(index, want_index)
    g = torch.randn_like(y)
    assert_close(grad(y, x, g), grad(want, x, g))


@pytest.mark.parametrize("kernel", [2, (2, 3), "disjoint", "overlapping"])
def test_fractional_maximum_is_that_of_its_regions(kernel):
    x = image([9, 8], 1, ties=True, nan=True)
    mask = torch.rand(2, 1, 9, 8, generator=seeded()) < 0.7
    options = {"output_ratio": 0.6, "return_indices": True}
    y, index = regions.fractional_max_pool2d(x, kernel, generator=seeded(4), **options)
    covered, real = regions.fractional_max_pool2d(
        x, kernel, generator=seeded(4), mask=mask, **options
    )
    assert y.shape == (2, 2, 5, 4)
    kernels = (kernel, kernel) if not isinstance(kernel, tuple) else kernel
    u = torch.rand(2, 2, 2, generator=seeded(4), dtype=x.dtype)
    (rows, in_row), (columns, in_column) = (
        regions._fractional_regions(n, m, k, u[..., d, None])
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
    draw = lambda seed: regions.fractional_max_pool1d(x, "disjoint", 20, generator=seeded(seed))  # noqa: E731
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert len(draw(1).flatten(0, 1).unique(dim=0)) > 10
    fixed = regions.fractional_max_pool1d(x, "disjoint", 20, training=False)
    assert len(fixed.flatten(0, 1).unique(dim=0)) == 1
    module = regions.FractionalMaxPool1d("disjoint", 20, generator=seeded(1))
    assert torch.equal(module(x), draw(1))
    assert torch.equal(module.eval()(x), fixed)


# --- S3


@given(st.integers(2, 30), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_every_cell_keeps_its_share_in_order(length, stride, times, seed):
    assume(length >= stride)
    grid = stride * times
    kept = regions._kept(torch.rand(7, length, generator=seeded(seed)), grid, stride)
    assert kept.shape == (7, length // stride)
    assert (kept.diff() > 0).all()
    cell = kept // grid
    for number in range(-(-length // grid)):
        size = min(grid, length - number * grid)
        assert ((cell == number).sum(-1) == size // stride).all()


def test_every_element_of_a_cell_is_kept_as_often():
    kept = regions._kept(torch.rand(20_000, 6, generator=seeded()), 4, 2)  # 4, and a cell of 2
    often = torch.bincount(kept.flatten(), minlength=6) / 20_000
    assert_close(often, torch.full_like(often, 0.5), rtol=0, atol=0.015)


def test_s3_keeps_rows_and_columns_of_the_maximum():
    x = torch.randn(3, 4, 8, 9)
    high = functional.max_pool2d(x, 3, 1, "same")
    y = regions.s3_pool2d(x, 3, 2, 4, generator=seeded(2))
    assert y.shape == (3, 4, 4, 4)
    generator = seeded(2)
    rows = regions._kept(torch.rand(3, 8, generator=generator), 4, 2)
    columns = regions._kept(torch.rand(3, 9, generator=generator), 4, 2)
    for n in range(3):
        assert torch.equal(y[n], high[n][:, rows[n]][..., columns[n]])
    assert torch.equal(y, regions.s3_pool2d(x, 3, 2, 4, generator=seeded(2)))
    mean = F.avg_pool2d(high, 2)
    assert_close(regions.s3_pool2d(x, 3, 2, 4, training=False), mean)
    module = regions.S3Pool2d(3, 2, 4, generator=seeded(2))
    assert torch.equal(module(x), y)
    assert_close(module.eval()(x), mean)


@pytest.mark.parametrize("training", [True, False])
def test_s3_of_what_is_masked(training):
    x = torch.rand(2, 1, 6) + 1
    lengths = torch.tensor([6, 2])
    poisoned = x.masked_fill(torch.arange(6) >= lengths[:, None, None], torch.nan).requires_grad_()
    options = {"training": training, "lengths": lengths}
    y = regions.s3_pool1d(poisoned, 2, generator=seeded(), **options)
    plain = regions.s3_pool1d(x[:1], 2, training=training, generator=seeded())
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
    "gem": lambda x: adaptive.adaptive_gem_pool2d(x, 3.0, (2, 3)),
    "pyramid": lambda x: adaptive.spatial_pyramid_pool2d(x, (1, 2)),
    "disjoint": lambda x: regions.fractional_max_pool2d(x, "disjoint", 3, training=False),
    "fractional": lambda x: regions.fractional_max_pool2d(x, 2, 3, generator=seeded()),
    "s3": lambda x: regions.s3_pool2d(x, 2, generator=seeded()),
    "s3_mean": lambda x: regions.s3_pool2d(x, 2, training=False),
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
        lambda x: adaptive.adaptive_max_pool2d(x, (2, 3), return_indices=True)[0],
        lambda x: adaptive.adaptive_soft_pool2d(x, 3) + adaptive.adaptive_avg_pool2d(x, 3),
        lambda x: regions.fractional_max_pool2d(x, "overlapping", 3, training=False),
        lambda x: regions.s3_pool2d(x, 2, training=False),
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
        y = regions.fractional_max_pool1d(x, "disjoint", output_ratio=0.7)
        return y, regions.s3_pool1d(x, 2, 2, 4)

    y, z = torch.compile(both, fullgraph=True, backend="aot_eager")(x)
    assert (y.diff() > 0).all()
    assert (z.diff() > 0).all()
    assert y.shape == (4, 3, 16)


def test_modules_are_the_functions():
    x = torch.randn(2, 3, 7)
    for module, want in (
        (adaptive.AdaptiveMaxPool1d(3), adaptive.adaptive_max_pool1d(x, 3)),
        (adaptive.AdaptiveMinPool1d(3), adaptive.adaptive_min_pool1d(x, 3)),
        (adaptive.AdaptiveAvgPool1d(3), adaptive.adaptive_avg_pool1d(x, 3)),
        (adaptive.AdaptiveLPPool1d(3, 2, reduction="mean"), adaptive.adaptive_lp_pool1d(x, 3, 2, reduction="mean")),
        (adaptive.AdaptiveSoftPool1d(3), adaptive.adaptive_soft_pool1d(x, 3)),
    ):  # fmt: skip
        assert_close(module(x), want)
        lengths = torch.tensor([7, 7])
        assert_close(module(x, lengths=lengths), want)
    y, index = adaptive.AdaptiveMaxPool1d(3, return_indices=True)(x)
    assert_close(x.gather(-1, index), y)
    y, index = adaptive.AdaptiveMinPool1d(3, return_indices=True)(x)
    assert_close(x.gather(-1, index), y)
    gem = adaptive.AdaptiveGeMPool1d(3, p=2.0)
    gem(x).sum().backward()
    assert gem.p.grad.isfinite()
    assert_close(gem(x), adaptive.adaptive_gem_pool1d(x, 2.0, 3))
    assert str(adaptive.AdaptiveAvgPool2d((3, None))) == "AdaptiveAvgPool2d(output_size=(3, None))"
    assert "kernel_size=2, stride=2, grid_size=4" in str(regions.S3Pool3d(2, grid_size=4))
    assert "output_ratio=0.7" in str(regions.FractionalMaxPool3d(2, output_ratio=0.7))
    y, index = regions.FractionalMaxPool3d(2, 3, return_indices=True)(torch.randn(1, 6, 6, 6))
    assert (y.shape, index.dtype) == ((1, 3, 3, 3), torch.int64)


X = torch.ones(1, 2, 5, 5)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: adaptive.adaptive_max_pool2d(X, 0), ValueError, "output_size must be >= 1, got"),
        (lambda: adaptive.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, "output_size must be an int or have 2"),
        (lambda: adaptive.adaptive_avg_pool2d(X, 2.0), TypeError, "output_size must be made of ints"),
        (lambda: adaptive.adaptive_avg_pool2d(X.long(), 2), TypeError, "x must be a floating-point tensor"),
        (lambda: adaptive.adaptive_avg_pool1d(X, 2), ValueError, r"x must have shape \(channel, length\) or"),
        (lambda: adaptive.adaptive_max_pool2d(X, 2, "compact"), TypeError, "return_indices must be a bool, got 'compact'"),
        (lambda: adaptive.adaptive_max_pool2d(X, 2, mask=X), TypeError, "mask must be a bool tensor"),
        (lambda: adaptive.adaptive_lp_pool2d(X, 0, 2), ValueError, "norm_type must be > 0, got 0"),
        (lambda: adaptive.adaptive_lp_pool2d(X, 1, 2, reduction="man"), ValueError, "did you mean 'mean'"),
        (lambda: adaptive.adaptive_gem_pool2d(X, -1.0, 2), ValueError, "p must be > 0, got -1.0"),
        (lambda: adaptive.adaptive_gem_pool2d(X, 1.0, 2, eps=0), ValueError, "eps must be > 0, got 0"),
        (lambda: adaptive.spatial_pyramid_pool2d(X, kind="mex"), ValueError, "kind must be one of 'max', 'avg'"),
        (lambda: adaptive.spatial_pyramid_pool2d(X, ()), ValueError, "levels must have at least one"),
        (lambda: regions.fractional_max_pool2d(X, 2), ValueError, "output_size or output_ratio must be given, and not both"),
        (lambda: regions.fractional_max_pool2d(X, 2, 2, 0.5), ValueError, "and not both, got 2 and 0.5"),
        (lambda: regions.fractional_max_pool2d(X, 2, 5), ValueError, "output_size must leave room for regions of 2 in 5 elements, got 5"),
        (lambda: regions.fractional_max_pool2d(X, "disjoint", 6), ValueError, "regions of 1 in 5 elements, got 6"),
        (lambda: regions.fractional_max_pool2d(X, 2, output_ratio=1.0), ValueError, r"output_ratio must be in \(0, 1\), one or 2 of them, got 1.0"),
        (lambda: regions.fractional_max_pool2d(X, "disjunct", 2), ValueError, "did you mean 'disjoint'"),
        (lambda: regions.FractionalMaxPool2d(2), ValueError, "output_size or output_ratio must be given"),
        (lambda: regions.FractionalMaxPool2d(0, 2), ValueError, "kernel_size must be >= 1, got 0"),
        (lambda: regions.s3_pool2d(X, 2, grid_size=3), ValueError, r"grid_size must be a multiple of stride \(2, 2\), got \(3, 3\)"),
        (lambda: regions.s3_pool2d(X, 2, stride=6), ValueError, r"stride must be at most the size of x \(5, 5\), got \(6, 6\)"),
        (lambda: regions.S3Pool2d(2, stride=0), ValueError, "stride must be >= 1, got 0"),
        (lambda: adaptive.AdaptiveMaxPool2d((1, 2, 3)), ValueError, "output_size must be an int or have 2"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, error, complaint):
    with pytest.raises(error, match=complaint):
        call()
