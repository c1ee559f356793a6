"""1.5-entmax in Triton: on a CUDA device, or slowly on the CPU under TRITON_INTERPRET=1."""

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.seq2seq.entmax import entmax15, reference
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


def assert_agrees_with_float64(x, g):
    with implementation("kernel"):
        y, dx = with_gradient(entmax15, x, g)
    y64, dx64 = with_gradient(reference.entmax15, x.double(), g.double())
    assert (y.dtype, dx.dtype) == (x.dtype, x.dtype)
    assert_close(y.double(), y64, **TOLERANCE[x.dtype])
    assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5), (4, 1), (2, 3, 64), (2, 4097), (1, 9000)])
def test_agrees_with_float64(shape, dtype):  # the last two: more than one block
    x = torch.randn(shape, device=DEVICE)
    g = torch.randn(shape, device=DEVICE).to(dtype)
    for spread in (1e-2, 1.0, 30.0):
        assert_agrees_with_float64((spread * x).to(dtype), g)


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
    assert_agrees_with_float64(x, g)
    with implementation("kernel"):
        y, dx = with_gradient(entmax15, x, g)
    assert (y[x == -INF] == 0).all()
    assert (dx[x == -INF] == 0).all()


def test_nan_stays_in_its_row():
    x = torch.randn(4, 20, device=DEVICE)
    x[1, 3], x[2, 4] = NAN, INF
    with implementation("kernel"):
        y, dx = with_gradient(entmax15, x, torch.ones_like(x))
    for t in (y, dx):
        assert t[1:3].isnan().all()
        assert not t[[0, 3]].isnan().any()


def test_gradient_outside_the_support_does_not_enter():
    x = torch.tensor([[1.0, 0.5, -9.0]], device=DEVICE)
    g = torch.tensor([[1.0, 2.0, 3.0]], device=DEVICE)
    with implementation("kernel"):
        _, dx = with_gradient(entmax15, x, g)
        g[0, 2] = NAN
        _, again = with_gradient(entmax15, x, g)
    assert_close(again, dx, rtol=0, atol=0)


def test_layouts():
    x, g = torch.randn(6, 8, device=DEVICE).t(), torch.randn(8, 1, device=DEVICE).expand(8, 6)
    assert_agrees_with_float64(x, g)


def test_float64_takes_the_reference():
    x = torch.randn(3, 4, dtype=torch.float64, device=DEVICE)
    assert_close(entmax15(x), reference.entmax15(x), rtol=0, atol=0)
