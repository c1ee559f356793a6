"""Attention as an operator with a gradient."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import backward_of, declare
from huashi.seq2seq.operations.short_attention import reference


def _forward_cpu(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    from huashi.seq2seq.operations.short_attention.cpu import by_head as cpu

    context, weights = _outputs(q, k)
    cpu.attend(context, weights, q, k, v, mask)
    return context, weights


def _backward_cpu(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    from huashi.seq2seq.operations.short_attention.cpu import by_head as cpu

    gradients = _like(q), _like(k), _like(v)
    cpu.differentiate(*gradients, grad, q, k, v, weights)
    return gradients


def _outputs(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Memory for contexts, and for weights, (rows, heads, targets, sources), in float32."""
    return _like(q), q.new_empty(*q.shape[:3], k.shape[2], dtype=torch.float32)


def _like(x: Tensor) -> Tensor:
    """Memory in the shape of ``x``, in which the heads of a word lie side by side."""
    rows, heads, time, size = x.shape
    return x.new_empty(rows, time, heads, size).transpose(1, 2)


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
    fake=lambda q, k, v, mask: _outputs(q, k),
    cpu_dtypes=(torch.float32, torch.bfloat16),
    cpu=_forward_cpu,
    keep=_keep,
    backward=_backward,
)
_attention_backward = declare(
    "attention_backward(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor weights)"
    " -> (Tensor, Tensor, Tensor)",
    example="huashi.seq2seq.operations.short_attention.short_attention",
    fake=lambda grad, q, k, v, weights: (_like(q), _like(k), _like(v)),
    cpu=_backward_cpu,
)
