r"""Sparse replacements of softmax: 1.5-entmax, sparsemax, and the family that they belong to.

.. math:: p^* = \arg\max_{p \in \Delta} \; p^\top x
    + \tfrac{1}{\alpha (\alpha - 1)} \sum_j (p_j - p_j^\alpha),
    \qquad p_j = [(\alpha - 1) x_j - \tau]_+^{1 / (\alpha - 1)}

``alpha = 1`` is softmax, 1.5 is :func:`entmax15`, 2 is :func:`sparsemax`; the larger, the sparser.

Where the authors' package differs: half precision, rows that are masked throughout, any ``dim``,
``alpha`` near 1 and large ``alpha`` are right here.

Martins, Astudillo: From Softmax to Sparsemax (2016), https://arxiv.org/abs/1602.02068;
Peters, Niculae, Martins: Sparse Sequence-to-Sequence Models (2019), https://arxiv.org/abs/1905.05702;
Correia, Niculae, Martins: Adaptively Sparse Transformers (2019), https://arxiv.org/abs/1909.00015
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from huashi._checks import check_dim, check_floating, check_positive
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi.entmax import reference
from huashi.entmax.operators import fused_entmax, fused_entmax_rows


@example((3, 5))
def entmax15(x: Tensor, dim: int = -1) -> Tensor:
    """Map scores to probabilities along ``dim``, giving exactly 0 to the low ones.

    A score more than 2 below the largest gets 0, and so does one of ``-inf`` (a mask), also in the
    gradient. Where all scores are ``-inf`` the result is 0 throughout. ``nan`` or ``+inf`` makes
    its own row ``nan``, no other.

    Args:
        x: scores, any shape of at least one dimension.
        dim: the dimension that sums to 1.

    Returns:
        Probabilities, in the shape and dtype of ``x``; computed in float32 or wider.

    Raises:
        TypeError: ``x`` is not a floating-point tensor, or ``dim`` is not an int.
        ValueError: ``x`` has no dimension ``dim``.

    Equal scores share alike, and one that leads by 2 takes all:

    >>> import torch
    >>> entmax15(torch.tensor([[3.0, 3.0, -1.0], [2.0, 0.0, -torch.inf]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [1.0000, 0.0000, 0.0000]])
    """
    _check(x, dim)
    return _along(dim, _fixed(x, 1.5), x)


@example((3, 5))
def sparsemax(x: Tensor, dim: int = -1) -> Tensor:
    """Map scores to the nearest probabilities along ``dim``: the scores less a threshold, cut at 0.

    A score more than 1 below the largest gets 0. Masks, ``nan`` and ``inf`` are as in
    :func:`entmax15`.

    Args:
        x: scores, any shape of at least one dimension.
        dim: the dimension that sums to 1.

    Returns:
        Probabilities, in the shape and dtype of ``x``; computed in float32 or wider.

    Raises:
        TypeError: ``x`` is not a floating-point tensor, or ``dim`` is not an int.
        ValueError: ``x`` has no dimension ``dim``.

    Half the lead is added and taken away; a lead of 1 takes all:

    >>> import torch
    >>> sparsemax(torch.tensor([[3.0, 2.5, 0.0], [3.0, 2.0, 0.0]]))
    tensor([[0.7500, 0.2500, 0.0000],
            [1.0000, 0.0000, 0.0000]])
    """
    _check(x, dim)
    return _along(dim, _fixed(x, 2.0), x)


@example((3, 5), (1, 1), call=lambda f, x, a: f(x, 1 + a.sigmoid()))
@example((3, 5), call=lambda f, x: f(x, 1.3))
@example((3, 5), call=lambda f, x: f(x, 2.5))
def entmax(x: Tensor, alpha: Tensor | float, dim: int = -1) -> Tensor:
    """Map scores to probabilities along ``dim``, the sparser the larger ``alpha`` is.

    A score more than ``1 / (alpha - 1)`` below the largest gets 0; none does for ``alpha <= 1``.
    In ``alpha`` all is smooth, through 1 as well. Masks, ``nan`` and ``inf`` are as in
    :func:`entmax15`.

    Args:
        x: scores, any shape of at least one dimension.
        alpha: 1 for softmax, 2 for sparsemax, any number > 0. Or a tensor, differentiable, that
            broadcasts against ``x`` and has size 1 along ``dim``: (head, 1, 1) for scores of
            shape (batch, head, query, key). Its values are not checked.
        dim: the dimension that sums to 1.

    Returns:
        Probabilities, in the shape and dtype of ``x``; computed in float32 or wider.

    Raises:
        TypeError: ``x`` or ``alpha`` is not of floating point, or ``dim`` is not an int.
        ValueError: ``x`` has no dimension ``dim``, ``alpha`` is not > 0, or a tensor ``alpha`` does
            not broadcast against ``x``.

    The more sparse, the more the first of two scores gets:

    >>> import torch
    >>> entmax(torch.tensor([[1.0, 0.5]] * 3), torch.tensor([[1.0], [1.5], [2.0]]))
    tensor([[0.6225, 0.3775],
            [0.6740, 0.3260],
            [0.7500, 0.2500]])
    """
    _check(x, dim)
    if not isinstance(alpha, Tensor):
        check_positive("alpha", alpha)
        return _along(dim, _fixed(x, float(alpha)), x)
    _check_alpha(alpha, x, dim)
    rows = [*x.shape]
    rows[dim] = 1
    mapping = fused_entmax_rows if kernel_serves("entmax_rows", x, alpha) else reference.entmax
    return _along(dim, mapping, x, alpha.expand(rows))


class Entmax15(nn.Module):
    """:func:`~huashi.entmax.entmax15` along ``dim``, in the place of ``nn.Softmax``.

    Scores of any shape to probabilities of the same shape and dtype.

    Args:
        dim: the dimension that sums to 1.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return entmax15(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Sparsemax(nn.Module):
    """:func:`~huashi.entmax.sparsemax` along ``dim``, in the place of ``nn.Softmax``.

    Scores of any shape to probabilities of the same shape and dtype.

    Args:
        dim: the dimension that sums to 1.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return sparsemax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Entmax(nn.Module):
    """:func:`~huashi.entmax.entmax` along ``dim``, with an ``alpha`` given or learned.

    Scores of any shape to probabilities of the same shape and dtype. A learned ``alpha`` is
    ``1 + sigmoid(a)``, between softmax and sparsemax, where ``a`` is a parameter.

    Args:
        alpha: the number > 0, or from where a learned one starts, between 1 and 2.
        dim: the dimension that sums to 1.
        learnable: whether ``alpha`` is learned.
        heads: None for a single learned ``alpha``; else there is one for each head of scores of
            shape (batch, heads, query, key).

    Raises:
        ValueError: ``alpha`` is out of its range, or ``heads`` is given without ``learnable``.
    """

    def __init__(
        self,
        alpha: float = 1.5,
        dim: int = -1,
        *,
        learnable: bool = False,
        heads: int | None = None,
    ) -> None:
        super().__init__()
        check_positive("alpha", alpha)
        if learnable and not 1 < alpha < 2:
            raise ValueError(f"alpha must be between 1 and 2 to be learnable, got {alpha}")
        if heads is not None and not learnable:
            raise ValueError(f"heads must be None where alpha is not learnable, got {heads}")
        if heads is not None and heads < 1:
            raise ValueError(f"heads must be >= 1, got {heads}")
        self.dim, self.start = dim, alpha
        self.a: nn.Parameter | None = None
        if learnable:
            self.a = nn.Parameter(torch.full((heads, 1, 1) if heads else (), alpha - 1).logit())

    @property
    def alpha(self) -> Tensor | float:
        """The present value: a number, or a tensor with a gradient where it is learned."""
        return self.start if self.a is None else 1 + self.a.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return entmax(x, self.alpha, self.dim)

    def extra_repr(self) -> str:
        shown = f"alpha={self.start}, dim={self.dim}"
        if self.a is not None:
            shown += ", learnable=True" + (f", heads={len(self.a)}" if self.a.ndim else "")
        return shown


def _fixed(x: Tensor, alpha: float) -> Callable[[Tensor], Tensor]:
    mapping = fused_entmax if kernel_serves("entmax", x) else reference.probabilities
    return lambda x: mapping(x, alpha)


def _along(dim: int, mapping: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """``mapping``, which is along the last dimension, along another."""
    if dim in (-1, tensors[0].ndim - 1):
        return mapping(*tensors)
    return mapping(*(t.movedim(dim, -1) for t in tensors)).movedim(-1, dim)


def _check(x: Tensor, dim: int) -> None:
    check_floating("x", x)
    check_dim("dim", dim, x)


def _check_alpha(alpha: Tensor, x: Tensor, dim: int) -> None:
    check_floating("alpha", alpha)
    sizes = list(x.shape)
    sizes[dim] = 1
    sizes = sizes[x.ndim - alpha.ndim :] if alpha.ndim else []
    fits = alpha.ndim <= x.ndim and all(
        size in (1, most) for size, most in zip(alpha.shape, sizes, strict=True)
    )
    if not fits:
        raise ValueError(
            f"alpha must broadcast against x and have size 1 along dim {dim}, got shape "
            f"{tuple(alpha.shape)} for x of shape {tuple(x.shape)}"
        )
