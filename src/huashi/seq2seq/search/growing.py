"""Sequences that grow by a token a step, each on its own: for greedy search and sampling."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.hypothesis import Found, Trace


class Growing(NamedTuple):
    """The sequences that are not done, one a row."""

    numbers: Tensor
    """Which of all sequences of the search it is, (rows,), int64."""
    sentences: Tensor
    """Which sentence it belongs to, (rows,), int64."""
    limit: Tensor
    """Its greatest length, (rows,), int64."""
    nodes: Tensor
    """Where it ends in the trace, (rows,), int64."""
    totals: Tensor
    """Sum of the log-probabilities of its tokens, (rows,)."""
    tokens: Tensor
    """The tokens of each, without BOS, (rows, 1, length), int64."""

    @classmethod
    def begin(cls, limit: Tensor, each: int = 1) -> "Growing":
        """``each`` empty sequences for every sentence, whose greatest length is ``limit``."""
        numbers = torch.arange(len(limit) * each, device=limit.device)
        sentences = numbers // each
        return cls(
            numbers=numbers,
            sentences=sentences,
            limit=limit[sentences],
            nodes=torch.full_like(numbers, -1),
            totals=torch.zeros(len(numbers), device=limit.device),
            tokens=numbers.new_empty(len(numbers), 1, 0),
        )

    def context(self, bos: int, eos: int) -> Context:
        """What adjustments may know: a row counts as a sentence with one hypothesis."""
        length = self.tokens.shape[-1] + 1
        return Context(self.tokens, length, self.sentences, self.limit, bos, eos)

    def grown(
        self,
        tokens: Tensor,
        scores: Tensor,
        possible: Tensor,
        attention: Tensor | None,
        trace: Trace,
    ) -> "Growing":
        """After one more token.

        Args:
            tokens: the next token of each, (rows,), int64.
            scores: its log-probability, (rows,).
            possible: whether any token was, (rows,), bool; where none was, the trace and the sum of
                a sequence stay as they are.
            attention: of the step, (rows, source), or None.
            trace: what the tokens are added to.
        """
        nodes = trace.extend(
            self.nodes[:, None],
            tokens[:, None],
            scores[:, None],
            torch.zeros_like(tokens)[:, None],
            None if attention is None else attention[:, None],
        )[:, 0]
        return self._replace(
            nodes=torch.where(possible, nodes, self.nodes),
            totals=torch.where(possible, self.totals + scores, self.totals),
            tokens=torch.cat([self.tokens, tokens[:, None, None]], -1),
        )

    def ends(
        self, done: Tensor, possible: Tensor, length_penalty: float
    ) -> Iterator[tuple[int, Found]]:
        """The numbers of the sequences that are ``done``, (rows,), and where each ends.

        ``possible``: whether the last token was, (rows,); if not, it does not count.
        """
        for i in done.nonzero()[:, 0].tolist():
            length = max(self.tokens.shape[-1] - int(not possible[i]), 1)
            score = self.totals[i].item() / length**length_penalty
            yield int(self.numbers[i]), Found(int(self.nodes[i]), score, exact=False)
