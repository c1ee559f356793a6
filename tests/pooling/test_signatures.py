"""A function and its module take their arguments in one order, the window first."""

import inspect

import pytest
import torch

from huashi import pooling

FUNCTIONS = {name.replace("_", ""): name for name in pooling.__all__ if name.islower()}
PAIRS = [
    (FUNCTIONS[name.lower()], name)
    for name in pooling.__all__
    if not name.islower() and name.lower() in FUNCTIONS
]
TENSORS = {"x", "indices", "weight"}  # which a module is given in its forward, or learns
AS_TORCH = {"return_indices", "ceil_mode"}  # which torch's own two have in two orders


def by_position(name):
    parameters = inspect.signature(getattr(pooling, name)).parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return [name for name in names if name not in TENSORS | AS_TORCH]


@pytest.mark.parametrize(("function", "module"), PAIRS)
def test_one_order(function, module):
    ours, its = by_position(function), by_position(module)
    if module == "GlobalAttentionPool":  # whose module makes the weight, of so many channels
        assert (ours, its) == ([], ["channels"])
    else:
        assert all(a == b for a, b in zip(ours, its, strict=False)), (ours, its)


def test_the_order_of_torch_stays():
    assert (
        by_position("lp_pool2d")[:2] == by_position("LPPool2d")[:2] == ["norm_type", "kernel_size"]
    )


@pytest.mark.parametrize("name", ["gem_pool", "log_sum_exp_pool", "quantile_pool", "mixed_pool"])
def test_a_call_in_the_old_order_is_an_error(name):
    with pytest.raises(TypeError, match="keyword"):
        getattr(pooling, f"{name}2d")(torch.ones(1, 4, 4), 0.5, 2)
