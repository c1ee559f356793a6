"""The cases of known networks mean the same to torch and to Huashi."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.bench import CASES, Setting, example, prepare, settings_of

SMALL = {1: (512,), 2: (33, 32), 3: (6, 8, 7)}


def small(case):
    """A case at a size that costs nothing."""
    return dataclasses.replace(case, shape=(2, 3, *SMALL[len(case.shape) - 2]))


@pytest.fixture(params=CASES)
def case(request, one_thread, monkeypatch):
    found = small(CASES[request.param])
    monkeypatch.setitem(CASES, request.param, found)
    return request.param, found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_cases_mean_the_same_to_torch_and_huashi(case, dtype):
    """At small sizes; at full size the benchmark itself refuses what disagrees."""
    name, pool = case
    for setting in settings_of([name], [dtype]):
        timed, moved = prepare(setting, "cpu")
        theirs, ours = timed(pool.eager)(), timed(pool.huashi)()
        tolerance = torch.finfo(theirs.dtype).eps ** 0.5
        assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
        x = example(pool, dtype, setting.layout, "cpu")
        assert ours.shape == (x.shape if setting.passes != "inference" else ours.shape)
        assert moved >= x.nbytes + (ours.nbytes if setting.passes == "inference" else x.nbytes)
        if setting.layout == "channels_last":
            assert not x.is_contiguous()


def test_settings_are_all_or_those_asked_for():
    assert settings_of(["speech"], ["float32"]) == [
        Setting("speech", "inference", "contiguous", "float32"),
        Setting("speech", "forward+backward", "contiguous", "float32"),
    ]
    assert {setting.case for setting in settings_of()} == set(CASES)
    assert len(settings_of(["vgg"])) == 8
    with pytest.raises(ValueError, match="case must be one of"):
        settings_of(["vvg"])


def test_k_max_is_timed_without_ties():
    x = example(small(CASES["text-k-max"]), "bfloat16", "contiguous", "cpu")
    assert all(len(row.unique()) == x.shape[-1] for row in x.flatten(0, 1))


def test_onnxruntime_agrees(case):
    pytest.importorskip("onnxruntime")
    from benchmarks.pooling import onnx_runner

    name, pool = case
    x = example(pool, "float32", "contiguous", "cpu")
    run = onnx_runner(pool, x)
    assert (run is None) == (name in ("global-gem", "text-k-max", "text-chunk-max"))
    if run:
        assert_close(run(), pool.eager(x), rtol=1e-4, atol=1e-5)


def test_bytes_kept_for_the_gradient(one_thread):
    pytest.importorskip("onnxruntime")
    from benchmarks.pooling import kept

    pool = small(CASES["vgg"])
    x = example(pool, "float32", "contiguous", "cpu")
    with torch.no_grad():
        windows = pool.huashi(x).numel()
    assert kept(pool.eager, x.clone()) == x.nbytes + 8 * windows  # the input, int64 indices
    with implementation("kernel"):
        assert kept(pool.huashi, x.clone()) == windows  # a byte each
