"""1.5-entmax along the last dimension as operators, with a gradient."""

from typing import Any

import torch
from torch import Tensor

from huashi._operator import declare
from huashi.seq2seq.entmax import reference


def _forward_cpu(x: Tensor) -> Tensor:
    from huashi.seq2seq.entmax import cpu  # imported by the first call, not with huashi

    return cpu.forward(x)


def _backward_cpu(grad: Tensor, y: Tensor) -> Tensor:
    from huashi.seq2seq.entmax import cpu

    return cpu.backward(grad, y)


def _forward_gpu(x: Tensor) -> Tensor:
    from huashi.seq2seq.entmax import gpu

    return gpu.forward(x)


def _backward_gpu(grad: Tensor, y: Tensor) -> Tensor:
    from huashi.seq2seq.entmax import gpu

    return gpu.backward(grad, y)


_entmax15 = declare(
    "entmax15(Tensor x) -> Tensor",
    fake=lambda x: x.new_empty(x.shape),
    cpu=_forward_cpu,
    cuda=_forward_gpu,
)
_entmax15_backward = declare(
    "entmax15_backward(Tensor grad, Tensor y) -> Tensor",
    fake=lambda grad, y: y.new_empty(y.shape),
    cpu=_backward_cpu,
    cuda=_backward_gpu,
)


class _FusedEntmax15(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = _entmax15(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (y,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: y leads back here for the next order
            return reference.entmax15_backward(grad, y)
        return _entmax15_backward(grad, y)


fused_entmax15 = _FusedEntmax15.apply
