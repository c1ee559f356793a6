"""The Triton kernels of entmax where there is no GPU: every launch is compiled, not run."""

import pytest
import torch

from tests.conftest import INTERPRET

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(INTERPRET, reason="interpreted kernels are not compiled")


@pytest.mark.parametrize(
    ("alpha", "dtype"), [(1.5, torch.bfloat16), (2.0, torch.float32), (1.3, torch.float16)]
)
def test_kernels_compile_for_a_gpu(alpha, dtype, launches):
    from huashi.seq2seq.entmax import gpu, gpu_losses

    x, target = torch.zeros(2, 50, dtype=dtype), torch.zeros(2, dtype=torch.int64)
    gpu.backward(x, gpu.forward(x, alpha), alpha)
    loss, edges = gpu_losses.forward(x, target, alpha, -100, 0.1)
    gpu_losses.backward(loss, x, target, edges, alpha, -100, 0.1)
    assert launches == ["_forward", "_backward"] * 2


def test_kernels_of_alpha_by_row_and_long_rows_compile(launches, monkeypatch):
    from huashi.seq2seq.entmax import gpu, gpu_losses

    monkeypatch.setattr(gpu, "MOST", dict.fromkeys(gpu.MOST, 0))
    monkeypatch.setattr(gpu, "MOST_BACKWARD", 0)
    monkeypatch.setattr(gpu, "TILE", 128)
    x, alpha = torch.zeros(2, 300), torch.ones(2)
    gpu.backward(x, gpu.forward(x, alpha), alpha)
    loss, edges = gpu_losses.forward(x, torch.zeros(2, dtype=torch.int64), 1.5, -100, 0.0)
    gpu_losses.backward(loss, x, torch.zeros(2, dtype=torch.int64), edges, 1.5, -100, 0.0)
    assert len(launches) == 4
