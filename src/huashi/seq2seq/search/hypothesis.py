"""What a search finds, and the trace of steps that it is read from."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One sequence that a search has found, as plain data.

    Attributes:
        tokens: what follows BOS; the last is EOS if ``finished``.
        score: what the search compares hypotheses by, higher is better; with most searches the sum
            of ``token_scores`` over a power of the length.
        token_scores: the log-probability of each token.
        finished: whether it ends with EOS.
        exact: whether it is proven that, of all finished sequences within the greatest length, only
            those ranked above it score higher.
        alignment: attention of each token to the source, (tokens, source positions), on the CPU;
            None if the search was given no ``alignment``.
    """

    tokens: list[int]
    score: float
    token_scores: list[float]
    finished: bool
    exact: bool
    alignment: Tensor | None = None


class BeamStep(NamedTuple):
    """What a beam search looked at in one step, for a picture of it.

    A row is a sentence that was not done before the step; with groups, a sentence has a row for
    each.

    Attributes:
        length: how many tokens the candidates have.
        sentences: number of the sentence, (rows,), int64.
        parents: node that each candidate continues, (rows, candidates), int64; -1 at the first
            step.
        nodes: node of each candidate itself, (rows, candidates), int64.
        tokens: last token of each, (rows, candidates), int64.
        totals: sum of the log-probabilities of each, (rows, candidates); -inf if impossible.
        scores: what each would score if it ended here, (rows, candidates).
        kept: whether it lives on, (rows, candidates), bool.
        finished: whether it is finished, (rows, candidates), bool.
    """

    length: int
    sentences: Tensor
    parents: Tensor
    nodes: Tensor
    tokens: Tensor
    totals: Tensor
    scores: Tensor
    kept: Tensor
    finished: Tensor


class Found(NamedTuple):
    """A hypothesis before its tokens are read from the trace."""

    node: int
    """Where it ends in the :class:`Trace`; -1 for an empty one."""
    score: float
    exact: bool


@dataclass
class Trace:
    """All tokens that a search has looked at, as a forest.

    A node is a token behind the node of the token before it. Nodes are numbered in the order in
    which they are added. Each list has one tensor for each step.
    """

    parents: list[Tensor] = field(default_factory=list)
    """The node before each, -1 behind BOS, (nodes of the step,), int64."""
    tokens: list[Tensor] = field(default_factory=list)
    """The token of each node, (nodes of the step,), int64."""
    scores: list[Tensor] = field(default_factory=list)
    """Log-probability of each token, (nodes of the step,)."""
    rows: list[Tensor] = field(default_factory=list)
    """Row of each node in all ``alignments`` together, (nodes of the step,), int64."""
    alignments: list[Tensor] = field(default_factory=list)
    """Attention of the hypotheses of the step, (sentences * slots, source)."""
    size: int = 0
    """How many nodes there are."""

    def extend(
        self,
        parents: Tensor,
        tokens: Tensor,
        scores: Tensor,
        slots: Tensor,
        alignment: Tensor | None,
    ) -> Tensor:
        """Add the nodes of a step, given as tensors (sentences, nodes).

        Args:
            parents: the node before each, int64.
            tokens: token ids, int64.
            scores: log-probabilities.
            slots: which of its sentence's hypotheses each node continues, int64.
            alignment: attention of these hypotheses, (sentences, slots, source), or None.

        Returns:
            The numbers of the nodes, (sentences, nodes), int64.
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
        """The hypotheses of ``found``, each followed from its last node back to the first.

        Args:
            found: for each sentence where its hypotheses end.
            eos: the token that finishes a hypothesis.
        """
        if not found:
            return []
        parents, tokens, scores = (
            torch.cat(column).tolist() for column in (self.parents, self.tokens, self.scores)
        )
        recorded = bool(self.alignments)
        alignments = torch.cat(self.alignments).cpu() if recorded else torch.empty(0)
        rows = torch.cat(self.rows).cpu() if recorded else torch.empty(0)

        def hypothesis(end: Found) -> Hypothesis:
            path = []
            node = end.node
            while node >= 0:
                path.append(node)
                node = parents[node]
            path.reverse()
            finished = bool(path) and tokens[path[-1]] == eos
            return Hypothesis(
                tokens=[tokens[node] for node in path],
                score=end.score,
                token_scores=[scores[node] for node in path],
                finished=finished,
                exact=finished and end.exact,
                alignment=alignments[rows[path]] if recorded else None,
            )

        return [[hypothesis(end) for end in ends] for ends in found]
