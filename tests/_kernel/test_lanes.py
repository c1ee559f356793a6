"""Sixteen numbers at once are sixteen numbers, in float32 and as bfloat16."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.lanes import WIDTH, add, load, multiply_add, spread, store, total
from huashi._kernel.numba import compiled


@compiled
def copy(to, x):
    for i in range(0, len(x), WIDTH):
        store(to, i, load(x, i))


@compiled
def evaluate(to, a, b, c):
    """The products and sums, then in a lane's place the sum of all of a."""
    store(to, 0, add(multiply_add(load(a, 0), load(b, 0), load(c, 0)), spread(np.float32(2))))
    to[WIDTH] = total(load(a, 0))


def special():
    """Ties, what rounds to infinity, numbers next to zero, infinities and NaN, and any bits."""
    bits = torch.randint(-(2**31), 2**31, (2**12,), generator=torch.Generator().manual_seed(0))
    ties = (bits[:1024] & ~0xFFFF) | 0x8000
    nans = torch.tensor([0x7F800001, 0x7FFFFFFF, 0x7FC00000])
    floats = torch.cat([bits, ties, nans]).to(torch.int32).view(torch.float32)
    edges = torch.tensor([0.0, -0.0, 3.4e38, -3.4e38, 1e-45, torch.inf, -torch.inf])
    return torch.cat([floats, edges, torch.zeros(WIDTH - 10)])


@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_numbers_are_read_and_written(given, wanted):
    x = special().to(given)
    y = torch.zeros_like(x, dtype=wanted)
    copy(array_of(y), array_of(x))
    assert_close(y, x.to(wanted), rtol=0, atol=0, equal_nan=True)


def test_sums_and_products():
    a, b, c = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(WIDTH + 1)
    evaluate(*map(array_of, (y, a, b, c)))
    assert_close(y[:WIDTH], a * b + c + 2)
    assert_close(y[WIDTH], a.sum())
