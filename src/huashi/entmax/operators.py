"""Entmax along the last dimension, and its losses, as operators with gradients."""

from typing import Any

import torch
from torch import Tensor

from huashi._kernel.operator import declare
from huashi.entmax import reference


def _fake_loss(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    rows = x.shape[0]
    loss = x.new_empty(rows, dtype=torch.promote_types(x.dtype, torch.float32))
    return loss, x.new_empty((rows, 2), dtype=torch.float64)


_entmax = declare(
    "entmax(Tensor x, float alpha) -> Tensor",
    example="huashi.entmax.entmax15",
    fake=lambda x, alpha: x.new_empty(x.shape),
    cpu="huashi.entmax.cpu.mappings:forward",
    cuda="huashi.entmax.gpu.mappings:forward",
)
_entmax_backward = declare(
    "entmax_backward(Tensor grad, Tensor y, float alpha) -> Tensor",
    example="huashi.entmax.entmax15",
    fake=lambda grad, y, alpha: y.new_empty(y.shape),
    cpu="huashi.entmax.cpu.mappings:backward",
    cuda="huashi.entmax.gpu.mappings:backward",
)
_entmax_rows = declare(
    "entmax_rows(Tensor x, Tensor alpha) -> Tensor",
    example="huashi.entmax.entmax",
    fake=lambda x, alpha: x.new_empty(x.shape),
    cpu="huashi.entmax.cpu.mappings:forward",
    cuda="huashi.entmax.gpu.mappings:forward",
)
_entmax_rows_backward = declare(
    "entmax_rows_backward(Tensor grad, Tensor y, Tensor alpha) -> (Tensor, Tensor)",
    example="huashi.entmax.entmax",
    fake=lambda grad, y, alpha: (
        y.new_empty(y.shape),
        alpha.new_empty(alpha.shape, dtype=torch.float64),
    ),
    cpu="huashi.entmax.cpu.mappings:backward_by_row",
    cuda="huashi.entmax.gpu.mappings:backward_by_row",
)
_entmax_loss = declare(
    "entmax_loss(Tensor x, Tensor target, float alpha, int ignore, float smoothing)"
    " -> (Tensor loss, Tensor edges)",
    example="huashi.entmax.entmax_loss",
    fake=_fake_loss,
    cpu="huashi.entmax.cpu.losses:forward",
    cuda="huashi.entmax.gpu.losses:forward",
)
_entmax_loss_backward = declare(
    "entmax_loss_backward(Tensor grad, Tensor x, Tensor target, Tensor edges, float alpha,"
    " int ignore, float smoothing) -> Tensor",
    example="huashi.entmax.entmax_loss",
    fake=lambda grad, x, *rest: x.new_empty(x.shape),
    cpu="huashi.entmax.cpu.losses:backward",
    cuda="huashi.entmax.gpu.losses:backward",
)


class _FusedEntmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:
        y = _entmax(x, alpha)
        ctx.save_for_backward(y)
        ctx.alpha = alpha
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (y,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: y leads back here for the next order
            return reference.entmax_backward(grad, y, ctx.alpha)[0], None
        return _entmax_backward(grad, y, ctx.alpha), None


class _FusedEntmaxRows(torch.autograd.Function):
    """Alpha (..., 1) for x (..., n), a number for each row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Tensor:
        y = _entmax_rows(x, alpha.reshape(-1))
        ctx.save_for_backward(y, alpha)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        y, alpha = ctx.saved_tensors
        if torch.is_grad_enabled():
            dx, dalpha = reference.entmax_backward(grad, y, alpha)
        else:
            dx, dalpha = _entmax_rows_backward(grad, y, alpha.reshape(-1))
        return dx, dalpha.view(alpha.shape).to(alpha.dtype)


class _FusedEntmaxLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, target: Tensor, alpha: float, ignore: int, smoothing: float
    ) -> Tensor:
        loss, edges = _entmax_loss(x, target, alpha, ignore, smoothing)
        ctx.save_for_backward(x, target, edges)
        ctx.settings = alpha, ignore, smoothing
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, target, edges = ctx.saved_tensors
        if torch.is_grad_enabled():
            slope = reference.entmax_loss_gradient(x, target, *ctx.settings)
            dx = (grad.unsqueeze(-1) * slope).to(x.dtype)
        else:
            dx = _entmax_loss_backward(grad, x, target, edges, *ctx.settings)
        return dx, None, None, None, None


fused_entmax = _FusedEntmax.apply
fused_entmax_rows = _FusedEntmaxRows.apply
fused_entmax_loss = _FusedEntmaxLoss.apply
