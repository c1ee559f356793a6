"""Adaptive pools: torch where it has them, and each bin a window of its own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation
from huashi._windows import Axis
from huashi.pooling import average, exponentials, extrema, powers, reference
from huashi.pooling.adaptive import extrema as adaptive_extrema
from huashi.pooling.adaptive import means as adaptive_means
from huashi.pooling.adaptive import spatial_pyramid
from huashi.pooling.bins import Bins, bins_of
from tests.pooling.test_reference import image

ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
KINDS = {  # name: (adaptive, over windows)
    "max": (adaptive_extrema.adaptive_max_pool, extrema.max_pool),
    "min": (adaptive_extrema.adaptive_min_pool, extrema.min_pool),
    "avg": (adaptive_means.adaptive_avg_pool, average.avg_pool),
    "lp": (
        lambda dims, x, size, **real: adaptive_means.adaptive_lp_pool(dims, x, 3.0, size, **real),
        lambda dims, x, size, **real: powers.lp_pool(dims, x, 3.0, size, **real),
    ),
    "lp_mean": (
        lambda dims, x, size: adaptive_means.adaptive_lp_pool(dims, x, 2, size, reduction="mean"),
        lambda dims, x, size: powers.lp_pool(dims, x, 2, size, reduction="mean"),
    ),
    "gem": (
        lambda dims, x, size, **real: adaptive_means.adaptive_gem_pool(dims, x, size, p=3.0, eps=0.1, **real),
        lambda dims, x, size, **real: powers.gem_pool(dims, x, size, p=3.0, eps=0.1, **real),
    ),
    "soft": (adaptive_means.adaptive_soft_pool, exponentials.soft_pool),
}  # fmt: skip


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
        adaptive_extrema.adaptive_max_pool(dims, x, outputs, True),
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
        adaptive_means.adaptive_avg_pool(dims, x, outputs),
        reference.average(x, bins(lengths, outputs)),
    ):
        assert_close(y, want, equal_nan=True)
        assert_close(grad(y, x, g), grad(want, x, g, retain_graph=True), equal_nan=True)


@given(sizes(), st.integers(0, 99), st.booleans())
def test_minimum_is_the_maximum_of_the_negative(shape, seed, nan):
    lengths, outputs = shape
    x = image(lengths, seed, ties=True, nan=nan)
    y, index = adaptive_extrema.adaptive_min_pool(len(lengths), x, outputs, True)
    want, want_index = adaptive_extrema.adaptive_max_pool(len(lengths), -x, outputs, True)
    assert_close(y, -want, equal_nan=True, rtol=0, atol=0)
    assert torch.equal(index, want_index)
    alone = adaptive_extrema.adaptive_min_pool(len(lengths), x, outputs)
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
    assert adaptive_extrema.adaptive_max_pool1d(x, 2)[0, 0].tolist() == [3, 7]
    assert adaptive_extrema.adaptive_min_pool1d(x, 2)[0, 0].tolist() == [1, 2]
    y, index = adaptive_extrema.adaptive_max_pool1d(x, 2, True, lengths=torch.tensor([2]))
    assert (y[0, 0, 0].item(), index[0, 0].tolist()) == (3, [0, -1])


def test_what_serves(monkeypatch):
    """Regular bins go to the pools over windows; others to torch, or, masked, to the reference."""
    served = []
    for owner, name in (
        (extrema, "max_pool"), (reference, "extremum"), (average, "avg_pool"), (reference, "average")
    ):  # fmt: skip
        run = getattr(owner, name)
        monkeypatch.setattr(
            owner,
            name,
            lambda *a, run=run, n=f"{owner.__name__}.{name}", **k: served.append(n) or run(*a, **k),
        )
    x, mask = torch.randn(1, 1, 6, 6), torch.ones(6, 6, dtype=torch.bool)
    adaptive_extrema.adaptive_max_pool2d(x, (2, 3), mask=mask)
    with implementation("kernel"):  # torch is faster for so few elements
        adaptive_means.adaptive_avg_pool2d(x, (6, 1))
    assert served[0] == "huashi.pooling.extrema.max_pool"
    assert "huashi.pooling.average.avg_pool" in served
    served.clear()
    adaptive_extrema.adaptive_max_pool2d(x, (2, 4))
    adaptive_means.adaptive_avg_pool2d(x, (4, 1))
    assert served == []
    adaptive_extrema.adaptive_max_pool2d(x, (2, 4), mask=mask)
    adaptive_means.adaptive_avg_pool2d(x, (4, 1), mask=mask)
    assert served == ["huashi.pooling.reference.extremum", "huashi.pooling.reference.average"]
    elsewhere = x.to("meta").requires_grad_()  # where torch's gradient is not deterministic
    adaptive_means.adaptive_avg_pool2d(elsewhere, (4, 1))
    assert served[2:] == ["huashi.pooling.reference.average"]


def test_pyramid_puts_level_after_level():
    x = torch.randn(2, 3, 9, 7)
    y = spatial_pyramid.spatial_pyramid_pool2d(x, (1, 2, 4))
    assert y.shape == (2, 3 * 21)
    assert torch.equal(y[:, :3], x.amax((-1, -2)))
    assert torch.equal(y[:, 3:15], F.adaptive_max_pool2d(x, 2).flatten(1))
    assert torch.equal(y[:, 15:], F.adaptive_max_pool2d(x, 4).flatten(1))
    mean = spatial_pyramid.SpatialPyramidPool2d((3, 1), "avg")(x[0])
    assert_close(mean, torch.cat([F.adaptive_avg_pool2d(x[0], n).flatten() for n in (3, 1)]))
    assert spatial_pyramid.spatial_pyramid_pool2d(torch.randn(3, 64, 48)).shape == (63,)


# --- fractional
