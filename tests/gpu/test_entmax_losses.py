"""The losses of entmax in Triton: on a CUDA device, or slowly under TRITON_INTERPRET=1."""

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.entmax import entmax_loss, reference
from tests.conftest import INTERPRET, TOLERANCE, with_gradient

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cpu" and not INTERPRET, reason="needs a CUDA device or TRITON_INTERPRET=1"
    ),
]
INF, NAN = torch.inf, torch.nan
IGNORED = -100


def batch(dtype=torch.float32, n=23):
    """Scores, some masked, and targets, one to be ignored."""
    x = torch.randn(4, n, device=DEVICE).to(dtype)
    target = torch.randint(n, (4,), device=DEVICE)
    target[1] = IGNORED
    x[1, 3] = NAN
    x[2, ::2], x[2, target[2]] = -INF, 0.0  # masked, but for the target
    x[3, target[3]] += 12.0  # beyond the margin
    return x, target


def assert_agrees_with_float64(x, target, alpha, smoothing):
    g = torch.rand(target.shape, device=DEVICE)
    with implementation("kernel"):
        loss, dx = with_gradient(
            lambda x: entmax_loss(x, target, alpha, label_smoothing=smoothing, reduction="none"),
            x,
            g.to(x.dtype),
        )
    given = target, alpha, IGNORED, smoothing
    want = reference.entmax_loss(x.double(), *given)
    slope = reference.entmax_loss_gradient(x.double(), *given) * g.to(x.dtype).unsqueeze(-1)
    assert (loss.dtype, dx.dtype) == (x.dtype, x.dtype)
    assert_close(loss.double(), want, **TOLERANCE[x.dtype])
    assert_close(dx.double(), slope, **TOLERANCE[x.dtype])
    assert loss[1] == 0
    assert not dx[1].any()


@pytest.mark.parametrize(
    ("alpha", "dtype"),
    [(alpha, torch.float32) for alpha in (1.5, 2.0, 1.0, 1 + 1e-6, 1.3, 3.0)]
    + [(alpha, dtype) for alpha in (1.5, 1.3) for dtype in (torch.bfloat16, torch.float16)],
)
def test_agrees_with_float64(alpha, dtype):
    assert_agrees_with_float64(*batch(dtype), alpha, smoothing=0.0)


def test_label_smoothing():
    assert_agrees_with_float64(*batch(), 1.5, smoothing=0.1)


@pytest.mark.parametrize(("alpha", "smoothing"), [(1.5, 0.1), (2.0, 0.0), (3.0, 0.1)])
def test_rows_in_tiles(alpha, smoothing, long_rows):
    assert_agrees_with_float64(*batch(n=50), alpha, smoothing)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 1.3])
def test_masks_as_the_formulas_have_them(alpha):
    x = torch.tensor([[1.0, -INF, 0.0], [-INF, -INF, -INF], [NAN, 1.0, -INF]], device=DEVICE)
    target = torch.tensor([1, 0, 1], device=DEVICE)  # what costs inf has no gradient
    with implementation("kernel"):
        loss, dx = with_gradient(
            lambda x: entmax_loss(x, target, alpha, reduction="none"), x, torch.ones_like(x[:, 0])
        )
    want = reference.entmax_loss(x, target, alpha, IGNORED, 0.0)
    slope = reference.entmax_loss_gradient(x, target, alpha, IGNORED, 0.0)
    assert_close(loss, want, equal_nan=True)
    assert_close(dx, slope, equal_nan=True)


def test_a_target_that_is_no_class_makes_nan():
    x = torch.randn(3, 5, device=DEVICE)
    with implementation("kernel"):
        loss = entmax_loss(x, torch.tensor([5, 2, -1], device=DEVICE), 1.5, reduction="none")
    assert loss[[0, 2]].isnan().all()
    assert loss[1].isfinite()


def test_one_number_for_all():
    x, target = batch()
    with implementation("kernel"):
        mean, total = (entmax_loss(x, target, 1.5, reduction=r) for r in ("mean", "sum"))
    assert_close(mean, total / 3)
