"""What is timed agrees first, takes turns, and is what the table says it is."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest
import torch
from torch.testing import assert_close

from benchmarks import tables
from huashi import bench
from huashi.bench import CASES, Setting, compare, example, kernel_calls, prepare, settings_of

SMALL = {1: (512,), 2: (33, 32), 3: (6, 8, 7)}


def small(case):
    """A case at a size that costs nothing."""
    return dataclasses.replace(case, shape=(2, 3, *SMALL[len(case.shape) - 2]))


@pytest.fixture(params=CASES)
def case(request, one_thread, monkeypatch):
    found = small(CASES[request.param])
    monkeypatch.setitem(CASES, request.param, found)
    return request.param, found


@pytest.mark.parametrize(
    "wrong", [torch.tensor([1.0, 2.1]), torch.tensor([1.0]), torch.tensor([1, 2])]
)
def test_contenders_that_disagree_are_not_timed(wrong, monkeypatch):
    monkeypatch.setattr(bench, "_seconds", None)
    runs = {"right": lambda: torch.tensor([1.0, 2.0]), "wrong": lambda: wrong}
    with pytest.raises(ValueError, match=r"^wrong must agree with right: .*$"):
        compare(runs, peer="right", device="cpu")


def test_tolerance_may_be_given():
    runs = {"one": lambda: torch.ones(2), "nearly": lambda: torch.full((2,), 1.01)}
    options = {"peer": "one", "device": "cpu", "rounds": 1}
    with pytest.raises(ValueError, match="nearly must agree"):
        compare(runs, **options)
    assert len(compare(runs, **options, rtol=0.02)) == 2
    assert len(compare(runs, **options, rtol=0.0, atol=0.02)) == 2
    with pytest.raises(ValueError, match="nearly must agree"):
        compare(runs, **options, rtol=0.0, atol=1e-3)


def test_times_medians_and_ratios(monkeypatch):
    monkeypatch.setattr(bench, "copy_bandwidth", lambda device: 10.0)

    def lasting(seconds):
        def run():
            time.sleep(seconds)
            return torch.ones(1)

        return run

    runs = {"slow": lasting(0.06), "fast": lasting(0.02)}
    slow, fast = compare(runs, peer="slow", moved=10**6, device="cpu", rounds=3)
    assert (slow["contender"], slow["times_peer"], slow["rounds"]) == ("slow", 1.0, 3)
    assert 2 < fast["times_peer"] < 3.5
    assert fast["median_us"] >= 2e4
    assert fast["gb_per_s"] == pytest.approx(1e6 / fast["median_us"] / 1e3, abs=0.01)
    assert fast["copy_gb_per_s"] == 10


def test_contenders_take_turns_in_changing_order(monkeypatch):
    order = []
    monkeypatch.setattr(bench, "_seconds", lambda run, repeats, device: order.append(run) or 1.0)
    a, b, c = (lambda n=n: torch.tensor(n * 0.0) for n in range(3))
    compare({"a": a, "b": b, "c": c}, peer="a", device="cpu", rounds=3)
    names = {a: "a", b: "b", c: "c"}
    assert "".join(names[run] for run in order) == "abc" + "abc" + "bca" + "cab"


@pytest.mark.parametrize(("lasts", "rounds"), [(1e-4, 15), (0.15, 10), (0.9, 5), (2.0, 3)])
def test_rounds_are_as_many_as_time_allows(monkeypatch, lasts, rounds):
    calls = []
    monkeypatch.setattr(bench, "_seconds", lambda run, *_: calls.append(run) or lasts)
    [row] = compare({"a": lambda: torch.ones(1)}, peer="a", device="cpu", seconds=1.5)
    assert row["rounds"] == rounds
    assert len(calls) == (rounds + 1 if lasts < bench.LONG else rounds)  # one to know how long


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


def test_kernels_are_called_serially_and_in_parallel(monkeypatch):
    threads = []
    calls = [("pool", lambda: threads.append(torch.get_num_threads()))]
    monkeypatch.setattr(bench, "_calls", lambda dtype: calls)
    before = torch.get_num_threads()
    names = [name for name, call in kernel_calls(["int8"]) if call() is None]
    assert names == ["pool, int8, serial", "pool, int8, parallel"]
    assert threads[0] == 1
    assert threads[1] >= 2
    assert torch.get_num_threads() == before


EVERY_CASE = """
from huashi import bench
from tests.bench.test_bench import small
bench.CASES.update({name: small(case) for name, case in bench.CASES.items()})
for setting in bench.settings_of(dtypes=["float32"]):
    timed, _ = bench.prepare(setting, "cpu")
    timed(bench.CASES[setting.case].huashi)()
"""


@pytest.mark.slow
def test_warming_up_leaves_nothing_to_compile(tmp_path):
    def run(*command):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        subprocess.run([sys.executable, *command], env=environment, check=True)
        return {path.relative_to(tmp_path) for path in tmp_path.rglob("*.nbc")}

    warm = run("-m", "huashi", "warm-up", "--dtypes", "float32")
    assert warm
    assert run("-c", EVERY_CASE) == warm


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
    assert kept(pool.huashi, x.clone()) == windows  # a byte each


def row(case, passes, contender, us, times, **rest):
    setting = Setting(case, passes, "contiguous", "float32").row()
    limits = {"pool": "pool(2)", "gb_per_s": 2.0, "copy_gb_per_s": 8.0, "shape": [2, 3]}
    return {**setting, "contender": contender, "median_us": us, "times_peer": times} | limits | rest


ROWS = [
    row("a", "inference", "eager", 2000.0, 1.0),
    row("a", "inference", "compiled", 1000.0, 2.0),
    row("a", "inference", "huashi", 500.0, 4.0),
    row("b", "inference", "eager", 1000.0, 1.0),
    row("b", "inference", "huashi", 4000.0, 0.25),
    row("a", "forward+backward", "eager", 900.0, 1.0, kept_bytes=900),
    row("a", "forward+backward", "huashi", 300.0, 3.0, kept_bytes=100),
    {"case": "first-call", "contender": "huashi", "median_us": 5e5},
]


def test_table_of_cases():
    assert tables.pooling(ROWS) == [
        [
            *("case", "pool", "shape", "eager, ms", "compiled, ms", "huashi, ms"),
            *("times eager", "forward + backward, times eager"),
        ],
        ["a", "`pool(2)`", "2 × 3", "2.00", "1.00", "0.50", "**4.0**", "**3.0**"],
        ["b", "`pool(2)`", "2 × 3", "1.00", "–", "4.00", "**0.25**", "–"],
    ]


def test_table_of_geometric_means():
    _, forward, both = tables.pooling_summary(ROWS)
    assert forward == [
        *("inference, contiguous, float32", "2", "**1.00**", "1", "0.25", "2.00", "25%", "–")
    ]
    assert both == [
        *(
            "forward + backward, contiguous, float32",
            "1",
            "**3.00**",
            "0",
            "3.00",
            "–",
            "25%",
            "9.0",
        )
    ]
