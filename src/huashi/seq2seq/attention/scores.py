r"""Scores: how well a query :math:`q` and a key :math:`k` of the memory fit.

========== ================================================== ===============================
dot        :math:`q^\top k`                                   Luong 2015, arXiv 1508.04025
scaled_dot :math:`q^\top k / \sqrt d` for d features          Vaswani 2017, arXiv 1706.03762
scaled     :math:`g \, q^\top k`, g learned from 1 on         TensorFlow Addons
general    :math:`q^\top W k`                                 Luong 2015
concat     :math:`v^\top \tanh(W [q; k])`                     Luong 2015
additive   :math:`v^\top \tanh(W_q q + W_k k + b)`            Bahdanau 2014, arXiv 1409.0473
normalised :math:`g v^\top / \|v\| \, \tanh(W_q q + W_k k + b)` arXiv 1602.07868
location   :math:`(W q)_s`, of position s alone               Luong 2015
========== ================================================== ===============================

Where coverage :math:`c_s`, the attention that position s has got so far, is part of the score, the
hidden layer of ``concat``, ``additive`` and ``normalised`` has one more summand, :math:`w c_s`
(See 2017, arXiv 1704.04368); to the other scores :math:`w c_s` is added, w a number learned from 0
on.

A score has two parts: ``keys(memory)`` is made once for a memory, ``forward(query, keys,
coverage)`` gives (rows, target, source). Weights start as torch's own layers do: with the start of
Bahdanau, v = 0 and matrices near 0, it is long before anything is learned. ``normalised`` starts as
in TensorFlow Addons: g from :math:`\sqrt{1 / \text{units}}`, b from 0.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Score = Literal[
    "dot", "scaled_dot", "scaled", "general", "concat", "additive", "normalised", "location"
]
SCORES: tuple[Score, ...] = get_args(Score)


def score_of(
    score: Score,
    query_size: int,
    memory_size: int,
    *,
    hidden_size: int,
    positions: int,
    coverage: bool,
) -> nn.Module:
    """The module of a score, for queries and memories of so many features.

    Args:
        score: its name.
        query_size: features of a query.
        memory_size: features of a key.
        hidden_size: units of the hidden layer, where the score has one.
        positions: of the longest source, for ``location``.
        coverage: whether coverage is part of it.
    """
    if score in ADDITIVE:
        return ADDITIVE[score](query_size, memory_size, hidden_size, coverage=coverage)
    if score == "location":
        module = LocationScore(query_size, positions)
    else:
        module = PRODUCTS[score](query_size, memory_size)
    return CoveredScore(module) if coverage else module


class DotScore(nn.Module):
    """``q . k``, or times ``1 / sqrt(d)``, which is as large for many features as for few, or times
    a number that is learned.
    """

    scale: float | Tensor

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        *,
        scale: Literal["none", "size", "learned"] = "none",
    ) -> None:
        super().__init__()
        if query_size != memory_size:
            raise ValueError(
                f"query_size must be memory_size for a dot score, got {query_size} and "
                f"{memory_size}; a general score has no such rule"
            )
        if scale == "learned":
            self.scale = nn.Parameter(torch.ones(()))
        else:
            self.scale = memory_size**-0.5 if scale == "size" else 1.0

    def keys(self, memory: Tensor) -> Tensor:
        return memory if isinstance(self.scale, float) and self.scale == 1 else memory * self.scale

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None = None) -> Tensor:
        return query @ keys.transpose(1, 2)


class GeneralScore(nn.Module):
    """``q . W k``; the product with W is part of the keys."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.weight = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        return self.weight(memory)

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None = None) -> Tensor:
        return query @ keys.transpose(1, 2)


class AdditiveScore(nn.Module):
    """``v . tanh(W_q q + W_k k + b)``; without b it is ``concat``, whose W is ``[W_q; W_k]``."""

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        normalised: bool = False,
        coverage: bool = False,
    ) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, hidden_size, bias)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)
        self.v = nn.Linear(hidden_size, 1, bias=False)
        self.coverage = nn.Linear(1, hidden_size, bias=False) if coverage else None
        self.g = None
        if normalised:
            self.g = nn.Parameter(torch.tensor(hidden_size**-0.5))
            nn.init.zeros_(self.query.bias)

    def keys(self, memory: Tensor) -> Tensor:
        return self.key(memory)

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None = None) -> Tensor:
        hidden = self.query(query)[:, :, None] + keys[:, None]  # (rows, target, source, hidden)
        if self.coverage is not None and coverage is not None:
            hidden = hidden + self.coverage(coverage[..., None])
        v = self.v.weight
        if self.g is not None:
            v = self.g * F.normalize(v, dim=-1)
        return F.linear(torch.tanh(hidden), v)[..., 0]


class LocationScore(nn.Module):
    """``(W q)_s``: where to look, by the query alone, in sources of up to ``positions``."""

    def __init__(self, query_size: int, positions: int) -> None:
        super().__init__()
        self.position = nn.Linear(query_size, positions, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        positions = self.position.out_features
        if memory.shape[1] > positions:
            raise ValueError(
                f"positions must be at least the source's {memory.shape[1]} for a location "
                f"score, got {positions}"
            )
        return memory[..., :0]  # nothing but its length counts

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor | None = None) -> Tensor:
        return self.position(query)[..., : keys.shape[1]]


class CoveredScore(nn.Module):
    """Another score plus ``w`` times the coverage."""

    score: Any  # a module that has ``keys`` too

    def __init__(self, score: nn.Module) -> None:
        super().__init__()
        self.score = score
        self.w = nn.Parameter(torch.zeros(()))

    def keys(self, memory: Tensor) -> Tensor:
        return self.score.keys(memory)

    def forward(self, query: Tensor, keys: Tensor, coverage: Tensor) -> Tensor:
        return self.score(query, keys) + self.w * coverage


PRODUCTS: dict[str, Callable[[int, int], nn.Module]] = {
    "dot": DotScore,
    "scaled_dot": partial(DotScore, scale="size"),
    "scaled": partial(DotScore, scale="learned"),
    "general": GeneralScore,
}
ADDITIVE: dict[str, Callable[..., nn.Module]] = {
    "concat": partial(AdditiveScore, bias=False),
    "additive": AdditiveScore,
    "normalised": partial(AdditiveScore, normalised=True),
}
