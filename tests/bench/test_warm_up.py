"""Warming up calls every kernel, serially and in parallel."""

import os
import subprocess
import sys

import pytest
import torch

from huashi.bench import kernel_calls, warm_up


def test_kernels_are_called_serially_and_in_parallel(monkeypatch):
    threads = []
    calls = [("pool", lambda: threads.append(torch.get_num_threads()))]
    monkeypatch.setattr(warm_up, "_calls", lambda dtype: calls)
    before = torch.get_num_threads()
    names = [name for name, call in kernel_calls(["int8"]) if call() is None]
    assert names == ["pool, int8, serial", "pool, int8, parallel"]
    assert threads[0] == 1
    assert threads[1] >= 2
    assert torch.get_num_threads() == before


EVERY_CALL = """
import torch
from huashi import bench
from huashi.bench.warm_up import ELEMENTS, enlarged, examples
from tests.bench.test_pools import small
for example in examples():
    for elements in (1, ELEMENTS):
        tensors = enlarged(example, torch.float32, elements)
        leaves = [x.clone().requires_grad_() for x in tensors]
        example(*tensors)
        y = example(*leaves)
        if y.requires_grad:
            y.backward(torch.randn_like(y))
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
    assert run("-c", EVERY_CALL) == warm
