"""What the CPU kernels share."""

import subprocess
import sys
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
import torch

from huashi._kernel import numba as _numba
from huashi._kernel.numba import compiled, part_of, threaded
from huashi._kernel.select import larger, smaller


def test_compiles_where_no_cache_can_be_kept():
    """A function without a file has no place for a cache, like one in folders not writable."""
    scope = {}
    exec("def double(x):\n    return 2 * x", scope)  # noqa: S102
    with pytest.raises(RuntimeError, match="cannot cache function"):
        numba.njit(cache=True)(scope["double"])
    assert compiled(scope["double"])(21) == 42


CALL = """
import sys, huashi
huashi.__path__.append(sys.argv[1])
from huashi.probe.outer import twice
print(twice(3))
"""


def test_a_kernel_is_compiled_anew_where_what_it_calls_has_changed(tmp_path):
    """Numba alone would go on with what is on disk, since the file of the kernel is the same."""
    folder = tmp_path / "probe"
    folder.mkdir()
    start = "from huashi._kernel.numba import compiled\n"
    (folder / "outer.py").write_text(
        f"{start}from huashi.probe.inner import one\n@compiled\ndef twice(x):\n    return 2 * one(x)\n"
    )
    for rest, wanted in (("x", "6"), ("x + 100", "206"), ("x", "6")):
        (folder / "inner.py").write_text(f"{start}@compiled\ndef one(x):\n    return {rest}\n")
        command = [sys.executable, "-c", CALL, str(tmp_path)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        assert run.stdout.strip() == wanted
    assert list((folder / "__pycache__").glob("outer.twice*.nbc"))  # it was kept


@compiled
def extremes(x):
    low = high = x[0]
    for i in range(x.size):
        low, high = smaller(low, x[i]), larger(high, x[i])
    return low, high


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 64, 1001])
def test_larger_and_smaller(n, dtype):
    x = np.random.default_rng(n).normal(size=n).astype(dtype)
    assert extremes(x) == (x.min(), x.max())
    x[n // 2], x[-1] = np.inf, -np.inf
    assert extremes(x) == (x.min(), x.max())


@threaded
def count_threads(part, parts, x, threads):
    for i in part_of(x.size, part, parts):
        threads[i] = parts


@pytest.mark.filterwarnings("ignore:.*Cannot cache compiled function")
@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two cores")
def test_as_many_threads_as_torch():
    before, mine = torch.get_num_threads(), numba.get_num_threads()
    large = np.zeros(_numba.SERIAL_BELOW)
    used = np.zeros_like(large)
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            numba.set_num_threads(2 if n == 1 else 1)  # of the caller: not what a kernel uses
            count_threads(large, used)
            assert n == 1 or set(used) == {2}
            assert numba.get_num_threads() == (2 if n == 1 else 1)
    finally:
        torch.set_num_threads(before)
        numba.set_num_threads(mine)


@pytest.mark.filterwarnings("ignore:.*Cannot cache compiled function")
@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two cores")
def test_parts_side_by_side_run_the_code_for_their_kind_of_arrays():
    """It is called by its address: that of another kind would write elsewhere."""
    before, size = torch.get_num_threads(), _numba.SERIAL_BELOW
    torch.set_num_threads(2)
    try:
        for _ in range(2):
            for dtype, step in ((np.float64, 1), (np.float32, 1), (np.float64, 2), (np.int16, 1)):
                room = np.zeros((2 * size, step), dtype)
                count_threads(room[:size, 0], room[:size, 0])
                assert set(room[:size, 0]) == {2}
                assert not room[size:].any()
                assert not room[:, 1:].any()
    finally:
        torch.set_num_threads(before)


class Line(NamedTuple):
    slope: Any
    offsets: Any


@threaded
def draw_line(part, parts, x, line):
    line = Line(*line)
    for i in part_of(x.size, part, parts):
        x[i] = line.slope * i + line.offsets[i]


@pytest.mark.filterwarnings("ignore:.*Cannot cache compiled function")
@pytest.mark.parametrize("size", [5, 2 * _numba.SERIAL_BELOW])
def test_a_kernel_reads_the_fields_of_a_named_tuple(size):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for slope, dtype in ((3, np.float64), (np.float32(0.5), np.float32), (3, np.int64)):
            x, offsets = np.zeros(size), np.arange(1, size + 1).astype(dtype)
            draw_line(x, Line(slope, offsets))
            assert np.array_equal(x, slope * np.arange(size) + offsets)
    finally:
        torch.set_num_threads(before)
