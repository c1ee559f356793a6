"""Only sequences of a given set, such as the names of all entities (De Cao 2020, arXiv 2010.00904).

The set is a trie in two arrays: its edges, sorted by ``node * stride + token``, and the node that
each leads to. A step walks all hypotheses from the root along their tokens, one binary search a
token, and looks up what may follow: no loop over hypotheses, and no state that could be forgotten.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from huashi._checks import check_not_negative
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.adjustments.vocabulary import check_ids


class InTrie:
    """Only ``sequences``: a hypothesis stays a prefix of one, and EOS follows where one ends.

    Args:
        sequences: token ids, without BOS; whether EOS is at their ends makes no difference.

    >>> trie = InTrie([[2], [2, 3]])
    >>> after = torch.tensor([[[2]]])
    >>> context = Context(after, 2, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> trie(torch.zeros(1, 1, 4), context)  # EOS, 1, or go on with 3
    tensor([[[-inf, 0., -inf, 0.]]])
    """

    def __init__(self, sequences: Iterable[Iterable[int]]) -> None:
        children: list[dict[int, int]] = [{}]  # of each node, by token; the root is node 0
        ends = set()
        for sequence in sequences:
            node = 0
            for token in sequence:
                check_not_negative("sequences", token)
                if token not in children[node]:
                    children[node][token] = len(children)
                    children.append({})
                node = children[node][token]
            ends.add(node)
        if not ends:
            raise ValueError("sequences must be at least one, got none")
        self.stride = 1 + max((max(tokens) for tokens in children if tokens), default=0)
        edges = sorted(
            (node * self.stride + token, child)
            for node, tokens in enumerate(children)
            for token, child in tokens.items()
        )
        nodes = len(children)  # and one more, where hypotheses are that left the trie
        keys = torch.tensor([key for key, _ in edges], dtype=torch.long)
        firsts = torch.searchsorted(keys, torch.arange(nodes + 2) * self.stride)
        beyond = keys.new_full((1,), torch.iinfo(torch.long).max)  # what every search ends before
        targets = torch.tensor([child for _, child in edges] + [nodes])
        is_end = torch.tensor([node in ends for node in range(nodes + 1)])
        self._tables = torch.cat([keys, beyond]), targets, firsts, is_end

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """As :data:`~huashi.seq2seq.search.adjustments.context.Adjustment`."""
        check_ids("sequences", [self.stride - 1], log_probs)
        if self._tables[0].device != log_probs.device:
            self._tables = tuple(table.to(log_probs.device) for table in self._tables)
        keys, _, firsts, is_end = self._tables
        nodes = self._walk(context.tokens).flatten()
        counts = firsts[nodes + 1] - firsts[nodes]
        rows = torch.arange(len(nodes), device=nodes.device).repeat_interleave(counts)
        place_among = (
            torch.arange(len(rows), device=nodes.device) - (counts.cumsum(0) - counts)[rows]
        )
        tokens = keys[firsts[nodes][rows] + place_among] % self.stride
        allowed = torch.zeros(
            len(nodes), log_probs.shape[-1], dtype=torch.bool, device=nodes.device
        )
        allowed[rows, tokens] = True
        allowed[:, context.eos] |= is_end[nodes]
        return log_probs.masked_fill(~allowed.view_as(log_probs), -torch.inf)

    def _walk(self, tokens: Tensor) -> Tensor:
        """The node that each hypothesis has come to, (sentences, alive)."""
        keys, targets, firsts, _ = self._tables
        outside = len(firsts) - 2
        nodes = tokens.new_zeros(tokens.shape[:-1])
        for latest in tokens.unbind(-1):
            wanted = nodes * self.stride + latest
            places = torch.searchsorted(keys, wanted)
            found = (keys[places] == wanted) & (latest < self.stride)
            nodes = torch.where(found, targets[places], outside)
        return nodes
