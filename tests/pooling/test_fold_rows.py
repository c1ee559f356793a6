"""Windows folded line by line: what is odd among the numbers, and where it lies."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from huashi import implementation
from huashi.pooling import extrema

ODD = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0)
DTYPES = [torch.float32, torch.bfloat16]
OTHERS = torch.float64, torch.int64, torch.uint8
MORE = [pytest.param(dtype, marks=pytest.mark.slow) for dtype in OTHERS]


@st.composite
def rows(draw, dtype):
    """Long rows of one to three dimensions, of few different numbers."""
    dims = draw(st.integers(1, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    shape = (2, draw(st.sampled_from([1, 16])), *[draw(st.integers(2, 5))] * (dims - 1))
    numbers = torch.tensor(ODD if dtype.is_floating_point else (0, 1, 200))
    places = torch.randint(len(numbers), (*shape, 100), generator=generator)
    x = numbers[places].to(dtype)
    if dims > 1 and draw(st.booleans()):
        x = x.contiguous(memory_format={2: torch.channels_last, 3: torch.channels_last_3d}[dims])
    return dims, x


@pytest.mark.parametrize("dtype", DTYPES + MORE)
@pytest.mark.parametrize("pool", [extrema.max_pool, extrema.min_pool])
@settings(max_examples=30)
@given(data=st.data(), k=st.integers(1, 3), stride=st.integers(1, 4), dilation=st.integers(1, 2))
def test_the_first_of_equals_and_the_last_nan(pool, dtype, data, k, stride, dilation):
    dims, x = data.draw(rows(dtype))
    padding = [(1, 0)] * (dims - 1) + [(2, dilation * (k - 1) + 1)]  # windows of padding alone, too
    windows = [min(k, 2)] * (dims - 1) + [k], stride, padding, [1] * (dims - 1) + [dilation]
    with implementation("reference"):
        want, places = pool(dims, x, *windows, return_indices=True)
    with implementation("kernel"):
        found, indices = pool(dims, x, *windows, return_indices=True)
        alone = pool(dims, x, *windows)
    assert torch.equal(indices, places)
    for y in (found, alone):
        assert y.dtype == x.dtype
        torch.testing.assert_close(y, want, rtol=0, atol=0, equal_nan=True)
    zero = want == 0  # of which the first gives the sign
    assert torch.equal(found[zero].signbit(), want[zero].signbit())


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_large_windows_of_wide_numbers_go_line_by_line(dtype):
    """An offset can be packed beside none of these."""
    x = torch.randint(-9, 9, (2, 3, 20, 40), generator=torch.Generator().manual_seed(0)).to(dtype)
    with implementation("kernel"):
        found = extrema.max_pool(2, x, 11, 2, 5, return_indices=True)
    with implementation("reference"):
        want = extrema.max_pool(2, x, 11, 2, 5, return_indices=True)
    assert all(map(torch.equal, found, want))
