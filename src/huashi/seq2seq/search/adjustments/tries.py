"""Only sequences of a given set, such as the names of all entities.

The set is kept as a trie: a node for every beginning of a sequence, an edge for every token that
may follow. A step looks the hypotheses up by a hash of their tokens, compares the tokens on the way
to the node that it finds with theirs, and takes from a table what may follow. There is no loop over
hypotheses or tokens, and nothing to be kept from step to step.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from huashi._checks import check_not_negative
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.adjustments.vocabulary import check_ids


class InTrie:
    """Allow only ``sequences``: a hypothesis stays the beginning of one, and ends where one does.

    Constrained search over a trie (De Cao 2020, arXiv 2010.00904). A hypothesis that is no
    beginning of any sequence cannot go on.

    Args:
        sequences: token ids of each, without BOS, EOS at the end or not; at least one.

    Raises:
        ValueError: there is no sequence, an id is negative, or, when a search calls it, not in the
            vocabulary, or a sequence goes on after EOS.

    >>> trie = InTrie([[2], [2, 3]])
    >>> after = torch.tensor([[[2]]])
    >>> context = Context(after, 2, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> trie(torch.zeros(1, 1, 4), context)  # EOS, 1, or go on with 3
    tensor([[[-inf, 0., -inf, 0.]]])
    """

    rewards = False

    def __init__(self, sequences: Iterable[Iterable[int]]) -> None:
        children, ends = _trie(sequences)
        if not ends:
            raise ValueError("sequences must be at least one, got none")
        self.stride = 1 + max((max(tokens) for tokens in children if tokens), default=0)
        self._tables = _as_tables(children, ends, self.stride)
        self._paths = _paths_of(children)
        # The tokens that something follows: EOS must not be one.
        self._inner = {t for tokens in children for t, child in tokens.items() if children[child]}

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Adjust log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        check_ids("sequences", [self.stride - 1], log_probs)
        if context.eos in self._inner:
            raise ValueError(f"sequences must have EOS, {context.eos}, at their end alone")
        if self._tables.keys.device != log_probs.device:
            self._tables = _Tables(*(table.to(log_probs.device) for table in self._tables))
            self._paths = _Paths(*(table.to(log_probs.device) for table in self._paths))
        nodes = self._reached(context.tokens).flatten()
        rows, tokens = self._followers(nodes)
        allowed = torch.zeros(
            len(nodes), log_probs.shape[-1], dtype=torch.bool, device=nodes.device
        )
        allowed[rows, tokens] = True
        allowed[:, context.eos] |= self._tables.is_end[nodes]
        return log_probs.masked_fill(~allowed.view_as(log_probs), -torch.inf)

    def _reached(self, tokens: Tensor) -> Tensor:
        """The node that each hypothesis of ``tokens`` has reached, (sentences, alive)."""
        hashes, nodes, depths, starts, path_tokens, factors = self._paths
        outside, length = len(depths), tokens.shape[-1]
        if length > len(factors):
            return tokens.new_full(tokens.shape[:-1], outside)
        wanted = ((tokens + 1) * factors[:length]).sum(-1)
        places = torch.searchsorted(hashes, wanted).clamp(max=len(hashes) - 1)
        found = nodes[places]
        steps = torch.arange(length, device=tokens.device)
        path = path_tokens[(starts[found][..., None] + steps).clamp(max=len(path_tokens) - 1)]
        same = (depths[found] == length) & (path == tokens).all(-1)
        return torch.where(same, found, outside)

    def _followers(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """All tokens that may follow: places in ``nodes``, (edges,), and a token for each."""
        keys, _, first_edges, _ = self._tables
        counts = first_edges[nodes + 1] - first_edges[nodes]
        rows = torch.arange(len(nodes), device=nodes.device).repeat_interleave(counts)
        before = (counts.cumsum(0) - counts)[rows]  # edges of the rows before
        place_in_row = torch.arange(len(rows), device=nodes.device) - before
        return rows, keys[first_edges[nodes][rows] + place_in_row] % self.stride


class _Tables(NamedTuple):
    """A trie as tensors, its edges sorted by node and token; all int64 but ``is_end``."""

    keys: Tensor
    """``node * stride + token`` of each edge, and a number greater than all, (edges + 1,)."""
    targets: Tensor
    """The node that each edge leads to, and the one outside the trie, (edges + 1,)."""
    first_edges: Tensor
    """The first edge of each node, of the node outside, and the end of all, (nodes + 2,)."""
    is_end: Tensor
    """Whether a sequence ends at each node, and at the node outside, (nodes + 1,), bool."""


class _Paths(NamedTuple):
    """The tokens on the way to each node, and how to find a node by them; all int64."""

    hashes: Tensor
    """Of the nodes, rising, (nodes,): the sum of ``(token + 1) * factor`` modulo 2^64, with a
    factor for each place."""
    nodes: Tensor
    """The node that each hash belongs to, (nodes,)."""
    depths: Tensor
    """How many tokens lead to each node, (nodes,)."""
    starts: Tensor
    """Where in ``tokens`` the way to each node begins, (nodes,)."""
    tokens: Tensor
    """Of ways that lead to all nodes, one behind another; at least one number."""
    factors: Tensor
    """For each place of the longest sequence, (longest,)."""


def _paths_of(children: list[dict[int, int]]) -> _Paths:
    """The ways to the nodes of a trie whose nodes have greater numbers than those before them."""
    depths, starts, parents = ([0] * len(children) for _ in range(3))
    by_node = [0] * len(children)
    for node, tokens in enumerate(children):
        for token, child in tokens.items():
            depths[child], parents[child], by_node[child] = depths[node] + 1, node, token
    path_tokens: list[int] = []
    covered = [False] * len(children)
    for leaf in reversed(range(len(children))):  # so that a way covers all nodes before its end
        way, node = [], leaf
        while node and not covered[leaf]:
            way.append(node)
            node = parents[node]
        for node in way:
            if not covered[node]:
                covered[node], starts[node] = True, len(path_tokens)
        path_tokens += [by_node[node] for node in reversed(way)]
    hashes, factors = _distinct_hashes(depths, parents, by_node)
    order = hashes.argsort()
    return _Paths(
        hashes=hashes[order],
        nodes=order,
        depths=torch.tensor(depths),
        starts=torch.tensor(starts),
        tokens=torch.tensor(path_tokens or [0]),
        factors=factors,
    )


def _distinct_hashes(
    depths: list[int], parents: list[int], tokens: list[int]
) -> tuple[Tensor, Tensor]:
    """A hash for each node, (nodes,), and the factors for each place: others if two are equal."""
    seed = 0
    while True:
        generator = torch.Generator().manual_seed(seed)
        factors = torch.randint(-(2**63), 2**63 - 1, (max(depths),), generator=generator)
        numbers, hashes = factors.tolist(), [0] * len(depths)
        for node in range(1, len(depths)):
            added = (tokens[node] + 1) * numbers[depths[node] - 1]
            hashes[node] = (hashes[parents[node]] + added + 2**63) % 2**64 - 2**63
        if len(set(hashes)) == len(hashes):
            return torch.tensor(hashes), factors
        seed += 1


def _trie(sequences: Iterable[Iterable[int]]) -> tuple[list[dict[int, int]], set[int]]:
    """The children of each node by token, the root first, and the nodes where a sequence ends."""
    children: list[dict[int, int]] = [{}]
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
    return children, ends


def _as_tables(children: list[dict[int, int]], ends: set[int], stride: int) -> _Tables:
    """The trie as tensors; ``stride`` is above every token."""
    edges = sorted(
        (node * stride + token, child)
        for node, tokens in enumerate(children)
        for token, child in tokens.items()
    )
    outside = len(children)  # the node of hypotheses that have left the trie
    keys = torch.tensor([key for key, _ in edges], dtype=torch.long)
    greatest = keys.new_full((1,), torch.iinfo(torch.long).max)
    return _Tables(
        keys=torch.cat([keys, greatest]),
        targets=torch.tensor([child for _, child in edges] + [outside]),
        first_edges=torch.searchsorted(keys, torch.arange(outside + 2) * stride),
        is_end=torch.tensor([node in ends for node in range(outside + 1)]),
    )
