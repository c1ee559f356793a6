"""Windows: how many, where, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import pooling
from huashi._windows import axes_of


def test_numbers_stand_for_all_axes():
    assert axes_of([6, 8], 2) == axes_of([6, 8], [2, 2], [2, 2], [0, 0], [1, 1])
    assert axes_of([6, 8], 2, padding=[1, 2]) == axes_of([6, 8], 2, padding=[(1, 1), (2, 2)])


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_same_gives_a_window_for_each_stride(length, kernel, stride, dilation, lower):
    padding = "same_lower" if lower else "same"
    [axis] = axes_of([length], kernel, stride, padding, dilation)
    assert axis.windows == -(-length // stride)
    assert (axis.before - axis.after) in ((0, 1) if lower else (0, -1))


@given(
    st.integers(1, 20), st.integers(1, 5), st.integers(1, 5), st.integers(0, 7), st.integers(0, 7)
)
def test_ceil_mode_adds_a_window_that_begins_inside(length, kernel, stride, before, after):
    if length + before + after < kernel:
        return
    floor, ceil = (
        axes_of([length], kernel, stride, [(before, after)], ceil_mode=mode)[0].windows
        for mode in (False, True)
    )
    assert ceil - floor in (-1, 0, 1)
    begins = (max(floor, ceil) - 1) * stride  # of the one that makes the difference
    if ceil != floor:
        assert (begins < length + before) == (ceil > floor)


def test_sizes_may_be_of_numpy_and_tuples_of_one():
    want = axes_of([6, 8], 2, 1, 1)
    assert axes_of([6, 8], np.int64(2), (1,), np.array([1, 1]).tolist()) == want
    assert axes_of([6, 8], (np.int32(2),), np.int64(1), (1,)) == want


@pytest.mark.parametrize("pool", ["max_pool1d", "avg_pool1d"])
@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 8))
def test_a_window_larger_than_its_input_in_ceil_mode(pool, length, kernel, stride):
    """As torch has it: one, as long as the stride reaches over what is missing."""
    x = torch.randn(1, 2, length)
    try:
        want = getattr(F, pool)(x, kernel, stride, ceil_mode=True)
    except RuntimeError:
        with pytest.raises(ValueError, match="kernel_size must fit into the padded input"):
            axes_of([length], kernel, stride, ceil_mode=True)
    else:
        assert_close(getattr(pooling, pool)(x, kernel, stride, ceil_mode=True), want)
        assert axes_of([length], kernel, stride, ceil_mode=True)[0].kernel <= length


@pytest.mark.parametrize(("kernel", "dilation"), [(64, 1), (2560, 1), (9, 2), (1000, 3)])
def test_a_window_over_all_costs_no_more_than_its_input(kernel, dilation):
    """Models pool whole maps by a window as large as anything, in ceil mode."""
    [axis] = axes_of([7], kernel, dilation=dilation, stride=9999, ceil_mode=True)
    assert (axis.kernel, axis.windows) == (-(-7 // dilation), 1)
    x = torch.randn(1, 2, 7, 7)
    for name in ("max", "min", "avg", "soft", "median", "gem"):
        pool = getattr(pooling, f"{name}_pool2d")
        more = {"p": 2.0} if name == "gem" else {}
        cut = x[..., ::dilation, ::dilation]
        want = pool(cut, cut.shape[-1], **more)
        got = pool(x, kernel, 9999, dilation=dilation, ceil_mode=True, **more)
        assert_close(got, want)


def test_padding_may_be_more_than_half_the_kernel():
    assert axes_of([1], 2, 1, padding=3)[0].windows == 6


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be >= 1, got 0"),
        ({"kernel_size": [2, 2, 2]}, ValueError, r"kernel_size must be an int or have 2 of them, got \[2"),
        ({"kernel_size": 2.0}, TypeError, "kernel_size must be made of ints, got 2.0"),
        ({"kernel_size": True}, TypeError, "kernel_size must be made of ints, got True"),
        ({"kernel_size": 2, "stride": 0}, ValueError, "stride must be >= 1, got 0"),
        ({"kernel_size": 2, "dilation": -1}, ValueError, "dilation must be >= 1, got -1"),
        ({"kernel_size": 2, "padding": -1}, ValueError, "padding must be >= 0, got -1"),
        ({"kernel_size": 2, "padding": "sane"}, ValueError, "got 'sane'; did you mean 'same'"),
        ({"kernel_size": 2, "padding": [(1, 1)]}, ValueError, r"padding must have \(before, after\) for 2"),
        ({"kernel_size": 2, "padding": [(1, 1, 1), (0, 0)]}, ValueError, r"padding must have \(before"),
        ({"kernel_size": 4, "dilation": 3}, ValueError, "kernel_size must fit into the padded input, got a window of 10"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(arguments, error, complaint):
    with pytest.raises(error, match=complaint):
        axes_of([5, 5], **arguments)
