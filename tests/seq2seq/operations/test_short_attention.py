"""Attention of sentences: what the kernel says is what loops and PyTorch say."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation
from huashi.seq2seq.attention.multi_head import MultiHeadAttention
from huashi.seq2seq.operations.short_attention import short_attention

MASKS = {
    "none": None,
    "causal": torch.ones(7, 9, dtype=torch.bool).tril(2),
    "lengths": (torch.arange(9) < torch.tensor([9, 1, 4])[:, None])[:, None, None],
    "any": torch.rand(3, 2, 7, 9, generator=torch.Generator().manual_seed(0)) > 0.3,
}


def some(targets=7, sources=9, size=32, dtype=torch.float32, rows=3, heads=2):
    """Queries, keys and values as linear layers leave them: the heads of a word side by side."""
    return [
        torch.randn(rows, time, heads, size, dtype=dtype).transpose(1, 2).requires_grad_()
        for time in (targets, sources, sources)
    ]


def found(mode, given, mask):
    """The contexts and all gradients."""
    with implementation(mode):
        y = short_attention(*given, mask)
        return y, *torch.autograd.grad(y, given, y.detach().cos())


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("mode", ["kernel", "reference"])
def test_is_a_weighted_mean_of_the_values(mask, mode):
    q, k, v = (x.detach() for x in some())
    with implementation(mode):
        y = short_attention(q, k, v, MASKS[mask])
    seen = torch.ones(3, 2, 7, 9, dtype=torch.bool)
    seen = seen if MASKS[mask] is None else seen & MASKS[mask]
    for row, head, target in torch.cartesian_prod(*map(torch.arange, (3, 2, 7))):
        mine = seen[row, head, target]
        powers = (k[row, head, mine] @ q[row, head, target] / 32**0.5).exp()
        wanted = (powers / powers.sum()) @ v[row, head, mine]
        assert_close(y[row, head, target], wanted)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("size", [32, 64, 96])
def test_kernel_and_reference_have_one_gradient(mask, size):
    given = some(size=size)
    assert_close(found("kernel", given, MASKS[mask]), found("reference", given, MASKS[mask]))


@pytest.mark.parametrize("sources", [1, 2, 3, 4, 15, 16, 17, 33])
@pytest.mark.parametrize("targets", [1, 2, 5, 16])
def test_any_number_of_words(targets, sources):
    given = some(targets, sources, rows=2)
    assert_close(found("kernel", given, None), found("reference", given, None))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(threads):
    given = some(rows=50)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_close(found("kernel", given, None), found("reference", given, None))
    finally:
        torch.set_num_threads(before)


def test_is_what_torch_says():
    q, k, v = some()
    y = short_attention(q, k, v, MASKS["causal"])
    assert_close(y, F.scaled_dot_product_attention(q, k, v, MASKS["causal"]))


@pytest.mark.parametrize("mode", ["kernel", "reference"])
def test_who_may_see_nothing_gets_zeros(mode):
    given = some()
    mask = torch.ones(3, 1, 1, 9, dtype=torch.bool)
    mask[1] = False
    y, *gradients = found(mode, given, mask)
    assert not y[1].any()
    for gradient in gradients:
        assert not gradient[1].any()
        assert gradient[[0, 2]].all()


def test_large_scores_do_not_overflow():
    q, k, v = some()
    with torch.no_grad():
        q *= 1e4
    assert_close(found("kernel", (q, k, v), None), found("reference", (q, k, v), None))


@pytest.mark.parametrize("mask", MASKS)
def test_bfloat16_is_float32_that_is_rounded(mask):
    half = [x.detach().bfloat16().requires_grad_() for x in some(size=64)]
    whole = [x.detach().float().requires_grad_() for x in half]
    grad = torch.randn(3, 2, 7, 64).bfloat16()
    with implementation("kernel"):
        y, z = short_attention(*half, MASKS[mask]), short_attention(*whole, MASKS[mask])
    found = y, *torch.autograd.grad(y, half, grad)
    wanted = z, *torch.autograd.grad(z, whole, grad.float())
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.equal(mine, theirs.bfloat16())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_dtypes_and_sizes_are_left_to_the_definition(dtype):
    given = some(dtype=dtype)
    assert short_attention(*given).dtype == dtype
    with pytest.raises(RuntimeError, match="no kernel serves attention: none exists for"):
        found("kernel", given, None)
    odd = some(size=24)
    assert torch.equal(short_attention(*odd), found("reference", odd, None)[0])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (some(size=24), "the size of a head must be a multiple of 32"),
        (some(sources=0), "there is no key to attend to"),
        ([*some()[:2], some(dtype=torch.bfloat16)[2]], "q, k and v must have the same dtype"),
    ],
)
def test_says_what_the_kernel_does_not_cover(given, why):
    with (
        implementation("kernel"),
        pytest.raises(RuntimeError, match=f"no kernel serves attention: {why}"),
    ):
        short_attention(*given)


def test_gradients_of_every_order():
    given = some(2, 3, rows=1, heads=1)
    y = short_attention(*given)
    first = torch.autograd.grad(y.cos().sum(), given, create_graph=True)
    with implementation("reference"):
        z = short_attention(*given)
        wanted = torch.autograd.grad(z.cos().sum(), given, create_graph=True)
    assert_close(first, wanted)
    second, other = (torch.autograd.grad(sum(map(torch.sum, x)), given) for x in (first, wanted))
    assert_close(second, other)


def test_memory_of_any_order():
    """Heads apart, features apart, and keys that are every second of others."""
    q, k, v = (x.detach() for x in some())
    wanted = short_attention(q, k, v)
    apart = q.contiguous(), k.transpose(2, 3).contiguous().transpose(2, 3)
    every_second = torch.stack([v, torch.randn_like(v)], 3).flatten(2, 3)[:, :, ::2]
    assert_close(short_attention(*apart, every_second), wanted)
    shared = k[:1].expand(3, -1, -1, -1)
    assert_close(short_attention(q, shared, v), short_attention(q, shared.contiguous(), v))


def test_operator_is_what_torch_expects():
    for mask in (None, MASKS["lengths"]):
        torch.library.opcheck(torch.ops.huashi.attention.default, (*some(), mask))


def test_nothing_in_nothing_out():
    assert short_attention(*some(rows=0)).shape == (0, 2, 7, 32)
    assert short_attention(*some(targets=0)).shape == (3, 2, 0, 32)
    assert torch.equal(short_attention(*some(sources=0)), torch.zeros(3, 2, 7, 32))


def test_what_does_not_fit_is_refused():
    q, k, v = some()
    with pytest.raises(
        ValueError, match=r"k must have shape \(3, 2, \*, 32\), got \(3, 2, 9, 16\)"
    ):
        short_attention(q, k[..., :16], v)
    with pytest.raises(ValueError, match=r"v must have shape \(3, 2, 9, 32\), got \(3, 2, 8, 32\)"):
        short_attention(q, k, v[:, :, 1:])
    with pytest.raises(ValueError, match="q must have shape"):
        short_attention(q[0], k, v)
    with pytest.raises(ValueError, match=r"mask must broadcast to \(3, 2, 7, 9\), got \(7, 8\)"):
        short_attention(q, k, v, torch.ones(7, 8, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"mask must be bool, got torch\.float32"):
        short_attention(q, k, v, torch.ones(7, 9))


@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False]])])
def test_products_beyond_float16_are_finite(mask):
    """200 * 200 * 4 / 2 is above 65504, and so it is in float32 that it is computed."""
    q = torch.full((1, 1, 3, 4), 200.0, dtype=torch.half)
    v = torch.arange(12.0).view(1, 1, 3, 4).half()
    wanted = F.scaled_dot_product_attention(q, q, v, mask)
    assert_close(short_attention(q, q, v, mask), wanted)
    attend = MultiHeadAttention(4, 1).half()
    for layer in (attend.query, attend.output):
        torch.nn.init.eye_(layer.weight)
    assert_close(attend(q[0], q, v, mask, need_weights=True)[0], wanted[0])
