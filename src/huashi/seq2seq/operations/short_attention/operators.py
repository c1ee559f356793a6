"""Attention as an operator with a gradient."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare
from huashi.seq2seq.operations.short_attention import reference
from huashi.seq2seq.operations.short_attention.geometry import like, outputs

MULTIPLE = 32  # of which the size of a head must be one: two times sixteen lanes


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    q, k, v, mask = inputs
    ctx.save_for_backward(q, k, v, mask, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Any) -> tuple:
    q, k, v, mask, weights = ctx.saved_tensors
    if torch.is_grad_enabled():
        return *backward_of(reference.attend, (q, k, v), grad, mask), None
    return *_attention_backward(grad, q, k, v, weights), None


attention = declare(
    "attention(Tensor q, Tensor k, Tensor v, Tensor? mask) -> (Tensor, Tensor)",
    example="huashi.seq2seq.operations.short_attention.short_attention",
    fake=lambda q, k, v, mask: outputs(q, k),
    cpu_dtypes=(torch.float32, torch.bfloat16),
    uncovered={
        "dtypes": "q, k and v must have the same dtype",
        "size": f"the size of a head must be a multiple of {MULTIPLE}",
        "no keys": "there is no key to attend to",
    },
    cpu="huashi.seq2seq.operations.short_attention.cpu.by_head:attend",
    keep=_keep,
    backward=_backward,
    multiply_adds=lambda q, k, v, mask: 2 * q.numel() * k.shape[2],
)
_attention_backward = declare(
    "attention_backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor weights)"
    " -> (Tensor, Tensor, Tensor)",
    example="huashi.seq2seq.operations.short_attention.short_attention",
    fake=lambda grad, q, k, v, weights: (like(q), like(k), like(v)),
    cpu="huashi.seq2seq.operations.short_attention.cpu.by_head:gradients",
)
