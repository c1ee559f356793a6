"""Sparse replacements of ``nn.Softmax`` as modules."""

import torch
from torch import Tensor, nn

from huashi._checks import check_positive
from huashi.entmax.functional import entmax, entmax15, sparsemax


class Entmax15(nn.Module):
    """:func:`~huashi.entmax.entmax15` along ``dim``, in the place of ``nn.Softmax``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return entmax15(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Sparsemax(nn.Module):
    """:func:`~huashi.entmax.sparsemax` along ``dim``, in the place of ``nn.Softmax``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return sparsemax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Entmax(nn.Module):
    """:func:`~huashi.entmax.entmax` along ``dim``, with an ``alpha`` given or learned.

    Learned it is ``1 + sigmoid(a)``, between softmax and sparsemax, from the given one on: a single
    number, or with ``heads`` one for each head of scores (batch, head, query, key).
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
