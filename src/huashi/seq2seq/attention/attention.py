r"""Attention: a weighted mean of a memory, the weights made from scores of a query and each key.

.. math:: a = \operatorname{mapping}_s(\operatorname{score}(q, k_s)), \qquad c = \sum_s a_s m_s

Scores: ``dot`` :math:`q^\top k`, ``general`` :math:`q^\top W k` (Luong 2015, arXiv 1508.04025),
``scaled_dot`` :math:`q^\top k / \sqrt d` for d features (Vaswani 2017, arXiv 1706.03762) and
``additive`` :math:`v^\top \tanh(W_q q + W_k k)` (Bahdanau 2014, arXiv 1409.0473). Mappings:
``softmax``, or ``entmax15`` (Peters 2019, arXiv 1905.05702), whose weights can be exactly zero.
A row in which everything is masked gets zero weights and a zero context, never NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from huashi._checks import check_choice
from huashi.seq2seq.encoder_decoder import Memory
from huashi.seq2seq.entmax import entmax15

Score = Literal["dot", "scaled_dot", "general", "additive"]
Mapping = Literal["softmax", "entmax15"]


@dataclass(frozen=True, kw_only=True)
class AttentionShape:
    """How a decoder attends; :meth:`build` makes the module."""

    score: Score = "scaled_dot"
    """How a query and a source position are compared."""
    mapping: Mapping = "softmax"
    """How scores become attention weights."""

    def __post_init__(self) -> None:
        check_choice("score", self.score, SCORES)
        check_choice("mapping", self.mapping, MAPPINGS)

    def build(self, query_size: int, memory_size: int) -> "Attention":
        """A module with weights drawn anew, for queries and memories of so many features."""
        return Attention(self, query_size, memory_size)


class AttentionState(NamedTuple):
    """What attention knows between two steps; one row a hypothesis."""

    keys: Tensor
    """The part of the score that does not change, (rows, source, key)."""
    values: Tensor
    """What is averaged, (rows, source, features)."""
    mask: Tensor
    """True at real positions, (rows, source)."""
    weights: Tensor
    """The last weights, (rows, source)."""


class Attention(nn.Module):
    """Attention with one of the scores and one of the mappings.

    Args:
        shape: its score and its mapping.
        query_size: features of a query.
        memory_size: features of a memory position; with a dot score they must be ``query_size``.
    """

    score: "DotScore | GeneralScore | AdditiveScore"

    def __init__(self, shape: AttentionShape, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.shape = shape
        self.score = SCORES[shape.score](query_size, memory_size)

    def start(self, memory: Memory) -> AttentionState:
        """The state before the first step: what depends on the memory alone is made once."""
        return AttentionState(
            self.score.keys(memory.keys),
            memory.values,
            memory.mask,
            torch.zeros_like(memory.keys[..., 0]),
        )

    def forward(
        self, query: Tensor, state: AttentionState
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """Attend.

        Args:
            query: (rows, target, query).
            state: :meth:`start` of the memory, or what the last call returned.

        Returns:
            The contexts, (rows, target, features), the weights, (rows, target, source), and the
            next state.
        """
        scores = self.score(query, state.keys)
        weights = MAPPINGS[self.shape.mapping](scores, state.mask[:, None])
        return weights @ state.values, weights, state._replace(weights=weights[:, -1])

    def extra_repr(self) -> str:
        return f"mapping={self.shape.mapping}"


class DotScore(nn.Module):
    """``q . k``, or ``q . k / sqrt(d)``, which is as large for many features as for few."""

    def __init__(self, query_size: int, memory_size: int, *, scaled: bool = False) -> None:
        super().__init__()
        self.scale = memory_size**-0.5 if scaled else 1.0
        if query_size != memory_size:
            raise ValueError(
                f"query_size must be memory_size for a dot score, got {query_size} and "
                f"{memory_size}; a general score has no such rule"
            )

    def keys(self, memory: Tensor) -> Tensor:
        return memory * self.scale

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return query @ keys.transpose(1, 2)


class GeneralScore(nn.Module):
    """``q . W k``; the product with W is part of the keys."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.weight = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        return self.weight(memory)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return query @ keys.transpose(1, 2)


class AdditiveScore(nn.Module):
    """``v . tanh(W_q q + W_k k + b)`` with as many hidden units as the query has features."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, query_size)
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.v = nn.Linear(query_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        return self.key(memory)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        hidden = torch.tanh(self.query(query)[:, :, None] + keys[:, None])  # (B, Tq, S, hidden)
        return self.v(hidden)[..., 0]


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where ``mask`` is True; zeros elsewhere.

    >>> masked_softmax(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]))
    tensor([[1., 0.],
            [0., 0.]])
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask


def masked_entmax15(scores: Tensor, mask: Tensor) -> Tensor:
    """:func:`entmax15` over the last dimension where ``mask`` is True; zeros elsewhere."""
    return entmax15(scores.masked_fill(~mask, -torch.inf))


SCORES: dict[str, Callable[[int, int], DotScore | GeneralScore | AdditiveScore]] = {
    "dot": DotScore,
    "scaled_dot": partial(DotScore, scaled=True),
    "general": GeneralScore,
    "additive": AdditiveScore,
}
MAPPINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "softmax": masked_softmax,
    "entmax15": masked_entmax15,
}
