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


X = torch.rand(1, 2, 4, 4)
OLD = {  # what stood before the window
    "gem_pool2d": ("p", 3.0),
    "adaptive_gem_pool2d": ("p", torch.tensor(2.0)),
    "log_sum_exp_pool2d": ("r", 0.5),
    "quantile_pool2d": ("q", 0.3),
    "sort_pool2d": ("scores", torch.tensor([0.0, 1.0])),
    "mixed_pool2d": ("a", 0.25),
    "gated_pool2d": ("weight", torch.tensor([1.0, 2.0, 3.0, 4.0])),
}


@pytest.mark.parametrize("name", OLD)
def test_a_call_in_the_old_order_is_understood_where_it_can_be_told(name):
    pool, (parameter, value) = getattr(pooling, name), OLD[name]
    with pytest.warns(DeprecationWarning, match=f"{parameter} by its name: {name}"):
        old = pool(X, value, 2)
    assert torch.equal(old, pool(X, 2, **{parameter: value}))
    with pytest.raises(TypeError, match=r"keyword-only argument|positional argument"):
        pool(X, 3, 2)
    with pytest.raises(TypeError, match=r"kernel_size|output_size"):
        pool(X, **{parameter: value})
