"""What others get wrong, beside what is right: each test shows both, so that it tells of a mending."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation, pooling
from tests.pooling.test_pool_tracing import run_onnx


def test_norms_of_odd_order_are_of_magnitudes():
    """pytorch#184037."""
    x = torch.tensor([[[-1.0, -2.0, 3.0, -4.0]]])
    assert F.lp_pool1d(x, 3.0, 2).isnan().any()
    assert_close(pooling.lp_pool1d(x, 3, 2), torch.tensor([[[9 ** (1 / 3), 91 ** (1 / 3)]]]))


def test_the_norm_of_a_part_of_a_window_is_not_scaled_up():
    x = torch.ones(1, 1, 5)
    assert F.lp_pool1d(x, 1.0, 2, 2, ceil_mode=True).tolist() == [[[2, 2, 2]]]
    assert pooling.lp_pool1d(x, 1, 2, 2, ceil_mode=True).tolist() == [[[2, 2, 1]]]


def test_norms_do_not_overflow_in_half_precision():
    x = torch.full((1, 1, 2), 300.0, dtype=torch.float16)
    assert F.lp_pool1d(x, 2.0, 2).isinf().all()
    assert pooling.lp_pool1d(x, 2, 2).item() == 424.25


def test_averages_in_three_dimensions_have_half_precision():
    x = torch.rand(1, 2, 4, 4, 4).half()
    with pytest.raises(RuntimeError, match="not implemented for 'Half'"):
        F.avg_pool3d(x, 2)
    assert_close(pooling.avg_pool3d(x, 2), F.avg_pool3d(x.float(), 2).half())


@pytest.mark.filterwarnings("ignore:max_unpool")  # torch's own is not deterministic
def test_what_is_unpooled_comes_back_to_its_place_in_an_input_of_odd_size():
    x = torch.arange(20.0).view(1, 1, 4, 5)
    x[..., 3, :] = 0
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    assert y.tolist() == [[[[6, 8], [11, 13]]]]
    assert F.max_unpool2d(y, indices, 2).tolist() == [
        [[[0, 0, 0, 0], [0, 0, 6, 0], [8, 0, 0, 11], [0, 13, 0, 0]]]
    ]
    right = pooling.max_unpool2d(*pooling.max_pool2d(x, 2, return_indices="compact"))
    assert_close(right, torch.where(torch.isin(x, y), x, 0))


def test_an_empty_window_has_no_index():
    """Torch's index there lies outside of the plane, and its gradient is written there."""
    x = torch.ones(1, 3, 1, 1)
    windows = {"kernel_size": 2, "padding": 1, "dilation": 2, "return_indices": True}
    _, torchs = F.max_pool2d(x, **windows)
    assert not torch.isin(torchs, torch.tensor([-1, 0])).any()  # the one place there is
    y, indices = pooling.max_pool2d(x.requires_grad_(), **windows)
    assert (indices == -1).all()
    assert y.isneginf().all()
    y.sum().backward()
    assert not x.grad.any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
def test_exports_keep_the_divisor():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    pools = [
        partial(pool, kernel_size=2, divisor_override=3)
        for pool in (F.avg_pool2d, pooling.avg_pool2d)
    ]
    wrong, right = run_onnx(pools, x)
    assert_close(right, pools[0](x))
    assert_close(wrong, F.avg_pool2d(x, 2))


def test_the_largest_stay_in_the_order_of_the_sequence():
    x = torch.tensor([[[5.0, 9.0, 1.0, 7.0]]])
    assert x.topk(3).values.tolist() == [[[9, 7, 5]]]  # what snippets of k-max pooling give
    assert pooling.k_max_pool1d(x, 3).tolist() == [[[5, 9, 7]]]


def published_soft_pool(x, kernel_size):
    """As alexandrosstergiou/SoftPool computes it without CUDA (idea.py, soft_pool2d)."""
    e_x = torch.sum(torch.exp(x), dim=1, keepdim=True)
    return F.avg_pool2d(x.mul(e_x), kernel_size) / F.avg_pool2d(e_x, kernel_size)


def test_soft_weights_neither_overflow_nor_are_shared_by_channels():
    x = torch.randn(1, 3, 4, 4)
    want = (x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).softmax(-1)
            * x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)).sum(-1)  # fmt: skip
    assert not torch.allclose(published_soft_pool(x, 2), want, atol=0.05)
    assert_close(pooling.soft_pool2d(x, 2), want)
    assert published_soft_pool(x + 100, 2).isnan().all()
    assert_close(pooling.soft_pool2d(x + 100, 2), want + 100)


def copied_stochastic_pool(x, kernel_size):
    """As in the copies that go round: any element of a window, in training or not."""
    windows = x.unfold(2, kernel_size, kernel_size).unfold(3, kernel_size, kernel_size).flatten(-2)
    return windows.gather(-1, torch.randint(windows.shape[-1], (*windows.shape[:-1], 1)))[..., 0]


def test_draws_follow_the_activations_and_evaluation_does_not_draw():
    x = torch.tensor([1.0, 0.0, 0.0, 3.0]).view(1, 1, 2, 2).repeat(1, 1, 100, 100)
    assert_close(copied_stochastic_pool(x, 2).mean().item(), 1.0, rtol=0, atol=0.1)
    assert_close(pooling.stochastic_pool2d(x, 2).mean().item(), 2.5, rtol=0, atol=0.1)
    pool = pooling.StochasticPool2d(2).eval()
    assert (pool(x) == 2.5).all()


@pytest.mark.parametrize("mode", ["auto", "reference"])
@pytest.mark.parametrize("small", [1e-3, 1e-4, 1e-6, 1e-8])
def test_a_small_exponent_or_sharpness_costs_no_digits(small, mode):
    """The limits are the geometric and the arithmetic mean; a plain logarithm of a mean loses both."""
    x = torch.tensor([[[0.1, 0.2, 0.3, 0.4, 0.3, 0.9]]])
    rows = x.unfold(-1, 4, 2)
    plain = (rows * small).exp().mean(-1).log() / small
    mean, geometric = rows.mean(-1), rows.log().mean(-1).exp()
    if small < 1e-5:
        assert not torch.allclose(plain, mean, rtol=1e-3)
    with implementation(mode):
        soft = pooling.log_sum_exp_pool1d(x, 4, 2, r=small)
        whole = pooling.global_log_sum_exp_pool(x[..., :4], small)
        gem = pooling.gem_pool1d(x, 4, 2, p=small)
        norm = pooling.lp_pool1d(x, small, 4, 2, reduction="mean")
    near = {"rtol": 1e-6 + 2 * small, "atol": 0}  # as far as the limit is from the value itself
    assert_close(soft, mean, **near)
    assert_close(whole, mean[..., 0], **near)
    assert_close(gem, geometric, **near)
    assert_close(norm, geometric, **near)


def test_the_slope_in_a_small_sharpness_keeps_its_digits():
    x = torch.tensor([[[0.1, 0.2, 0.3, 0.4, 0.3, 0.9]]])
    r = torch.tensor(1e-6, requires_grad=True)
    pooling.log_sum_exp_pool1d(x, 4, 2, r=r).sum().backward()
    variance = x.unfold(-1, 4, 2).var(-1, correction=0).sum()
    assert_close(r.grad, variance / 2, rtol=1e-3, atol=0)


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_what_is_minus_infinity_counts_in_a_mean_of_exponentials(mode):
    """Also where that mean is near 1, of which the logarithm is taken in another way."""
    x = torch.tensor([[[0.0, 0.0, 0.0, -torch.inf, 0.0, 0.0, -torch.inf, -torch.inf]]])
    want = torch.tensor([[[0.75, 0.5]]]).log()
    with implementation(mode):
        for r in (1.0, 0.5):
            assert_close(pooling.log_sum_exp_pool1d(x, 4, r=r), want / r)
        whole = pooling.global_log_sum_exp_pool(x[..., :4], 1.0)
    assert_close(whole, want[..., 0])
