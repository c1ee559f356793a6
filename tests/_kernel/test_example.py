"""Example calls are kept in the order in which they stand over their function."""

import torch

from huashi._kernel.example import EXAMPLES, example


def test_examples_of_a_function_in_their_order():
    before = list(EXAMPLES)

    @example((2, 3), integers=True)
    @example((2, 4), (), call=lambda f, x, s: f(x, scale=s))
    def scaled(x, scale=2.0):
        return x * scale

    first, second = EXAMPLES[len(before) :]
    del EXAMPLES[len(before) :]
    assert (first.shapes, first.integers) == (((2, 3),), True)
    assert (second.shapes, second.integers) == (((2, 4), ()), False)
    assert first.function is second.function is scaled
    assert torch.equal(first(torch.ones(2)), torch.full((2,), 2.0))
    assert torch.equal(second(torch.ones(2), torch.tensor(3.0)), torch.full((2,), 3.0))
