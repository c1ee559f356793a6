"""Global pools: one number for each channel, of the elements that are real."""

import pytest
import torch
from torch import nn
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.testing import assert_close

from huashi import pooling
from huashi.pooling.global_pooling.across_channels import (
    GlobalAttentionPool,
    global_attention_pool,
    global_covariance_pool,
)
from huashi.pooling.global_pooling.classifier_heads import fc_head, gap_head
from huashi.pooling.global_pooling.per_channel import (
    GlobalGeMPool,
    GlobalLogSumExpPool,
    GlobalLPPool,
    global_avg_pool,
    global_gem_pool,
    global_log_sum_exp_pool,
    global_lp_pool,
    global_max_pool,
    global_min_pool,
    global_soft_pool,
)

WEIGHT = torch.tensor([0.7, -0.4, 0.2])


def attention(x, **real):
    return global_attention_pool(x, WEIGHT.to(x.device), **real)


def covariance(v):
    """Of (batch, channel, positions), by torch's own."""
    return torch.stack([torch.cov(one, correction=0).reshape(3, 3) for one in v])


def attended(v):
    share = torch.einsum("bcl,c->bl", v, WEIGHT.to(v)).softmax(-1)
    return (share[:, None] * v).sum(-1)


KINDS = {  # name: (pool, the formula of (batch, channel, positions))
    "max": (global_max_pool, lambda v: v.amax(-1)),
    "min": (global_min_pool, lambda v: v.amin(-1)),
    "avg": (global_avg_pool, lambda v: v.mean(-1)),
    "lp": (
        lambda x, **real: global_lp_pool(x, 3, **real),
        lambda v: v.abs().pow(3).sum(-1).pow(1 / 3),
    ),
    "l2": (
        lambda x, **real: global_lp_pool(x, 2, reduction="mean", **real),
        lambda v: v.square().mean(-1).sqrt(),
    ),
    "gem": (
        lambda x, **real: global_gem_pool(x, 3, 0.1, **real),
        lambda v: v.clamp(min=0.1).pow(3).mean(-1).pow(1 / 3),
    ),
    "log_sum_exp": (
        lambda x, **real: global_log_sum_exp_pool(x, 2, **real),
        lambda v: v.mul(2).exp().mean(-1).log() / 2,
    ),
    "soft": (global_soft_pool, lambda v: (v.softmax(-1) * v).sum(-1)),
    "attention": (attention, attended),
    "covariance": (global_covariance_pool, covariance),
}
SHAPES = [(2, 3, 7), (2, 3, 4, 5), (1, 3, 2, 3, 4), (2, 3, 1)]


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.mark.parametrize("shape", SHAPES)
def test_is_what_its_formula_says(kind, shape):
    pool, formula = kind
    x = torch.randn(shape, dtype=torch.double)
    y = pool(x)
    assert y.shape[:2] == shape[:2]
    assert_close(y, formula(x.flatten(2)))


def test_a_sample_is_pooled_as_if_trimmed(kind):
    pool, _ = kind
    lengths = torch.tensor([5, 2, 1, 4])
    x = torch.randn(4, 3, 5, dtype=torch.double)
    inside = torch.arange(5) < lengths[:, None, None]
    x = x.masked_fill(~inside, torch.nan).requires_grad_()
    y = pool(x, lengths=lengths)
    assert torch.equal(y, pool(x, mask=inside))
    for n, length in enumerate(lengths.tolist()):
        trimmed = x[n : n + 1, :, :length]
        own = pool(trimmed)
        assert_close(y[n : n + 1], own)
        g = torch.randn_like(own)
        slope = grad((y[n : n + 1] * g).sum(), x, retain_graph=True)[0]
        assert_close(slope, grad((own * g).sum(), x)[0])


def test_an_image_is_pooled_where_its_mask_is_true(kind):
    pool, _ = kind
    x = torch.randn(2, 3, 4, 5, dtype=torch.double)
    mask = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    mask[0, :, 1:3, 2:] = mask[1, :, :, 1:2] = True
    y = pool(x.masked_fill(~mask, torch.nan), mask=mask)
    assert_close(y[:1], pool(x[:1, :, 1:3, 2:]))
    assert_close(y[1:], pool(x[1:, :, :, 1:2]))
    shared = pool(x, mask=mask[0, 0])  # one mask for the whole batch
    assert_close(shared, pool(x[:, :, 1:3, 2:]))


def test_where_nothing_is_real_stands_the_identity(kind):
    pool, _ = kind
    x = torch.full((1, 3, 4), torch.nan, requires_grad=True)
    y = pool(x, lengths=torch.tensor([0]))
    identity = {global_max_pool: -torch.inf, global_min_pool: torch.inf}.get(pool, 0.0)
    assert (y == identity).all()
    assert not grad(y.sum(), x)[0].any()


def test_derivatives_of_both_orders(kind):
    pool, _ = kind
    x = torch.randn(2, 3, 2, 3, dtype=torch.double, requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    for real in ({}, {"mask": mask}):
        assert gradcheck(lambda x, real=real: pool(x, **real), x)
        assert gradgradcheck(lambda x, real=real: pool(x, **real), x)


def test_half_precision_is_accumulated_in_float32(kind):
    pool, _ = kind
    x = torch.randn(2, 3, 40, 41)
    for dtype in (torch.bfloat16, torch.float16):
        y = pool(x.to(dtype))
        assert y.dtype == dtype
        assert_close(y, pool(x.to(dtype).float()).to(dtype), rtol=8e-3, atol=1e-4)


def test_strided_and_empty_batches(kind):
    pool, _ = kind
    x = torch.randn(2, 3, 4, 5)
    assert_close(pool(x.to(memory_format=torch.channels_last)), pool(x))
    assert_close(pool(x.mT), pool(x.mT.contiguous()))
    assert pool(x[:0]).shape == (0, *pool(x).shape[1:])


def test_compiles_in_one_graph(kind):
    pool, _ = kind
    x = torch.randn(2, 3, 6, requires_grad=True)
    lengths = torch.tensor([6, 2])
    y = pool(x, lengths=lengths)
    z = torch.compile(pool, fullgraph=True, backend="aot_eager")(x, lengths=lengths)
    assert_close(z, y)
    assert_close(grad(z.sum(), x), grad(y.sum(), x))


def test_what_is_learned_has_gradients():
    x = torch.randn(2, 3, 5, dtype=torch.double)
    lengths = torch.tensor([3, 5])
    scalar = torch.tensor(2.5, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, dtype=torch.double, requires_grad=True)
    assert gradcheck(lambda p: global_gem_pool(x, p, lengths=lengths), scalar)
    assert gradcheck(lambda r: global_log_sum_exp_pool(x, r, lengths=lengths), scalar)
    assert gradcheck(lambda w: global_attention_pool(x, w, lengths=lengths), weight)
    poisoned = x.masked_fill(torch.arange(5) >= lengths[:, None, None], torch.nan)
    for pool, parameter in (
        (global_gem_pool, scalar),
        (global_log_sum_exp_pool, scalar),
        (global_attention_pool, weight),
    ):
        slopes = [grad(pool(v, parameter, lengths=lengths).sum(), parameter) for v in (poisoned, x)]
        assert_close(*slopes)


def test_covariance_is_symmetric_and_never_negative():
    y = global_covariance_pool(torch.randn(2, 5, 3, 4, dtype=torch.double) + 100)
    assert torch.equal(y, y.mT)
    assert (torch.linalg.eigvalsh(y) > -1e-9).all()
    one = global_covariance_pool(torch.randn(2, 5, 1))  # one position does not vary
    assert not one.any()


def test_modules_are_the_functions():
    x = torch.rand(2, 3, 6)
    lengths = torch.tensor([6, 4])
    for name, (_, formula) in KINDS.items():
        if name in ("max", "min", "avg", "soft", "covariance"):
            module = getattr(pooling, f"Global{name.capitalize()}Pool")()
            assert_close(module(x), formula(x))
            assert_close(module(x, lengths=lengths)[1:], formula(x[1:, :, :4]))
    assert_close(GlobalLPPool(3)(x), KINDS["lp"][1](x))
    assert_close(GlobalLPPool(2, reduction="mean")(x), KINDS["l2"][1](x))
    gem, lse, attend = GlobalGeMPool(), GlobalLogSumExpPool(2.0), GlobalAttentionPool(3)
    assert gem.p.item() == 3.0
    assert_close(gem(x), x.pow(3).mean(-1).pow(1 / 3))
    assert_close(lse(x), KINDS["log_sum_exp"][1](x))
    assert_close(attend(x), x.mean(-1))
    for module in (gem, lse, attend):
        module(x).sum().backward()
        assert all(p.grad.isfinite().all() and p.grad.any() for p in module.parameters())
    with torch.no_grad():
        attend.weight.copy_(WEIGHT)
    assert_close(attend(x), attended(x))
    assert str(attend) == "GlobalAttentionPool(channels=3)"
    assert str(GlobalLPPool(2)) == "GlobalLPPool(norm_type=2, reduction=sum)"


def test_integers_have_extrema():
    x = torch.tensor([[[3, 1, 2]]], dtype=torch.uint8)
    assert (global_max_pool(x).tolist(), global_min_pool(x).tolist()) == ([[3]], [[1]])


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_two_heads(dims):
    """The mean of the maps of each class, for any size; and layers for one size."""
    size = (4, 5, 3)[:dims]
    x = torch.randn(2, 6, *size)
    gap, fc = gap_head(6, 10, dims), fc_head(6, size, 10, hidden=(7,))
    assert gap(x).shape == fc(x).shape == (2, 10)
    convolution = gap[0]
    scores = torch.einsum("bc...,kc->bk...", x, convolution.weight.flatten(1)).flatten(2).mean(-1)
    assert_close(gap(x), scores + convolution.bias, rtol=1e-4, atol=1e-5)
    assert gap(torch.randn(2, 6, *[n + 1 for n in size])).shape == (2, 10)
    with pytest.raises(RuntimeError):
        fc(torch.randn(2, 6, *[n + 1 for n in size]))
    assert [type(layer) for layer in fc] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]


def test_a_number_is_the_side_of_a_square():
    assert fc_head(2, 3, 5)[1].in_features == 18


X = torch.ones(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("call", "error", "complaint"),
    [
        (lambda: global_max_pool(X[0, 0]), ValueError, r"x must have shape \(batch, channel, L\.\.\.\).*got \(4, 5\)"),
        (lambda: global_max_pool([1]), TypeError, "x must be a tensor, got list"),
        (lambda: global_avg_pool(X.long()), TypeError, "x must be a floating-point tensor, got torch.int64"),
        (lambda: global_avg_pool(X, lengths=torch.ones(2)), ValueError, "lengths must be None in 2 dimensions"),
        (lambda: global_avg_pool(X, mask=X), TypeError, "mask must be a bool tensor"),
        (lambda: global_soft_pool(X, mask=X[:1, :2] > 0), ValueError, "mask must be broadcastable to x"),
        (lambda: global_covariance_pool(X, mask=X > 0), ValueError, r"mask must have 1 for the channels, got \(2, 3, 4, 5\)"),
        (lambda: global_attention_pool(X, WEIGHT[:2]), ValueError, r"weight must have shape \(3,\), one for each channel of x, got \(2,\)"),
        (lambda: global_lp_pool(X, 0), ValueError, "norm_type must be > 0, got 0"),
        (lambda: global_gem_pool(X, -1.0), ValueError, "p must be > 0, got -1.0"),
        (lambda: GlobalGeMPool(0), ValueError, "p must be > 0, got 0"),
        (lambda: GlobalLPPool(2, reduction="sun"), ValueError, "did you mean 'sum'"),
        (lambda: GlobalLogSumExpPool(-1), ValueError, "r must be > 0, got -1"),
        (lambda: GlobalAttentionPool(0), ValueError, "channels must be >= 1, got 0"),
        (lambda: gap_head(3, 5, 4), ValueError, "dims must be 1, 2 or 3, got 4"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, error, complaint):
    with pytest.raises(error, match=complaint):
        call()
