"""Dropout drops with its probability, each number by itself, and keeps the expectation."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi._dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_drops_that_share_and_scales_the_rest(p):
    x = torch.ones(400, 1001, dtype=torch.float64)
    y = dropout(x, p)
    assert_close((y == 0).double().mean().item(), p, atol=0.003, rtol=0)
    kept = y[y != 0]
    assert_close(kept, torch.full_like(kept, 1 / (1 - p)), atol=0, rtol=1e-4)
    assert (kept == kept[0]).all()
    probability = round(p * 2**16) / 2**16  # of a mask of sixteen bits
    assert_close(kept[0].item() * (1 - probability), 1.0)


def test_draws_are_independent():
    """Neighbours, numbers of one word of bits and whole rows all agree by chance alone."""
    dropped = (dropout(torch.ones(512, 512), 0.3) == 0).double()
    both = 0.3**2
    for distance in (1, 2, 3, 4, 512):
        flat = dropped.flatten()
        together = (flat[distance:] * flat[:-distance]).mean().item()
        assert_close(together, both, atol=0.004, rtol=0)
    share = dropped.mean(1)
    assert share.std().item() < 1.3 * (0.3 * 0.7 / 512) ** 0.5


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 0, 4), (5, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_shape_and_dtype(shape, dtype):
    y = dropout(torch.ones(shape, dtype=dtype), 0.5)
    assert y.shape == shape
    assert y.dtype == dtype
    assert ((y == 0) | (y == 2)).all()


def test_the_gradient_goes_where_the_numbers_went():
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    y = dropout(x, 0.4)
    y.sum().backward()
    assert_close(x.grad * x, y)

    def seeded(x):
        torch.manual_seed(1)
        return dropout(x, 0.4).sin()

    torch.autograd.gradcheck(seeded, x)
    torch.autograd.gradgradcheck(seeded, x)


def test_the_seed_says_what_is_dropped():
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(dropout(torch.ones(100), 0.5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_nothing_and_everything():
    x = torch.randn(9)
    assert torch.equal(dropout(x, 0.0), x)
    assert torch.equal(dropout(x, 1.0), torch.zeros(9))
    layer = Dropout(0.5)
    assert isinstance(layer, nn.Dropout)
    assert layer.eval()(x) is x
    assert (layer.train()(torch.ones(1000)) == 0).any()
    with pytest.raises(ValueError, match="probability"):
        Dropout(1.5)
