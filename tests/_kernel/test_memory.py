"""Memory in huge pages: a wish that changes no value."""

import sys

import pytest
import torch

from huashi._kernel import memory as _memory


def test_large_results_stay_what_they_are():
    t = _memory.in_huge_pages(torch.empty(3 * 2**20))
    assert t.fill_(1.0).sum() == 3 * 2**20


def test_parts_of_memory_and_small_tensors_are_as_welcome():
    whole = torch.ones(2**21 + 3)
    part = _memory.in_huge_pages(whole[3:])
    assert part.data_ptr() == whole.data_ptr() + 12
    assert whole.eq(1).all()
    assert _memory.in_huge_pages(torch.ones(5)).sum() == 5


def test_it_asks_for_large_tensors_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(_memory, "_madvise", lambda: lambda *request: asked.append(request))
    _memory.in_huge_pages(torch.empty(10))
    assert not asked
    t = _memory.in_huge_pages(torch.empty(2**20))
    [(first, length, _)] = asked
    assert first % 4096 == 0
    assert t.data_ptr() <= first
    assert first + length == t.data_ptr() + t.nbytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows huge pages by request")
def test_linux_takes_the_request():
    t = torch.empty(2**21)
    first = -(-t.data_ptr() // 4096) * 4096
    assert _memory._madvise()(first, 4096, 14) in (0, -1)  # -1 where the kernel has none


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 4, 4), (4, 64, 80, 80)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_results_are_as_torch_makes_them(shape, memory_format):
    for dtype in (torch.float32, torch.bfloat16, torch.uint8):
        want = torch.empty(shape, dtype=dtype, memory_format=memory_format)
        of_bytes = torch.empty(shape, dtype=torch.uint8, memory_format=memory_format)
        for t in (
            _memory.empty(shape, dtype, memory_format),
            _memory.empty_like(want),
            _memory.empty_like(of_bytes, dtype),
        ):
            assert (t.shape, t.stride(), t.dtype) == (want.shape, want.stride(), want.dtype)


def test_another_default_device_changes_nothing():
    with torch.device("meta"):
        assert _memory.empty((2, 3), torch.float32).device.type == "cpu"
