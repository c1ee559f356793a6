"""The largest elements of rows and of chunks of rows, as operators."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import NUMBERS, declare


def _keep_indices(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.length = inputs[0].shape[-1]


def _taken_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return _put_back(grad, *ctx.saved_tensors, ctx.length), None


k_largest = declare(
    "pool_k_largest(Tensor x, int k) -> Tensor",
    example="huashi.pooling.k_max_pool1d",
    uncovered={
        "mask": "the kernel takes every element of x as real",
    },
    fake=lambda x, k: x.new_empty((*x.shape[:-1], k), dtype=torch.int64),
    cpu_dtypes=NUMBERS,
    cpu="huashi.pooling.cpu.sequence:k_largest",
)
chunk_largest = declare(
    "pool_chunk_largest(Tensor x, Tensor starts, Tensor stops) -> Tensor",
    example="huashi.pooling.chunk_max_pool1d",
    uncovered={
        "mask": "the kernel knows where a chunk begins and ends, not what is absent within",
    },
    fake=lambda x, starts, stops: x.new_empty((*x.shape[:-1], starts.shape[-1]), dtype=torch.int64),
    cpu="huashi.pooling.cpu.sequence:chunk_largest",
)
taken = declare(
    "pool_taken(Tensor x, Tensor indices) -> Tensor",
    example="huashi.pooling.k_max_pool1d",
    fake=lambda x, indices: x.new_empty(indices.shape),
    cpu="huashi.pooling.cpu.sequence:taken",
    keep=_keep_indices,
    backward=_taken_gradient,
)
_put_back = declare(
    "pool_put_back(Tensor grad, Tensor indices, SymInt length) -> Tensor",
    example="huashi.pooling.k_max_pool1d",
    fake=lambda grad, indices, length: grad.new_empty((*grad.shape[:-1], length)),
    cpu="huashi.pooling.cpu.sequence:put_back",
    keep=_keep_indices,
    backward=lambda ctx, grad: (taken(grad, *ctx.saved_tensors), None, None),
)
