"""The Triton kernels of entmax where there is no GPU: every launch is compiled, not run."""

import pytest
import torch

from tests.conftest import INTERPRET

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(INTERPRET, reason="interpreted kernels are not compiled")


def compile_losses(x, alpha, smoothing):
    from huashi.entmax.gpu import losses as gpu_losses

    target = torch.zeros(2, dtype=torch.int64)
    loss, edges = gpu_losses.forward(x, target, alpha, -100, smoothing)
    gpu_losses.backward(loss, x, target, edges, alpha, -100, smoothing)


def test_kernels_compile_for_a_gpu(launches):
    from huashi.entmax.gpu import mappings as gpu

    x = torch.zeros(2, 50, dtype=torch.bfloat16)
    gpu.backward(x, gpu.forward(x, 1.5), 1.5)
    compile_losses(x, 1.5, 0.1)
    assert launches == ["_forward", "_backward"] * 2


@pytest.mark.parametrize("launches", [80], indirect=True)
def test_kernels_of_rows_in_tiles_compile(launches, monkeypatch):
    from huashi.entmax.gpu import mappings as gpu

    monkeypatch.setattr(gpu, "MOST", dict.fromkeys(gpu.MOST, 0))
    monkeypatch.setattr(gpu, "MOST_BACKWARD", 0)
    x = torch.zeros(2, 5000)
    gpu.backward(x, gpu.forward(x, 2.0), 2.0)
    compile_losses(x, 2.0, 0.0)
    assert launches == ["_forward", "_backward"] * 2


@pytest.mark.parametrize("launches", [90], indirect=True)
def test_kernels_of_any_alpha_compile(launches):
    from huashi.entmax.gpu import mappings as gpu

    x, alpha = torch.zeros(2, 100, dtype=torch.float16), torch.ones(2)
    gpu.backward_by_row(x, gpu.forward(x, alpha), alpha)
    compile_losses(x, 1.3, 0.0)
    assert launches == ["_forward", "_backward"] * 2
