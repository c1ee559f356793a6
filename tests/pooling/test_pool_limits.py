"""Where a pool could lose its value in silence: sums too large, parameters at their ends, ties."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close

from huashi import implementation, pooling

inf, nan = math.inf, math.nan
both_modes = pytest.mark.parametrize("mode", ["auto", "reference"])


def masked_averages(x, mask):
    yield pooling.global_avg_pool(x, mask=mask)
    yield pooling.adaptive_avg_pool2d(x, 1, mask=mask).flatten(1)
    whole = {"count_include_pad": False, "mask": mask}
    yield pooling.avg_pool2d(x, x.shape[2:], **whole).flatten(1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_masked_average_is_rounded_once_however_large_its_sum(dtype, layout):
    x, mask = (torch.rand(2, 8, 56, 56) * 60).to(dtype), torch.ones(2, 1, 56, 56, dtype=torch.bool)
    x, mask[:, :, 40:] = x.contiguous(memory_format=layout), False
    want = torch.from_numpy(x[:, :, :40].double().numpy().mean((2, 3)))
    for y in masked_averages(x, mask):
        assert y.dtype == dtype
        assert_close(y.double(), want, rtol=torch.finfo(dtype).eps / 2, atol=0)


def test_lengths_too():
    x = torch.full((1, 1, 5000), 20.0, dtype=torch.float16)
    assert pooling.global_avg_pool(x, lengths=torch.tensor([4500])).item() == 20


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradients_of_masked_averages_are_rounded_once(dtype, stride):
    x, mask = torch.rand(1, 2, 40, 40).to(dtype).requires_grad_(), torch.rand(1, 1, 40, 40) < 0.7
    options = {"count_include_pad": False, "mask": mask}
    y = pooling.avg_pool2d(x, 3, stride, 1, **options)
    g = torch.rand_like(y) * 1e-3
    x64 = x.detach().double().requires_grad_()
    with implementation("reference"):
        y64 = pooling.avg_pool2d(x64, 3, stride, 1, **options)
    least = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    near = {"rtol": 0.51 * torch.finfo(dtype).eps, "atol": least}
    assert_close(grad(y, x, g)[0].double(), grad(y64, x64, g.double())[0], **near)


@both_modes
def test_a_parameter_that_is_nan_shows(mode):
    x = torch.arange(1.0, 17).view(1, 1, 4, 4).requires_grad_()
    mask, param = torch.eye(4, dtype=torch.bool), torch.tensor(nan, requires_grad=True)
    with implementation(mode):
        for y in (
            pooling.gem_pool2d(x, 2, p=param),
            pooling.global_gem_pool(x, param),
            pooling.log_sum_exp_pool2d(x, 2, r=param),
            pooling.global_log_sum_exp_pool(x, param),
        ):
            assert y.isnan().all()
            assert all(slope.isnan().all() for slope in grad(y.sum(), (x, param)))
        y = pooling.gem_pool2d(x, 2, p=param, mask=mask)
    assert y.isnan().tolist() == [[[[True, False], [False, True]]]]
    assert (grad(y.sum(), x)[0].isnan() == mask).all()


def slope_of_mean(numbers, small):
    """d/ds of log(mean(exp(s x))) / s by its terms in s, in float64; s is small."""
    x = np.asarray(numbers, float).ravel()
    second, third = (((x - x.mean()) ** k).mean() for k in (2, 3))
    fourth = ((x - x.mean()) ** 4).mean() - 3 * second**2
    return second / 2 + small * third / 3 + small**2 * fourth / 8


@pytest.mark.parametrize("small", [1e-3, 1e-4, 1e-6, 1e-8])
def test_slopes_in_a_small_parameter_keep_their_digits(small):
    row, plane = torch.tensor([[[1.0, 2.0, 3.0, 30.0]]]), torch.rand(1, 1, 64, 64) + 0.5
    s = torch.tensor(small, requires_grad=True)
    for x, gem, soft in (
        (row, pooling.gem_pool1d(row, 4, p=s), pooling.log_sum_exp_pool1d(row, 4, r=s)),
        (plane, pooling.global_gem_pool(plane, s), pooling.global_log_sum_exp_pool(plane, s)),
    ):
        numbers = x.double().numpy()
        of_logs = slope_of_mean(np.log(numbers), small) * gem.item()
        assert_close(grad(gem.sum(), s)[0].item(), of_logs, rtol=1e-4, atol=0)
        of_numbers = slope_of_mean(numbers, small)
        assert_close(grad(soft.sum(), s)[0].item(), of_numbers, rtol=2e-4, atol=0)


@pytest.mark.parametrize("small", [-1e-3, 1e-8, 1e-5, 1e-3, 0.02, 0.09])
@pytest.mark.parametrize(
    "pool",
    [
        lambda x, s: pooling.global_gem_pool(x, s),
        lambda x, s: pooling.gem_pool2d(x, 9, p=s),
        lambda x, s: pooling.adaptive_gem_pool2d(x, 3, p=s),
        lambda x, s: pooling.global_log_sum_exp_pool(x, s),
        lambda x, s: pooling.log_sum_exp_pool2d(x, 9, 5, 4, r=s),
    ],
    ids=["global gem", "gem", "adaptive gem", "global log-sum-exp", "log-sum-exp"],
)
def test_all_derivatives_in_a_small_parameter_keep_their_digits(pool, small):
    """Differentiable again, and by torch.func, where formulas compute in the dtype of x."""
    x = torch.rand(1, 1, 32, 32) + 0.5
    found = []
    for dtype in (torch.float32, torch.float64):
        s = torch.tensor(small, dtype=dtype, requires_grad=True)
        leaf = x.to(dtype).requires_grad_()
        first = grad(pool(leaf, s).sum(), s, create_graph=True)[0]
        second, mixed = grad(first, (s, leaf))
        by_func = torch.func.grad(lambda s, x=leaf: pool(x, s).sum())(s.detach())
        slope = torch.func.jvp(lambda s, x=leaf: pool(x, s), (s.detach(),), (torch.ones_like(s),))
        found.append((first, second, mixed, by_func, slope[1]))
    for got, want in zip(*found, strict=True):
        assert_close(got.double(), want, rtol=1e-3, atol=2e-5 * found[1][0].abs().item())


@pytest.mark.parametrize("s", [2e-3, 4.9e-3, 5.1e-3, 0.02, 0.04, 0.2])
def test_formulas_agree_where_one_follows_another(s):
    """Definitions in float64 just below and above the exponents that are small."""
    x = torch.linspace(0.5, 1.5, 64, dtype=torch.float64)[None, None]
    with implementation("reference"):
        soft, gem = pooling.log_sum_exp_pool1d(x, 64, r=s), pooling.gem_pool1d(x, 64, p=s)
    for got, numbers in ((soft, x.numpy()), (gem.log(), np.log(x.numpy()))):
        want = np.log1p(np.expm1(s * numbers).mean()) / s
        assert_close(got.item(), want, rtol=2e-13, atol=0)


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0, 3.0, 20.0])
def test_slopes_in_an_exponent_are_those_of_float64(p):
    x, step = torch.rand(1, 1, 64, 64) + 0.5, 1e-4
    numbers = x.double().numpy()
    low, high = ((numbers**q).mean() ** (1 / q) for q in (p - step, p + step))
    exponent = torch.tensor(p, requires_grad=True)
    slope = grad(pooling.global_gem_pool(x, exponent).sum(), exponent)[0]
    assert_close(slope.item(), (high - low) / (2 * step), rtol=1e-4, atol=0)


@pytest.mark.parametrize("p", [1e-3, 1e-5])
def test_a_small_exponent_of_a_whole_plane_keeps_its_digits(p):
    x = (torch.rand(2, 3, 32, 32) + 0.1).requires_grad_()
    y, logs = pooling.global_gem_pool(x, p), x.detach().double().log()
    geometric = (logs.mean((2, 3)) + p / 2 * logs.var((2, 3), correction=0)).exp()
    assert_close(y.double(), geometric, rtol=2e-6, atol=0)
    share = ((p - 1) * logs).exp() / ((p * logs).exp().mean((2, 3), keepdim=True) * 32 * 32)
    want = geometric[..., None, None] * share
    assert_close(grad(y.sum(), x)[0].double(), want, rtol=1e-5, atol=0)


@both_modes
@pytest.mark.parametrize("infinite", [inf, 1e30])
def test_an_infinite_parameter_gives_the_maximum(infinite, mode):
    x = torch.tensor([[[1.0, 3.0, 3.0, 2.0, 1e30, 2e30, 2.0, 1.0]]], requires_grad=True)
    with implementation(mode):
        whole = pooling.global_gem_pool(x, infinite), pooling.global_log_sum_exp_pool(x, infinite)
        for y in (
            pooling.gem_pool1d(x, 4, p=infinite),
            pooling.log_sum_exp_pool1d(x, 4, r=infinite),
        ):
            assert_close(y, torch.tensor([[[3.0, 2e30]]]))
            assert_close(grad(y.sum(), x)[0], torch.tensor([[[0, 0.5, 0.5, 0, 0, 1, 0, 0]]]))
    for y in whole:
        assert_close(y, torch.tensor([[2e30]]))
        assert_close(grad(y.sum(), x)[0], torch.tensor([[[0.0, 0, 0, 0, 0, 1, 0, 0]]]))


@both_modes
def test_the_gradient_of_a_large_exponent(mode):
    x = torch.tensor([[[1.0, 3.0, 3.0, 2.0]]], requires_grad=True)
    with implementation(mode):
        y = pooling.gem_pool1d(x, 4, p=1e5)
    assert_close(y.item(), 3 * 0.5**1e-5)
    assert_close(grad(y.sum(), x)[0], torch.tensor([[[0.0, 0.5, 0.5, 0.0]]]))


@both_modes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e4, 1e16, 3e38])
def test_pools_of_huge_equals(size, dtype, mode):
    x = torch.full((1, 1, 4), size, dtype=dtype, requires_grad=True)
    with implementation(mode):
        for y in (
            pooling.soft_pool1d(x, 2),
            pooling.global_soft_pool(x),
            pooling.log_sum_exp_pool1d(x, 2, r=1e10),
            pooling.lp_pool1d(x, 1, 4, reduction="mean"),
            pooling.lp_pool1d(x, 1, 2, reduction="mean", mask=torch.ones(4, dtype=torch.bool)),
        ):
            assert_close(y, torch.full_like(y, size))
            want = torch.full_like(x, y.numel() / 4)
            assert_close(grad(y.sum(), x)[0], want)


@both_modes
def test_pools_of_numbers_further_apart_than_a_float_reaches(mode):
    x = torch.tensor([[[-3e38, 3e38, 3e38, 1.0]]], requires_grad=True)
    with implementation(mode):
        for y in (pooling.soft_pool1d(x, 2), pooling.log_sum_exp_pool1d(x, 2, r=2.0)):
            assert_close(y, torch.full_like(y, 3e38))
            assert_close(grad(y.sum(), x)[0], torch.tensor([[[0.0, 1.0, 1.0, 0.0]]]))
        assert_close(pooling.median_pool1d(x, 2), torch.tensor([[[0.0, 1.5e38]]]))


@both_modes
@pytest.mark.parametrize("masked", [False, True])
def test_quantiles_of_infinities(masked, mode):
    """The median is NumPy's, where it is no number: the mean of two infinities of one sign."""
    x = torch.tensor([[[1.0, inf, inf, inf], [-inf, -inf, -inf, 5.0], [1.0, 2.0, inf, inf],
                       [-inf, -inf, 1.0, 2.0], [-inf, -inf, inf, inf]]])  # fmt: skip
    mask = torch.ones(4, dtype=torch.bool) if masked else None
    with implementation(mode):
        y = pooling.median_pool1d(x, 4, mask=mask)
        third = pooling.quantile_pool1d(x, 4, q=0.4, mask=mask)
    for found in (y, third):
        assert_close(found[0, :, 0], torch.tensor([inf, -inf, inf, -inf, nan]), equal_nan=True)
    with np.errstate(invalid="ignore"):
        theirs = torch.from_numpy(np.median(x.numpy(), -1))
    assert_close(y[..., 0], theirs, equal_nan=True)


@both_modes
@pytest.mark.parametrize("shape", [(1, 4), (1, 8), (3, 4)])
def test_of_equals_the_first_are_the_largest(shape, mode):
    share = torch.tensor([3.0, 2.0, 1.0, 0.0])
    x = torch.zeros(1, 1, *shape, requires_grad=True)
    with implementation(mode):
        dx = grad(pooling.sort_pool2d(x, (1, 4), scores=share).sum(), x)[0]
    assert_close(dx.view(-1, 4), share.softmax(0).expand(x.numel() // 4, 4))


@both_modes
def test_of_equals_in_a_large_window_too(mode):
    share, x = torch.tensor([3.0, 2.0, 1.0, 0.0]), torch.zeros(1, 1, 9, 9, requires_grad=True)
    with implementation(mode):
        dx = grad(pooling.sort_pool2d(x, 9, scores=share).sum(), x)[0].flatten()
        norm = pooling.lp_pool1d(torch.tensor([[1.0, 2.0, -2.0]]).requires_grad_(), inf, 3)
    assert_close(dx[:4], share.softmax(0))
    assert not dx[4:].any()
    assert norm.item() == 2


@both_modes
def test_a_minus_infinity_that_is_real_comes_before_what_is_absent(mode):
    x = torch.tensor([[9.0, -inf, 1.0, -inf]], requires_grad=True)
    share = torch.tensor([1.0, 0.0])
    there = torch.tensor([False, True, True, True])
    with implementation(mode):
        y = pooling.sort_pool1d(x, 4, scores=share, mask=there)
        high = pooling.max_pool1d(x, 2, mask=there)
        low = pooling.min_pool1d(-x, 2, mask=there)
        largest = pooling.lp_pool1d(x.clamp(min=-9), inf, 4)
    assert_close(grad(y.sum(), x)[0], torch.tensor([[0, *share.softmax(0).flip(0), 0]]))
    assert high.tolist() == [[-inf, 1.0]]
    assert grad(high.sum(), x)[0].tolist() == [[0, 1, 1, 0]]
    assert grad(low.sum(), x)[0].tolist() == [[0, -1, -1, 0]]
    assert grad(largest.sum(), x)[0].tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize("shape", [(2, 1, 7, 7), (7, 7), (2, 3, 7, 7)])
@pytest.mark.parametrize("windows", [(3, 2, 1), (2, 1), (7,), (5, 1, 2)])
def test_extrema_of_nothing_but_infinities_are_found_as_defined(windows, shape):
    x, mask = (
        torch.rand(2, 3, 7, 7).masked_fill(torch.rand(2, 3, 7, 7) < 0.8, -inf),
        torch.rand(shape) < 0.5,
    )
    for layout in (torch.contiguous_format, torch.channels_last):
        for pool, sign in ((pooling.max_pool2d, 1), (pooling.min_pool2d, -1)):
            found, known = [], (sign * x).contiguous(memory_format=layout).requires_grad_()
            for mode in ("kernel", "reference"):
                with implementation(mode):
                    y = pool(known, *windows, mask=mask)
                found.append(grad(y.sum(), known)[0])
            assert torch.equal(*found)


def test_another_default_device_or_dtype_changes_nothing():
    x = torch.tensor([[1.0, 9.0, 3.0, 2.0, 8.0, 7.0]])
    positions, weight = torch.tensor([2]), torch.ones(1)

    def all_of():
        given = x.clone().requires_grad_()
        yield pooling.median_pool1d(given, 3)
        yield pooling.sort_pool1d(given, 3, scores=weight)
        yield pooling.chunk_max_pool1d(given, 3)
        yield pooling.chunk_max_pool1d(given, 2, positions=positions)
        yield pooling.k_max_pool1d(given, 2)
        yield pooling.max_pool1d(given, 2, return_indices=True)[1]
        yield pooling.max_pool1d(given, 2, mask=given > 2)
        yield pooling.avg_pool1d(given, 3, 2, 1, ceil_mode=True, count_include_pad=False)
        yield pooling.gem_pool1d(given, 2, p=3.0)
        yield pooling.adaptive_avg_pool1d(given, 4, mask=given > 2)
        yield pooling.global_attention_pool(given[None], weight)
        yield pooling.global_attention_pool(
            given[None], weight, lengths=torch.full_like(positions, 4)
        )
        for y in (
            pooling.avg_pool1d(given, 3, 1, 1),
            pooling.sort_pool1d(given, 3, 1, scores=weight),
        ):
            yield grad(y.sum(), given)[0]

    want = [*all_of()]
    for mode in ("kernel", "reference"):
        if mode == "reference":
            torch.set_default_dtype(torch.float64)
        try:
            with torch.device("meta"):
                found = [*all_of()]
        finally:
            torch.set_default_dtype(torch.float32)
        for got, wanted in zip(found, want, strict=True):
            assert got.dtype == wanted.dtype
            assert torch.equal(got, wanted)


def test_a_parameter_given_twice_is_an_error():
    x = torch.ones(1, 1, 4, 4)
    with pytest.raises(TypeError, match=r"kernel_size must be made of ints, got 3\.0"):
        pooling.gem_pool2d(x, 3.0, 2, p=2.0)
    with pytest.raises(TypeError, match=r"kernel_size must be made of ints, got 2\.0"):
        pooling.gem_pool2d(x, 2.0, p=3.0)
    with pytest.raises(TypeError, match="'p'"):
        pooling.gem_pool2d(x, 2.0)
    with pytest.warns(DeprecationWarning, match="takes the window first"):
        assert pooling.gem_pool2d(x, 3.0, kernel_size=2).shape == (1, 1, 2, 2)


def test_one_chunk_needs_no_position():
    x, none = torch.tensor([[1.0, 5.0, 2.0]]), torch.zeros(0, dtype=torch.long)
    assert pooling.chunk_max_pool1d(x, 1, positions=none).tolist() == [[5.0]]
    batch = pooling.chunk_max_pool1d(x[None], 1, positions=none[None])
    assert batch.tolist() == [[[5.0]]]


@pytest.mark.parametrize("mode", ["kernel", "reference"])
@pytest.mark.parametrize("p", [1e-6, 1e-3, 0.05, 0.5, 3.0, 50.0])
def test_a_mean_with_an_infinity_is_infinite(p, mode):
    x = torch.tensor([[[math.inf, 1.0, 1.0, 2.0]]])
    with implementation(mode):
        for y in (pooling.gem_pool1d(x, 2, p=p), pooling.log_sum_exp_pool1d(x, 2, r=p)):
            assert y[0, 0, 0] == math.inf
            assert 1 < y[0, 0, 1] < 2
        assert pooling.global_gem_pool(x, p).item() == math.inf
        assert pooling.lp_pool1d(x, p, 2, reduction="mean")[0, 0, 0] == math.inf
        assert pooling.gem_pool1d(x, 2, p=p, mask=torch.tensor([0, 1, 1, 1]).bool())[0, 0, 0] == 1


@pytest.mark.parametrize("mode", ["kernel", "reference"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("numbers", [(1e32, 1e-6), (3e38, 1e-6), (1e20, 1.0, 1e-6, 7.0)])
@pytest.mark.parametrize("p", [1e-4, 0.05, 0.0999, 0.5])
def test_a_mean_of_elements_that_are_far_apart(numbers, p, dtype, mode):
    logs = np.log(np.array(numbers)) - math.log(max(numbers))
    want = max(numbers) * math.exp(math.log1p(np.expm1(p * logs).mean()) / p)
    x, exponent = torch.tensor([[numbers]], dtype=dtype), torch.tensor(p, dtype=dtype)
    exponent.requires_grad_()
    with implementation(mode):
        y = pooling.gem_pool1d(x, len(numbers), p=exponent)
        slope = grad(y.log().sum(), exponent)[0].item()
    assert_close(y.item(), want, rtol=1e-4 if dtype == torch.float32 else 1e-9, atol=0)
    step = p * 1e-4
    sides = [math.log1p(np.expm1(q * logs).mean()) / q for q in (p - step, p + step)]
    assert_close(slope, (sides[1] - sides[0]) / (2 * step), rtol=2e-3, atol=0)
