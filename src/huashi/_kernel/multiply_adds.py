"""How many multiply-adds an operator takes, of the arguments that it is called with.

Of torch's operators by the formulas of ``torch.utils.flop_counter``, which counts a multiply-add as
two operations, and of some that it lacks; of Huashi's by their declarations.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import DECLARED

aten = torch.ops.aten
Formula = Callable[..., int]
"""Takes what the operator takes, and its result as ``out_val``."""


def flop_formulas() -> dict[Any, Formula]:
    """By operator: its floating-point operations, two for each multiply-add."""
    from torch.utils.flop_counter import flop_registry

    return {**formulas_that_torch_lacks(), **flop_registry}


def formulas_that_torch_lacks() -> dict[Any, Formula]:
    """As the ``custom_mapping`` of ``torch.utils.flop_counter.FlopCounterMode`` takes them."""
    ours = {
        getattr(torch.ops.huashi, name): declared.multiply_adds
        for name, declared in DECLARED.items()
        if declared.multiply_adds is not None
    }
    return {operator: _as_flops(formula) for operator, formula in {**_LACKING, **ours}.items()}


def _as_flops(multiply_adds: Callable[..., int]) -> Formula:
    def flops(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return 2 * multiply_adds(*args, **kwargs)

    flops._get_raw = True  # pyright: ignore[reportFunctionMemberAccess]  (of tensors, not shapes)
    return flops


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> int:
    """Queries times keys, and what that weighs times the values."""
    *rows, queries, features = query.shape
    return math.prod(rows) * queries * key.shape[-2] * (features + value.shape[-1])


def _trilinear(
    i1: Tensor,
    i2: Tensor,
    i3: Tensor,
    expand1: list[int],
    expand2: list[int],
    expand3: list[int],
    *args: Any,
    **kwargs: Any,
) -> int:
    """As of ``nn.Bilinear``: each product of three, with one addition."""
    shapes = []
    for x, expand in ((i1, expand1), (i2, expand2), (i3, expand3)):
        shape = list(x.shape)
        for dim in sorted(expand):
            shape.insert(dim, 1)
        shapes.append(shape)
    return math.prod(torch.broadcast_shapes(*shapes))


_LACKING: dict[Any, Callable[..., int]] = {
    aten.mv: lambda matrix, vector: matrix.numel(),
    aten.addmv: lambda x, matrix, vector, **scales: matrix.numel(),
    aten.dot: lambda x, y: x.numel(),
    aten.vdot: lambda x, y: x.numel(),
    aten._trilinear: _trilinear,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
}
