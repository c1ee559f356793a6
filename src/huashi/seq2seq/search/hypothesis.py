"""What a search finds, and the record of how it got there."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One sequence that a search proposes."""

    tokens: list[int]
    """What follows BOS; EOS is the last of them where ``finished``."""
    score: float
    """The sum of ``token_scores`` over the length penalty; higher is better."""
    token_scores: list[float]
    """Log-probability of each token."""
    finished: bool
    """It ends with EOS."""
    exact: bool
    """Proven: of all finished sequences within the length, only those ranked above it score higher.
    """
    alignment: Tensor | None = None
    """Attention of each token to the source, (tokens, source positions), where it was recorded."""


class Found(NamedTuple):
    """A hypothesis as a search holds it: where its way ends in a :class:`Trace`."""

    node: int
    score: float
    exact: bool


class BeamStep(NamedTuple):
    """What a search looked at in one step, for a picture of it; a row a sentence that was open.

    With groups, a sentence has as many rows.
    """

    length: int
    """Tokens of each candidate."""
    sentences: Tensor
    """Number of the sentence, (rows,)."""
    parents: Tensor
    """Which node each candidate continues; -1 at the first step, (rows, candidates)."""
    nodes: Tensor
    """The candidates' own numbers, (rows, candidates)."""
    tokens: Tensor
    """Their last tokens, (rows, candidates)."""
    totals: Tensor
    """Sums of their log-probabilities, (rows, candidates)."""
    scores: Tensor
    """What they would score if they ended here, (rows, candidates)."""
    kept: Tensor
    """True for those that live on, (rows, candidates)."""
    finished: Tensor
    """True for those that are finished, (rows, candidates)."""


@dataclass
class Trace:
    """Every token that a search set behind another: a forest, each node known by its number."""

    parents: list[Tensor] = field(default_factory=list)
    """The number of the node before; -1 behind BOS."""
    tokens: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)
    """Log-probability of the token."""
    rows: list[Tensor] = field(default_factory=list)
    """Which row of ``alignments`` belongs to the node."""
    alignments: list[Tensor] = field(default_factory=list)
    size: int = 0

    def extend(
        self,
        parents: Tensor,
        tokens: Tensor,
        scores: Tensor,
        slots: Tensor,
        alignment: Tensor | None,
    ) -> Tensor:
        """Add nodes, given as tensors (sentences, nodes); return their numbers, of that shape.

        Args:
            parents: number of the node before each.
            tokens: token ids.
            scores: log-probabilities.
            slots: which of its sentence's hypotheses each node continues.
            alignment: attention of the hypotheses, (sentences, slots, source), or None.
        """
        if alignment is not None:
            first = sum(map(len, self.alignments))
            sentences = torch.arange(len(slots), device=slots.device)[:, None]
            self.rows.append((first + sentences * alignment.shape[1] + slots).flatten())
            self.alignments.append(alignment.flatten(0, 1))
        self.parents.append(parents.flatten())
        self.tokens.append(tokens.flatten())
        self.scores.append(scores.flatten())
        numbers = torch.arange(self.size, self.size + parents.numel(), device=parents.device)
        self.size += parents.numel()
        return numbers.view(parents.shape)

    def hypotheses(self, found: list[list[Found]], eos: int) -> list[list[Hypothesis]]:
        """Follow each way back to its beginning."""
        if not found:
            return []
        parents, tokens, scores = (
            torch.cat(column).tolist() for column in (self.parents, self.tokens, self.scores)
        )
        recorded = bool(self.alignments)
        alignments = torch.cat(self.alignments).cpu() if recorded else torch.empty(0)
        rows = torch.cat(self.rows).cpu() if recorded else torch.empty(0)

        def hypothesis(end: Found) -> Hypothesis:
            way = []
            node = end.node
            while node >= 0:
                way.append(node)
                node = parents[node]
            way.reverse()
            finished = bool(way) and tokens[way[-1]] == eos
            return Hypothesis(
                tokens=[tokens[n] for n in way],
                score=end.score,
                token_scores=[scores[n] for n in way],
                finished=finished,
                exact=finished and end.exact,
                alignment=alignments[rows[way]] if recorded else None,
            )

        return [[hypothesis(end) for end in ends] for ends in found]
