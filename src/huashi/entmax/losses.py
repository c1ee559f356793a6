r"""The losses that belong to sparse mappings, as cross entropy belongs to softmax.

.. math:: L(x, y) = (p^* - e_y)^\top x + H_\alpha(p^*), \quad
    H_\alpha(p) = \tfrac{1}{\alpha (\alpha - 1)} \sum_j (p_j - p_j^\alpha), \quad
    \nabla_x L = p^* - e_y

with :math:`p^*` the alpha-entmax of x. The loss is 0 exactly where ``x_y`` leads all others by the
margin ``1 / (alpha - 1)``. ``alpha = 1`` is cross entropy. Label smoothing adds
``label_smoothing * (x_y - mean(x))``, which for cross entropy is torch's.

Blondel, Martins, Niculae: Learning with Fenchel-Young Losses (2020),
https://arxiv.org/abs/1901.02324; Peters, Niculae, Martins: Sparse Sequence-to-Sequence Models
(2019), https://arxiv.org/abs/1905.05702
"""

from typing import Literal

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_floating, check_positive
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi.entmax import reference
from huashi.entmax.operators import fused_entmax_loss

Reduction = Literal["none", "sum", "mean"]


def _targets(logits: Tensor) -> Tensor:
    """The classes in turn, for example calls."""
    return torch.arange(len(logits), device=logits.device) % logits.shape[1]


@example((3, 5), call=lambda f, x: f(x, _targets(x), 1.3, reduction="none"))
@example((3, 5), call=lambda f, x: f(x, _targets(x), 1.5, ignore_index=1, label_smoothing=0.1))
@example((3, 5), call=lambda f, x: f(x, _targets(x), 2.5, reduction="sum"))
def entmax_loss(
    logits: Tensor,
    target: Tensor,
    alpha: float,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """The loss that belongs to alpha-entmax: 0 where the target leads by ``1 / (alpha - 1)``.

    A class whose logit is ``-inf`` is masked: it has no gradient, and the mean of label smoothing
    goes without it. A target that is masked costs ``inf``.

    Args:
        logits: scores, (..., classes).
        target: the right classes, int64, (...).
        alpha: 1 for cross entropy, 2 for :func:`sparsemax_loss`, any number > 0.
        ignore_index: a target that does not count; its row has neither loss nor gradient.
        label_smoothing: how much of a target goes to all classes alike, from 0 to 1.
        reduction: ``none``, ``sum``, or ``mean`` over the targets that count.

    Returns:
        (...) for ``none``, else a scalar, in the dtype of ``logits``; computed in float32 or wider.

    Raises:
        TypeError: ``logits`` are not of floating point, or ``target`` is not an int64 tensor.
        ValueError: the shapes do not fit, ``alpha`` is not > 0, ``label_smoothing`` is not from 0
            to 1, or ``reduction`` is unknown.
        IndexError: on the CPU, a target is no class; on a GPU its loss is NaN instead.

    >>> logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> entmax_loss(logits, torch.tensor([0, 0]), alpha=1.5, reduction="none")
    tensor([0.0000, 0.5635])
    """
    _check(logits, target, label_smoothing, reduction)
    check_positive("alpha", alpha)
    rows = logits.unsqueeze(0) if logits.ndim == 1 else logits.flatten(0, -2)
    targets = target.flatten()
    fused = kernel_serves("entmax_loss", rows, targets)
    losses = fused_entmax_loss if fused else reference.entmax_loss
    loss = losses(rows, targets, float(alpha), ignore_index, float(label_smoothing))
    if reduction == "none":
        return loss.view(target.shape).to(logits.dtype)
    loss, count = loss.sum(), (targets != ignore_index).sum()
    return (loss if reduction == "sum" else loss / count).to(logits.dtype)


@example((3, 5), call=lambda f, x: f(x, _targets(x)))
def entmax15_loss(
    logits: Tensor,
    target: Tensor,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """The loss that belongs to 1.5-entmax: 0 where the target leads by 2. See :func:`entmax_loss`.

    Args:
        logits: scores, (..., classes).
        target: the right classes, int64, (...).
        ignore_index: a target that does not count.
        label_smoothing: how much of a target goes to all classes alike, from 0 to 1.
        reduction: ``none``, ``sum``, or ``mean`` over the targets that count.

    Returns:
        (...) for ``none``, else a scalar, in the dtype of ``logits``; computed in float32 or wider.

    Raises:
        TypeError: ``logits`` are not of floating point, or ``target`` is not an int64 tensor.
        ValueError: the shapes do not fit, ``label_smoothing`` is not from 0 to 1, or ``reduction``
            is unknown.

    >>> entmax15_loss(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0]), reduction="sum")
    tensor(2.)
    """
    return entmax_loss(
        logits,
        target,
        1.5,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


@example((3, 5), call=lambda f, x: f(x, _targets(x)))
def sparsemax_loss(
    logits: Tensor,
    target: Tensor,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """The loss that belongs to sparsemax: 0 where the target leads by 1. See :func:`entmax_loss`.

    Args:
        logits: scores, (..., classes).
        target: the right classes, int64, (...).
        ignore_index: a target that does not count.
        label_smoothing: how much of a target goes to all classes alike, from 0 to 1.
        reduction: ``none``, ``sum``, or ``mean`` over the targets that count.

    Returns:
        (...) for ``none``, else a scalar, in the dtype of ``logits``; computed in float32 or wider.

    Raises:
        TypeError: ``logits`` are not of floating point, or ``target`` is not an int64 tensor.
        ValueError: the shapes do not fit, ``label_smoothing`` is not from 0 to 1, or ``reduction``
            is unknown.

    >>> sparsemax_loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    return entmax_loss(
        logits,
        target,
        2,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )


class EntmaxLoss(nn.Module):
    """:func:`~huashi.entmax.entmax_loss`, in the place of ``nn.CrossEntropyLoss``.

    Takes logits, (..., classes), and targets, int64, (...).

    Args:
        alpha: 1 for cross entropy, 2 for sparsemax, any number > 0.
        ignore_index: a target that does not count.
        label_smoothing: how much of a target goes to all classes alike, from 0 to 1.
        reduction: ``none``, ``sum``, or ``mean`` over the targets that count.
    """

    def __init__(
        self,
        alpha: float = 1.5,
        *,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_positive("alpha", alpha)
        _check_options(label_smoothing, reduction)
        self.alpha = alpha
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.reduction: Reduction = reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return entmax_loss(
            logits,
            target,
            self.alpha,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        names = "alpha", "ignore_index", "label_smoothing", "reduction"
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)


class Entmax15Loss(EntmaxLoss):
    """:func:`~huashi.entmax.entmax15_loss`, in the place of ``nn.CrossEntropyLoss``.

    Takes logits, (..., classes), and targets, int64, (...).

    Args:
        ignore_index: a target that does not count.
        label_smoothing: how much of a target goes to all classes alike, from 0 to 1.
        reduction: ``none``, ``sum``, or ``mean`` over the targets that count.
    """

    def __init__(
        self,
        *,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            1.5, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction
        )


class SparsemaxLoss(EntmaxLoss):
    """:func:`~huashi.entmax.sparsemax_loss`, in the place of ``nn.CrossEntropyLoss``.

    Takes logits, (..., classes), and targets, int64, (...).

    Args:
        ignore_index: a target that does not count.
        label_smoothing: how much of a target goes to all classes alike, from 0 to 1.
        reduction: ``none``, ``sum``, or ``mean`` over the targets that count.
    """

    def __init__(
        self,
        *,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(
            2, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction
        )


def _check(logits: Tensor, target: Tensor, label_smoothing: float, reduction: str) -> None:
    check_floating("logits", logits)
    if logits.ndim == 0:
        raise ValueError("logits must have a dimension of classes, got a tensor that has none")
    if not isinstance(target, Tensor):
        raise TypeError(f"target must be a tensor, got {type(target).__name__}")
    if target.dtype != torch.int64:
        raise TypeError(f"target must be a tensor of torch.int64, got {target.dtype}")
    if target.shape != logits.shape[:-1]:
        raise ValueError(
            f"target must have the shape of logits without classes, {tuple(logits.shape[:-1])}, "
            f"got {tuple(target.shape)}"
        )
    _check_options(label_smoothing, reduction)


def _check_options(label_smoothing: float, reduction: str) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing}")
    check_choice("reduction", reduction, ("none", "sum", "mean"))
