r"""Attention: a weighted mean of a memory, the weights made from scores of a query and each key.

.. math:: a = \operatorname{mapping}_s(\operatorname{score}(q, k_s)), \qquad c = \sum_s a_s v_s

A score (:mod:`~huashi.seq2seq.attention.scores`), a mapping
(:mod:`~huashi.seq2seq.attention.mappings`), and, where they are wanted, a window
(:mod:`~huashi.seq2seq.attention.windows`), monotonic weights
(:mod:`~huashi.seq2seq.attention.monotonic`) and coverage: the sum of the weights so far as a part
of the score (See 2017, arXiv 1704.04368). Where the last weights are needed, targets are read step
by step, else all at once. A row in which everything is masked gets zero weights and a zero context,
never NaN.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi._field_docs import with_field_docs
from huashi.seq2seq.attention.mappings import AttentionMapping, Mapping, check_mapping
from huashi.seq2seq.attention.monotonic import MONOTONIC, Monotonic, MonotonicMapping
from huashi.seq2seq.attention.multi_head import MultiHeadAttention
from huashi.seq2seq.attention.scores import SCORES, Score, score_of
from huashi.seq2seq.attention.windows import WINDOWS, Window, window_of
from huashi.seq2seq.model.protocol import Memory


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class AttentionShape:
    """How a decoder attends; :meth:`build` makes the module."""

    score: Score = "scaled_dot"
    """How a query and a source position are compared."""
    mapping: Mapping = "softmax"
    """How scores become attention weights."""
    alpha: float = 1.5
    """Of the mapping ``entmax``: 1 is softmax, 2 sparsemax."""
    learn_alpha: bool = False
    """Learn alpha between 1 and 2, starting from ``alpha``; each head has its own."""
    heads: int = 1
    """Heads of multi-head attention, which has scaled dot scores of projected queries and keys."""
    window: Window | None = None
    """Look near the target's own position (``local_m``) or near a predicted one (``local_p``)."""
    reach: float = 10.0
    """How far the window reaches on either side, in positions."""
    monotonic: Monotonic | None = None
    """Never go back, with ``soft`` or with ``hard`` weights out of training."""
    score_bias: float = -1.0
    """Of monotonic attention, at the start."""
    noise: float = 1.0
    """Standard deviation of the noise on scores of monotonic attention in training."""
    coverage: bool = False
    """Make the attention that a position has got so far a part of its score."""
    hidden_size: int | None = None
    """Units of the hidden layer of additive scores; as many as a query has features by default."""
    positions: int = 1024
    """Positions of the longest source, for a location score."""

    def __post_init__(self) -> None:
        check_choice("score", self.score, SCORES)
        check_mapping(self.mapping, learn_alpha=self.learn_alpha)
        for name in ("alpha", "heads", "reach", "positions"):
            check_positive(name, getattr(self, name))
        if self.hidden_size is not None:
            check_positive("hidden_size", self.hidden_size)
        if self.window is not None:
            check_choice("window", self.window, WINDOWS)
        if self.monotonic is not None:
            check_choice("monotonic", self.monotonic, MONOTONIC)
            if self.mapping != "softmax":
                raise ValueError(
                    f"mapping must be 'softmax' where attention is monotonic, got {self.mapping!r}"
                )
        if self.heads > 1 and (
            self.score != "scaled_dot" or self.window or self.monotonic or self.coverage
        ):
            raise ValueError(
                f"heads must be 1 with a score other than scaled_dot, a window, monotonic weights "
                f"or coverage, got {self.heads}"
            )

    def build(self, query_size: int, memory_size: int) -> "Attention | HeadsAttention":
        """A module with weights drawn anew, for queries and memories of so many features."""
        kind = HeadsAttention if self.heads > 1 else Attention
        return kind(self, query_size, memory_size)


class AttentionState(NamedTuple):
    """What attention knows between two steps; one row a hypothesis."""

    keys: Tensor
    """The part of the score that does not change, (rows, source, key); with heads (rows, heads,
    source, key)."""
    values: Tensor
    """What is averaged, (rows, source, features)."""
    mask: Tensor
    """True at real positions, (rows, source)."""
    weights: Tensor
    """The last weights, (rows, source)."""
    coverage: Tensor
    """The sum of the weights so far, (rows, source)."""
    time: Tensor
    """How many queries there were, (rows,)."""


class Attention(nn.Module):
    """Attention with one of the scores and one of the mappings.

    Args:
        shape: its score, its mapping, and all else.
        query_size: features of a query.
        memory_size: features of a memory position; with a dot score they must be ``query_size``.
    """

    score: Any  # a module that has ``keys`` too

    def __init__(self, shape: AttentionShape, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.shape = shape
        hidden_size = shape.hidden_size or query_size
        self.score = score_of(
            shape.score,
            query_size,
            memory_size,
            hidden_size=hidden_size,
            positions=shape.positions,
            coverage=shape.coverage,
        )
        self.window = None
        if shape.window is not None:
            self.window = window_of(shape.window, shape.reach, query_size, hidden_size)
        if shape.monotonic is None:
            self.mapping = AttentionMapping(
                shape.mapping, shape.alpha, learn_alpha=shape.learn_alpha
            )
        else:
            self.mapping = MonotonicMapping(shape.monotonic, shape.score_bias, shape.noise)

    def start(self, memory: Memory) -> AttentionState:
        """The state before the first step: what depends on the memory alone is made once."""
        state = _begin(self.score.keys(memory.keys), memory.values, memory)
        if self.shape.monotonic is None:
            return state
        weights = state.weights.clone()
        weights[:, 0] = 1  # it has not gone on from there
        return state._replace(weights=weights)

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
        if self.shape.coverage and query.shape[1] > 1:
            steps = []
            for one in query.split(1, dim=1):
                *step, state = self(one, state)
                steps.append(step)
            contexts, weights = (torch.cat(column, 1) for column in zip(*steps, strict=True))
            return contexts, weights, state
        coverage = state.coverage[:, None] if self.shape.coverage else None
        scores = self.score(query, state.keys, coverage)
        mask, factor = state.mask[:, None], None
        if self.window is not None:
            mask, factor = self.window(query, state.mask, state.time)
        if isinstance(self.mapping, MonotonicMapping):
            weights = self.mapping(scores, mask, state.weights)
        else:
            weights = self.mapping(scores, mask)
        if factor is not None:
            weights = weights * factor
        return weights @ state.values, weights, _after(state, weights)


class HeadsAttention(nn.Module):
    """Multi-head attention to a memory, in the place of :class:`Attention`."""

    def __init__(self, shape: AttentionShape, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.shape = shape
        if query_size % shape.heads:
            raise ValueError(
                f"heads must divide the {query_size} features of a query, got {shape.heads}"
            )
        self.attend = MultiHeadAttention(
            query_size,
            shape.heads,
            key_size=memory_size,
            value_size=memory_size,
            mapping=shape.mapping,
            alpha=shape.alpha,
            learn_alpha=shape.learn_alpha,
        )
        self.back = nn.Linear(query_size, memory_size)

    def start(self, memory: Memory) -> AttentionState:
        """As :meth:`Attention.start`."""
        keys, values = self.attend.project(memory.keys, memory.values)
        return _begin(keys, values, memory)

    def forward(
        self, query: Tensor, state: AttentionState
    ) -> tuple[Tensor, Tensor, AttentionState]:
        """As :meth:`Attention.forward`; the weights are the mean over the heads."""
        mask = state.mask[:, None, None]
        context, weights = self.attend(query, state.keys, state.values, mask)
        mean = weights.mean(1)
        seen = state.mask.any(1)[:, None, None]  # without anything to see, not even biases
        return self.back(context) * seen, mean, _after(state, mean)


def _begin(keys: Tensor, values: Tensor, memory: Memory) -> AttentionState:
    nothing = torch.zeros_like(memory.keys[..., 0])
    time = torch.zeros(len(nothing), dtype=torch.long, device=nothing.device)
    return AttentionState(keys, values, memory.mask, nothing, nothing, time)


def _after(state: AttentionState, weights: Tensor) -> AttentionState:
    return state._replace(
        weights=weights[:, -1],
        coverage=state.coverage + weights.sum(1),
        time=state.time + weights.shape[1],
    )
