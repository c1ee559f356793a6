"""Kernels stay within their arrays, whatever the padding: a check that compiled code does without."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from huashi._windows import axes_of
from huashi.pooling.cpu import windows

PROGRAM = """
import random, sys, torch
from huashi import implementation, pooling
from huashi._kernel.operator import NoKernelError

random.seed(0)
torch.manual_seed(0)
CALLS = {
    "max": lambda f, x, k, s, p: f(x, k, s, p, return_indices=True)[0],
    "avg": lambda f, x, k, s, p: f(x, k, s, p),
    "lp": lambda f, x, k, s, p: f(x, 2, k, s, padding=p),
    "gem": lambda f, x, k, s, p: f(x, k, s, p, p=2.5),
    "median": lambda f, x, k, s, p: f(x, k, s, p),
}
SIDES = [(0, 0), (1, 1), (3, 3), (0, 5), (5, 0), (30, 2), (0, 30)]
served = 0
for turn in range(int(sys.argv[1])):
    dims, name = random.choice([1, 2]), random.choice(list(CALLS))

    def each(numbers):
        return [random.choice(numbers) for _ in range(dims)]

    lengths, kernel, stride = each([1, 2, 3, 9, 40]), each([1, 2, 3, 7]), each([1, 2, 3, 10])
    padding = each(SIDES)
    if any(k > n + sum(p) for n, k, p in zip(lengths, kernel, padding)):
        continue
    x = torch.randn(2, 3, *lengths)
    if dims == 2 and turn % 3 == 0:
        x = x.contiguous(memory_format=torch.channels_last)
    call, function = CALLS[name], getattr(pooling, f"{name}_pool{dims}d")

    def results(mode):
        with implementation(mode):
            leaf = x.clone().requires_grad_()
            y = call(function, leaf, kernel, stride, padding)
            return y, *torch.autograd.grad(y.masked_fill(y.isinf(), 0).sum(), leaf)

    try:
        found = results("kernel")
    except NoKernelError:  # a median of nothing to sort side by side
        continue
    served += 1
    for got, want in zip(found, results("reference")):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
print(served)
"""


@pytest.mark.parametrize("spread", [1, 3])
def test_what_is_read_begins_within_the_scratch(spread):
    """Also where no window comes as far as the input."""
    for length, kernel, stride, before in product((1, 2, 9), (1, 3), (1, 3, 10), (0, 2, 5, 30)):
        if kernel > length + before:
            continue
        axis = axes_of((length,), kernel, stride, [(before, 0)])[0]
        record = np.array([tuple(axis)], windows.AXIS)[0]
        n = (axis.windows - 1) * stride + kernel
        first, last, start = windows.span(record, spread, n)
        assert 0 <= start <= n
        assert last == first or start + (last - first - 1) * spread < n


@pytest.mark.slow
def test_no_kernel_reads_or_writes_beyond_its_arrays(tmp_path):
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM, "3000"]
    run = subprocess.run(command, env=os.environ | checked, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 1000
