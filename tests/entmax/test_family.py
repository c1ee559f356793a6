"""Sparsemax, alpha-entmax and their losses: golden values, limits, and what their package gets wrong."""

from functools import partial

import entmax as package
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation
from huashi.entmax import (
    Entmax,
    entmax,
    entmax15,
    entmax15_loss,
    entmax_loss,
    reference,
    sparsemax,
    sparsemax_loss,
)

Z = torch.tensor([-2.0, 0.0, 0.5], dtype=torch.double)
ALPHAS = [0.5, 1.0, 1.0001, 1.3, 1.5, 2.0, 2.7]


@pytest.fixture(params=["kernel", "reference"], autouse=True)
def served(request):
    with implementation(request.param):
        yield request.param


def test_golden_values():
    assert_close(sparsemax(Z), torch.tensor([0, 0.25, 0.75]).double())
    assert_close(entmax15(Z), torch.tensor([0, 0.32600736, 0.67399264]).double(), rtol=0, atol=1e-8)
    rows = torch.tensor([[-1, 0, 0.5], [1, 2, 3.5]]).double()
    want = torch.tensor([[0.0460, 0.3276, 0.6264], [0.0026, 0.1012, 0.8963]]).double()
    assert_close(entmax(rows, 1.33), want, rtol=0, atol=5e-5)
    targets = torch.arange(3)
    logits = Z.expand(3, 3)
    want = torch.tensor([2.684371, 0.684371, 0.184371]).double()
    assert_close(entmax15_loss(logits, targets, reduction="none"), want, rtol=0, atol=1e-6)
    want = torch.tensor([2.5625, 0.5625, 0.0625]).double()
    assert_close(sparsemax_loss(logits, targets, reduction="none"), want)


def test_the_gradient_in_alpha():
    alpha = torch.tensor([[1.33]], dtype=torch.double, requires_grad=True)
    x = torch.tensor([[-1, 0, 0.5]], dtype=torch.double)
    slopes = [torch.autograd.grad(entmax(x, alpha)[0, j], alpha)[0].item() for j in range(3)]
    assert_close(slopes, [-0.2562, -0.0114, 0.2676], rtol=0, atol=5e-5)


def test_the_margin():
    for lead, want in ((2.0, 0.0), (1.9, 8.0e-5)):
        loss = entmax15_loss(torch.tensor([[lead, 0.0]]).double(), torch.tensor([0]))
        assert_close(loss.item(), want, rtol=0.02, atol=1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_package_agrees(alpha):
    x = 2 * torch.randn(40, 9, dtype=torch.double)
    want = x.softmax(-1) if alpha == 1 else package.entmax_bisect(x, alpha, n_iter=80)
    if alpha == 2:
        want = package.sparsemax(x)
    assert_close(entmax(x, alpha), want, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_half_precision_is_close_and_never_nan(alpha, dtype):
    x = (5 * torch.randn(8, 50)).to(dtype)
    x[0, 3:] = -torch.inf
    x[1] = -torch.inf
    y = entmax(x, alpha)
    assert y.dtype == dtype
    assert not y[1].any()
    rtol = 1e-4 if dtype == torch.float32 else torch.finfo(dtype).eps
    assert_close(y.double(), entmax(x.double(), alpha), rtol=rtol, atol=rtol / 10)


def test_alpha_goes_through_one():
    x = torch.randn(5, 7, dtype=torch.double, requires_grad=True)
    g = torch.randn(5, 7, dtype=torch.double)
    want = torch.autograd.grad(x.softmax(-1), x, g)[0]
    slopes = []
    for alpha in (1 - 1e-7, 1.0, 1 + 1e-7):
        a = torch.full((5, 1), alpha, dtype=torch.double, requires_grad=True)
        y = entmax(x, a)
        assert_close(y, x.softmax(-1), rtol=0, atol=1e-6)
        dx, da = torch.autograd.grad(y, (x, a), g)
        assert_close(dx, want, rtol=0, atol=1e-6)
        slopes.append(da)
    assert_close(slopes[0], slopes[1], rtol=0, atol=1e-5)
    assert_close(slopes[2], slopes[1], rtol=0, atol=1e-5)
    target = torch.randint(7, (5,))
    assert_close(entmax_loss(x, target, 1.0), F.cross_entropy(x, target))
    assert_close(entmax_loss(x, target, 1 + 1e-6), F.cross_entropy(x, target), rtol=0, atol=1e-5)


@pytest.mark.parametrize("alpha", [5.0, 30.0, 500.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_large_alpha_gives_probabilities(alpha, scale):
    y = entmax(scale * torch.randn(20, 5, dtype=torch.double), alpha)
    assert_close(y.sum(-1), torch.ones(20).double())
    assert_close(entmax(torch.zeros(1, 4), alpha), torch.full((1, 4), 0.25))


@pytest.mark.parametrize("alpha", [2.5, 4.0])
def test_the_gradient_in_a_large_alpha_keeps_its_digits(alpha, served):
    """The slope of what is small is so large that it hides the rest, and cancels in the sum."""
    p = torch.tensor([[0.6, 0.399, 1e-3, 0.0], [0.7, 0.2, 0.099, 1e-3]])
    g, alphas = torch.tensor([[1.0, -2.0, 3.0, 4.0]]).expand(2, 4), torch.full((2, 1), alpha)
    y = p.double()
    log = torch.where(y > 0, y, 1).log()
    s = torch.where(y > 0, y.pow(2 - alpha), 0)
    mean = (s * g).sum(-1, keepdim=True) / s.sum(-1, keepdim=True)
    want = -((s - y + (alpha - 1) * y * log) * (g - mean)).sum(-1) / (alpha - 1) ** 2
    if served == "kernel":
        got = torch.ops.huashi.entmax_rows_backward(g, p, alphas.view(2))[1]
    else:
        got = reference.entmax_backward(g, p, alphas)[1].view(2)
    assert_close(got.double(), want, rtol=2e-6, atol=0)


def test_a_large_alpha_is_solved_for_in_float64():
    """Near the threshold p is so steep that no other precision finds its small entries."""
    x = torch.randn(100, 20)
    with implementation("kernel"):
        assert_close(entmax(x, 4.0).double(), entmax(x.double(), 4.0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss", [sparsemax_loss, entmax15_loss])
def test_losses_are_those_of_cross_entropy_in_their_conventions(loss):
    x, target = torch.randn(2, 4, 6).double(), torch.randint(6, (2, 4))
    target[0, 1] = -100
    each = loss(x, target, reduction="none")
    assert each.shape == target.shape
    assert each[0, 1] == 0
    assert_close(loss(x, target), each.sum() / 7)
    smooth = loss(x, target, label_smoothing=0.1, reduction="none")
    at_target = x.gather(-1, target.clamp(min=0)[..., None])[..., 0]
    assert_close(smooth, each + (target >= 0) * 0.1 * (at_target - x.mean(-1)))


def test_masks_have_no_gradient():
    x = torch.tensor([[1.0, -torch.inf, 0.0]], dtype=torch.double, requires_grad=True)
    loss = sparsemax_loss(x, torch.tensor([1]))
    assert loss == torch.inf
    [dx] = torch.autograd.grad(loss, x)
    assert dx[0, 1] == 0
    x = torch.tensor([[1.0, 0.0, -3.0]], dtype=torch.double, requires_grad=True)
    [dx] = torch.autograd.grad(sparsemax(x), x, torch.tensor([[1.0, 2.0, 3.0]]).double())
    assert not dx.any()  # the second stands at the threshold: it has nothing, and gives nothing


@pytest.mark.parametrize("dim", [0, 1, -2, -3])
def test_any_dimension(dim):
    x = torch.randn(3, 4, 5, dtype=torch.double)
    for mapping in (sparsemax, lambda x, dim: entmax(x, 1.3, dim)):
        assert_close(mapping(x, dim), mapping(x.movedim(dim, -1), -1).movedim(-1, dim))


def test_each_head_learns_its_alpha():
    layer = Entmax(1.5, learnable=True, heads=2).double()
    x = torch.randn(3, 2, 4, 5, dtype=torch.double)
    assert_close(layer(x), entmax15(x))
    layer(x).square().sum().backward()
    [a] = layer.parameters()
    assert a.grad.shape[0] == 2
    assert a.grad.all()


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: entmax(Z, 0), "alpha must be > 0, got 0"),
        (lambda: entmax(Z, torch.ones(2)), "alpha must broadcast against x"),
        (lambda: sparsemax(Z, 1), r"dim must be in \[-1, 0\], got 1"),
        (lambda: sparsemax_loss(Z[None], torch.tensor([[0]])), "target must have the shape"),
        (
            lambda: entmax15_loss(Z[None], torch.tensor([0]), label_smoothing=2),
            "label_smoothing mu",
        ),
    ],
)
def test_errors_name_the_argument(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()


@pytest.mark.parametrize(
    "loss",
    [sparsemax_loss, entmax15_loss, partial(entmax_loss, alpha=1.3)],
    ids=["2", "1.5", "1.3"],
)
def test_one_sample_is_a_row(loss, served):
    """Logits (classes,), as cross_entropy takes them, and so rows under vmap."""
    x, target = torch.randn(4, 7, dtype=torch.double), torch.tensor([0, 6, 2, 3])
    want = loss(x, target, reduction="none")
    assert_close(torch.stack([loss(*one) for one in zip(x, target, strict=True)]), want)
    if served == "reference":  # no kernel serves torch.func
        assert_close(torch.func.vmap(loss)(x, target), want)
