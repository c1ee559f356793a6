r"""From scores to attention weights: softmax, or a mapping whose weights can be exactly zero.

``softmax``; ``sparsemax`` (Martins 2016, arXiv 1602.02068); ``entmax15``, which is 1.5-entmax
(Peters 2019, arXiv 1905.05702); ``entmax`` of any alpha, which can be learned as
:math:`\alpha = 1 + \sigma(a)`, by each head for itself (Correia 2019, arXiv 1909.00015). What is
masked gets zero, and so does everything where all is masked: never NaN.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from huashi._checks import check_choice
from huashi.entmax import Entmax, Entmax15, Sparsemax
from huashi.seq2seq.operations.reference import masked_softmax

Mapping = Literal["softmax", "sparsemax", "entmax15", "entmax"]
MAPPINGS: tuple[Mapping, ...] = get_args(Mapping)


class AttentionMapping(nn.Module):
    """One of the mappings, of scores (..., target, source) along the source.

    Args:
        mapping: ``softmax``, ``sparsemax``, ``entmax15`` or ``entmax``.
        alpha: that of ``entmax``.
        learn_alpha: learn it, from ``alpha`` on; it stays between 1 and 2.
        heads: learn as many, one for each head of scores (rows, heads, target, source).

    >>> AttentionMapping("sparsemax")(torch.zeros(2, 2), torch.tensor([[True] * 2, [False] * 2]))
    tensor([[0.5000, 0.5000],
            [0.0000, 0.0000]])
    """

    def __init__(
        self,
        mapping: Mapping = "softmax",
        alpha: float = 1.5,
        *,
        learn_alpha: bool = False,
        heads: int | None = None,
    ) -> None:
        super().__init__()
        check_mapping(mapping, learn_alpha=learn_alpha)
        self.mapping: nn.Module | None = None
        if mapping == "entmax":
            self.mapping = Entmax(
                alpha, learnable=learn_alpha, heads=heads if learn_alpha else None
            )
        elif mapping != "softmax":
            self.mapping = {"sparsemax": Sparsemax, "entmax15": Entmax15}[mapping]()

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Weights in the shape of ``scores``, zero where ``mask``, which broadcasts, is False."""
        if self.mapping is None:
            return scores.softmax(-1) if mask is None else masked_softmax(scores, mask)
        return self.mapping(scores if mask is None else scores.masked_fill(~mask, -torch.inf))

    @property
    def is_softmax(self) -> bool:
        return self.mapping is None

    def extra_repr(self) -> str:
        return "softmax" if self.mapping is None else ""


def check_mapping(mapping: str, *, learn_alpha: bool) -> None:
    """Raise unless it is one of the mappings, and has the alpha that is to be learned."""
    check_choice("mapping", mapping, MAPPINGS)
    if learn_alpha and mapping != "entmax":
        raise ValueError(f"mapping must be 'entmax' where alpha is learned, got {mapping!r}")
