"""What pools over windows refuse, and how they say so."""

import re

import numpy as np
import pytest
import torch

from huashi import pooling
from huashi.pooling import average, exponentials, extrema, mixture, order, powers, stochastic

IMAGE, LINE = torch.ones(1, 1, 4, 4), torch.ones(2, 3, 4)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: extrema.max_pool(2, [[1.0]], 2), TypeError, "x must be a tensor, got list"),
        (lambda: extrema.max_pool(2, LINE[0], 2), ValueError, "x must have shape (channel, height, width) or (batch, channel, height, width), got (3, 4)"),
        (lambda: extrema.max_pool(1, torch.ones(2, 3, 0), 2), ValueError, "x must have no dimension of size 0 but batch, got (2, 3, 0)"),
        (lambda: extrema.max_pool(1, LINE.bool(), 2), TypeError, "x must be a floating-point or integer tensor, got torch.bool"),
        (lambda: average.avg_pool(1, LINE.int(), 2), TypeError, "x must be a floating-point tensor, got torch.int32"),
        (lambda: exponentials.soft_pool(1, LINE.cfloat(), 2), TypeError, "x must be a floating-point tensor, got torch.complex64"),
        (lambda: extrema.max_pool(2, IMAGE, 0), ValueError, "kernel_size must be >= 1, got 0"),
        (lambda: extrema.max_pool(2, IMAGE, (2, 2, 2)), ValueError, "kernel_size must be an int or have 2 of them, got (2, 2, 2)"),
        (lambda: extrema.max_pool(2, IMAGE, 2.0), TypeError, "kernel_size must be made of ints, got 2.0"),
        (lambda: extrema.max_pool(2, IMAGE, 2, 0), ValueError, "stride must be >= 1, got 0"),
        (lambda: extrema.max_pool(2, IMAGE, 2, padding=-1), ValueError, "padding must be >= 0, got -1"),
        (lambda: extrema.max_pool(2, IMAGE, 2, padding="sam"), ValueError, "padding must be one of 'same', 'same_lower', got 'sam'; did you mean 'same'?"),
        (lambda: extrema.max_pool(2, IMAGE, 2, dilation=0), ValueError, "dilation must be >= 1, got 0"),
        (lambda: extrema.max_pool(2, IMAGE, 5), ValueError, "kernel_size must fit into the padded input, got a window of 5 elements (kernel 5, dilation 1) for 4 + 0 + 0"),
        (lambda: extrema.max_pool(1, LINE, 2, mask=torch.ones(4)), TypeError, "mask must be a bool tensor, got torch.float32"),
        (lambda: extrema.max_pool(1, LINE, 2, mask=torch.ones(3).bool()), ValueError, "mask must be broadcastable to x (2, 3, 4), got (3,)"),
        (lambda: extrema.max_pool(2, IMAGE, 2, lengths=torch.tensor([2])), ValueError, "lengths must be None in 2 dimensions"),
        (lambda: extrema.max_pool(1, LINE, 2, lengths=torch.tensor([2])), ValueError, "lengths must have shape (2,), one for each sample, got (1,)"),
        (lambda: extrema.max_pool(1, LINE, 2, lengths=torch.ones(2)), TypeError, "lengths must be an integer tensor, got torch.float32"),
        (lambda: average.avg_pool(1, LINE, 2, divisor_override=0), ValueError, "divisor_override must not be 0, got 0"),
        (lambda: powers.lp_pool(1, LINE, 0, 2), ValueError, "norm_type must be > 0, got 0"),
        (lambda: powers.lp_pool(1, LINE, 2, 2, reduction="max"), ValueError, "reduction must be one of 'sum', 'mean', got 'max'"),
        (lambda: powers.gem_pool(1, LINE, 2, p=-1), ValueError, "p must be > 0, got -1"),
        (lambda: powers.gem_pool(1, LINE, 2, p=torch.ones(3)), ValueError, "p must be a number or a 0-d tensor, got (3,)"),
        (lambda: powers.gem_pool(1, LINE, 2, p=3, eps=0.0), ValueError, "eps must be > 0, got 0.0"),
        (lambda: exponentials.log_sum_exp_pool(1, LINE, 2, r=0), ValueError, "r must be > 0, got 0"),
        (lambda: stochastic.stochastic_pool(1, LINE, 2, weights="rel"), ValueError, "weights must be one of 'relu', 'softmax', got 'rel'; did you mean 'relu'?"),
        (lambda: order.sort_pool(1, LINE, 2, scores=torch.ones(3)), ValueError, "scores must have shape (k,) or (channel, k) with k from 1 to the 2 elements of a window, got (3,)"),
        (lambda: order.sort_pool(1, LINE, 2, scores=torch.ones(2, 2)), ValueError, "scores must be for the 3 channels of x, got 2"),
        (lambda: order.quantile_pool(1, LINE, 2, q=1.5), ValueError, "q must be in [0, 1], got 1.5"),
        (lambda: extrema.mask_pool(1, LINE, 2), TypeError, "mask must be a bool tensor, got torch.float32"),
        (lambda: extrema.mask_pool(1, np.ones(4, bool), 2), TypeError, "mask must be a bool tensor, got ndarray"),
        (lambda: extrema.max_pool(1, LINE, 2, mask=np.ones(4, bool)), TypeError, "mask must be a bool tensor, got ndarray"),
        (lambda: extrema.max_pool(1, LINE, 2, lengths=[3, 2]), TypeError, "lengths must be an integer tensor, got list"),
        (lambda: extrema.max_pool(1, LINE, 2, lengths=np.array([3, 2])), TypeError, "lengths must be an integer tensor, got ndarray"),
        (lambda: extrema.max_pool(1, LINE, 2, return_indices=2), TypeError, "return_indices must be a bool, got 2"),
        (lambda: extrema.max_pool(1, LINE, 2, return_indices="foo"), ValueError, "return_indices must be a bool or \"compact\", got 'foo'"),
        (lambda: average.avg_pool(1, LINE, 2, divisor_override=2.5), TypeError, "divisor_override must be an int, got 2.5"),
        (lambda: powers.gem_pool(1, LINE, 2, p="3"), TypeError, "p must be a number, got '3'"),
        (lambda: powers.lp_pool(1, LINE, "2", 2), TypeError, "norm_type must be a number, got '2'"),
        (lambda: order.quantile_pool(1, LINE, 2, q="low"), TypeError, "q must be a number, got 'low'"),
        (lambda: mixture.mixed_pool(1, LINE, 2, a="half"), TypeError, "a must be a number, got 'half'"),
        (lambda: order.sort_pool(1, LINE, 2, scores=[0.0, 1.0]), TypeError, "scores must be a tensor, got list"),
        (lambda: order.SortPool2d(2, k=2.0), TypeError, "k must be an int, got 2.0"),
        (lambda: stochastic.stochastic_pool(1, LINE, 2, training="no"), TypeError, "training must be a bool, got 'no'"),
        (lambda: pooling.fractional_max_pool1d(LINE, 2, 2, return_indices="foo"), TypeError, "return_indices must be a bool, got 'foo'"),
        (lambda: pooling.k_max_pool1d(LINE, 2, return_indices="foo"), TypeError, "return_indices must be a bool, got 'foo'"),
        (lambda: pooling.chunk_max_pool1d(LINE, 2, positions=[1]), TypeError, "positions must be an integer tensor, got list"),
        (lambda: pooling.global_attention_pool(IMAGE, [1.0]), TypeError, "weight must be a tensor, got list"),
        (lambda: pooling.spatial_pyramid_pool2d(IMAGE, 2), TypeError, "levels must be a sequence of ints, got 2"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()


def test_numbers_of_numpy_are_numbers():
    two = np.int64(2)
    for pool in (pooling.k_max_pool1d, pooling.chunk_max_pool1d, pooling.max_pool1d):
        assert torch.equal(pool(LINE, two), pool(LINE, 2))
    assert torch.equal(pooling.avg_pool1d(LINE, 2, divisor_override=two), LINE[..., :2])
    assert torch.equal(pooling.KMaxPool1d(two)(LINE), LINE[..., :2])
