"""Proximal steps: which of them a kernel computes, and what the others say when one is asked for."""

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi._kernel.example import EXAMPLES
from huashi.regularization import prox

CALLS = [one for one in EXAMPLES if one.function.__module__.startswith(f"{prox.__name__}.")]


def test_every_step_has_an_example():
    assert {one.function for one in CALLS} == {getattr(prox, name) for name in prox.__all__}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function.__name__)
def test_only_the_step_in_a_metric_has_a_kernel(call):
    given = [torch.randn(shape) for shape in call.shapes]
    with implementation("reference"):
        wanted = call(*given)
    assert_close(call(*given), wanted)
    with implementation("kernel"):
        if call.function is prox.metric_block_soft_threshold:
            assert_close(call(*given), wanted)
        else:
            name = call.function.__name__
            with pytest.raises(RuntimeError, match=f"no kernel serves {name}: .*torch's own"):
                call(*given)


def test_the_kernel_leaves_gradients_to_the_definition():
    v = torch.randn(4, 5, requires_grad=True)
    prox.metric_block_soft_threshold(v, 0.7, torch.ones(4, 5)).sum().backward()
    assert v.grad is not None
    with (
        implementation("kernel"),
        pytest.raises(RuntimeError, match="metric_block_soft_threshold: the kernel has no deriv"),
    ):
        prox.metric_block_soft_threshold(v, 0.7, torch.ones(4, 5))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function.__name__)
def test_compiles_in_one_graph(call):
    given = [torch.randn(shape) for shape in call.shapes]
    torch.compiler.reset()  # all examples share the code of their call, which may be compiled 8 times
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert_close(compiled(*given), call(*given))
