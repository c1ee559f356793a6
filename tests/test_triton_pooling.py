"""The Triton kernels of pooling where there is no GPU: every launch is compiled, not run."""

import pytest
import torch

from huashi._windows import axes_of
from tests.conftest import INTERPRET

triton = pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(INTERPRET, reason="interpreted kernels are not compiled")
KINDS = ("power", "lp", "lp_mean", "soft", "log_sum_exp", "stochastic")


def compile_all(x, axes, kinds):
    from huashi.pooling.gpu import averages, draw, extrema, means

    param = torch.tensor(3.0)
    y, offsets = extrema.extremum_offsets(x, axes, -1)
    extrema.pick_backward(y, offsets, axes)
    for rule in ((True, None), (False, 3)):
        averages.average(x, axes, *rule)
        averages.average_backward(y, axes, *rule)
    draw.draw(x, axes, "softmax", torch.zeros(y.shape))
    mask = torch.ones(x.shape[2:], dtype=torch.bool)
    means.formula(x, axes, kinds[0], param, 1e-6, mask)
    for kind in kinds:
        means.formula(x, axes, kind, param, 1e-6)
        means.formula_backward(y, x, axes, kind, param, 1e-6)
        if kind in ("power", "log_sum_exp"):
            means.formula_slope(x, axes, kind, param, 1e-6)


@pytest.mark.parametrize(
    "dtype",
    [torch.bfloat16, pytest.param(torch.float32, marks=pytest.mark.slow)],
    ids=["bf16", "fp32"],
)
def test_kernels_of_small_windows_compile_for_a_gpu(dtype, launches):
    x, axes = torch.zeros(2, 16, 9, 9, dtype=dtype), axes_of((9, 9), 2, 1, padding=1)
    compile_all(x, axes, KINDS)
    assert set(launches) == {
        "_average",
        "_average_backward",
        "_draw",
        "_extremum",
        "_formula",
        "_formula_backward",
        "_pick_backward",
    }


@pytest.mark.parametrize("launches", [90], indirect=True)
def test_kernels_of_large_windows_compile_for_a_gpu(launches):
    x = torch.zeros(1, 2, 40, 40, dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    compile_all(x, axes_of((40, 40), 17, 1, padding=1), ["power"])
    assert len(launches) == 13


def test_kernels_of_whole_planes_compile_for_a_gpu(launches):
    compile_all(torch.zeros(2, 3, 3000), axes_of((3000,), 3000), ["soft"])
    assert len(launches) == 12


def test_addresses_of_64_bits_compile(launches, monkeypatch):
    from huashi.pooling.gpu import extrema
    from huashi.pooling.gpu import windows as gpu_windows

    monkeypatch.setattr(gpu_windows, "NARROW", 0)
    x, axes = torch.zeros(1, 2, 8, 9), axes_of((8, 9), 2)  # of this size once: it is remembered
    y, offsets = extrema.extremum_offsets(x, axes, 1)
    extrema.extremum(x, axes, 1)
    extrema.pick_backward(y, offsets, axes)
    assert launches == ["_extremum", "_extremum", "_pick_backward"]
