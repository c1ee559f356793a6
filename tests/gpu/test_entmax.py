"""Entmax in Triton: on a CUDA device, or slowly on the CPU under TRITON_INTERPRET=1."""

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.entmax import entmax, entmax15, reference
from tests.conftest import GRADIENT_TOLERANCE, INTERPRET, TOLERANCE, with_gradient

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cpu" and not INTERPRET, reason="needs a CUDA device or TRITON_INTERPRET=1"
    ),
]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = torch.inf, torch.nan
EACH_KIND = pytest.mark.parametrize("alpha", [1.5, 2.0, 1.3, 3.0])  # the last in float64


def assert_agrees_with_float64(x, g, alpha=1.5):
    """The gradient is that of the probabilities found: of a small one it is as large as ill-posed."""
    with implementation("kernel"):
        y, dx = with_gradient(lambda x: entmax(x, alpha), x, g)
    y64 = reference.probabilities(x.double(), alpha)
    dx64 = reference.entmax_backward(g.double(), y.double(), alpha)[0]
    assert (y.dtype, dx.dtype) == (x.dtype, x.dtype)
    assert_close(y.double(), y64, **TOLERANCE[x.dtype])
    assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])
    return y, dx


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (1,), (2, 64)])
def test_agrees_with_float64(shape, dtype):
    spread = torch.tensor([1e-2, 1.0, 30.0], device=DEVICE).view(3, *[1] * len(shape))
    x, g = spread * torch.randn(3, *shape, device=DEVICE), torch.randn(3, *shape, device=DEVICE)
    assert_agrees_with_float64(x.to(dtype), g.to(dtype))


def test_a_row_that_fits_no_registers():
    x, g = torch.randn(1, 40_000, device=DEVICE), torch.randn(1, 40_000, device=DEVICE)
    assert_agrees_with_float64(x, g)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [1.0, 1.3, 2.0, 3.0])
def test_each_alpha_agrees_with_float64(alpha, dtype):
    x, g = torch.randn(2, 37, device=DEVICE), torch.randn(2, 37, device=DEVICE).to(dtype)
    x[0] *= 0.1
    x[0, 5:] = x[0, 5]  # ties
    assert_agrees_with_float64(x.to(dtype), g, alpha)


@EACH_KIND
def test_rows_in_tiles(alpha, long_rows):
    x, g = torch.randn(2, 70, device=DEVICE), torch.randn(2, 70, device=DEVICE)
    x[0, :40] = -INF
    x[1] -= 50.0  # below what pads a tile
    assert_agrees_with_float64(x, g, alpha)


@pytest.mark.parametrize("n", [7, 5000])
def test_masks_and_extremes(n):
    x = torch.randn(7, n, device=DEVICE)
    x[0, : n // 2] = -INF
    x[1] = -INF
    x[1, -1] = 3.0
    x[2] *= 1e30
    x[3] += 1e4
    x[4] = x[4].round()  # ties
    x[5] = -INF
    x[6] -= 50.0  # below what pads a block
    g = torch.randn(7, n, device=DEVICE)
    y, dx = assert_agrees_with_float64(x, g)
    assert (y[x == -INF] == 0).all()
    assert (dx[x == -INF] == 0).all()


@EACH_KIND
def test_masks_of_each_kind(alpha):
    x, g = torch.randn(4, 20, device=DEVICE), torch.randn(4, 20, device=DEVICE)
    x[0, :10] = -INF
    x[1] = -INF
    x[2, 1:] = -INF
    x[3] = 0.0  # all alike
    y, dx = assert_agrees_with_float64(x, g, alpha)
    assert (y[x == -INF] == 0).all()
    assert (dx[x == -INF] == 0).all()
    assert_close(y.sum(-1), torch.tensor([1.0, 0.0, 1.0, 1.0], device=DEVICE))


@EACH_KIND
def test_nan_stays_in_its_row(alpha):
    x = torch.randn(3, 20, device=DEVICE)
    x[0, 3], x[1, 4], x[:2, 7] = NAN, INF, -INF
    with implementation("kernel"):
        y, dx = with_gradient(lambda x: entmax(x, alpha), x, torch.ones_like(x))
    for t in (y, dx):
        assert t[:2].isnan().all()
        assert not t[2].isnan().any()


@EACH_KIND
def test_gradient_outside_the_support_does_not_enter(alpha):
    x = torch.tensor([[1.0, 0.9, -9.0]], device=DEVICE)
    g = torch.tensor([[1.0, 2.0, 3.0]], device=DEVICE)
    with implementation("kernel"):
        _, dx = with_gradient(lambda x: entmax(x, alpha), x, g)
        g[0, 2] = NAN
        _, again = with_gradient(lambda x: entmax(x, alpha), x, g)
    assert dx[0, :2].all()
    assert_close(again, dx, rtol=0, atol=0)


def alpha_and_gradients(x, alpha, g):
    x, alpha = x.detach().requires_grad_(), alpha.detach().requires_grad_()
    y = entmax(x, alpha)
    return (y.detach(), *torch.autograd.grad(y, (x, alpha), g))


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_alpha_by_row(dtype):
    alphas = [0.5, 1.0, 1.0 + 1e-6, 1.25, 1.5, 1.75, 2.0, 3.0]
    alpha = torch.tensor(alphas, device=DEVICE).unsqueeze(-1)
    x = (0.3 * torch.randn(8, 33, device=DEVICE)).to(dtype)
    g = torch.randn(8, 33, device=DEVICE).to(dtype)
    with implementation("kernel"):
        y, dx, dalpha = alpha_and_gradients(x, alpha, g)
    want = reference.entmax(x.double(), alpha.double())
    assert_close(y.double(), want, **TOLERANCE[dtype])
    want = reference.entmax_backward(g.double(), y.double(), alpha.double())
    assert_close(dx.double(), want[0], **GRADIENT_TOLERANCE[dtype])
    assert_close(dalpha.double(), want[1], **TOLERANCE[torch.float32])
    assert want[1].abs().min() > 1e-3


def test_alpha_by_row_in_tiles_and_for_each_head(long_rows):
    alpha = torch.tensor([1.2, 2.5], device=DEVICE).view(2, 1, 1)  # (head, query, key)
    x, g = torch.randn(2, 2, 70, device=DEVICE), torch.randn(2, 2, 70, device=DEVICE)
    with implementation("kernel"):
        got = alpha_and_gradients(x, alpha, g)
    y = reference.entmax(x.double(), alpha.double())
    dx, dalpha = reference.entmax_backward(g.double(), y, alpha.double())
    assert_close([t.double() for t in got[:2]], [y, dx], rtol=1e-4, atol=2e-5)
    assert_close(got[2].double(), dalpha.sum(1, keepdim=True), rtol=1e-4, atol=2e-5)


def test_gradient_in_a_large_alpha_keeps_its_digits():
    p = torch.tensor([[0.6, 0.399, 1e-3, 0.0], [0.7, 0.2, 0.099, 1e-3]], device=DEVICE)
    g = torch.tensor([[1.0, -2.0, 3.0, 4.0]], device=DEVICE).expand(2, 4)
    alpha = torch.tensor([[2.5], [4.0]], device=DEVICE)
    want = reference.entmax_backward(g.double(), p.double(), alpha.double())
    got = torch.ops.huashi.entmax_rows_backward(g, p, alpha.view(2))
    assert_close(got[1], want[1].view(2), rtol=1e-5, atol=0)  # cancels: a slope of 1e6 is in it


def test_a_very_large_alpha_gives_probabilities():
    """No threshold does: the next number above makes a sum of less than 1, the next below of more."""
    x = 1e-3 * torch.randn(4, 6, device=DEVICE)
    with implementation("kernel"):
        y = entmax(x, 60.0)
    assert_close(y.sum(-1), torch.ones(4, device=DEVICE))
    assert torch.equal(y.argmax(-1), x.argmax(-1))


def test_layouts():
    x, g = torch.randn(6, 8, device=DEVICE).t(), torch.randn(8, 1, device=DEVICE).expand(8, 6)
    assert_agrees_with_float64(x, g)


def test_float64_takes_the_reference():
    x = torch.randn(3, 4, dtype=torch.float64, device=DEVICE)
    assert_close(entmax15(x), reference.entmax15(x), rtol=0, atol=0)
