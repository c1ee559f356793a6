"""How far a hypothesis is with the phrases that it must contain: in their order, or in any."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class OrderedProgress(NamedTuple):
    """How far a hypothesis is with phrases that must follow one another: Knuth, Morris, Pratt."""

    phrases: tuple[tuple[int, ...], ...]
    borders: tuple[tuple[int, ...], ...]
    """For each phrase and each beginning of it, of 1, 2, ... tokens: how many tokens the longest
    shorter beginning has that it ends with."""
    completed: int
    """How many phrases are met."""
    matched: int
    """How many tokens of the next phrase the hypothesis ends with."""

    @classmethod
    def begin(cls, phrases: Sequence[Sequence[int]]) -> "OrderedProgress":
        """Before the first token."""
        kept = tuple(map(tuple, phrases))
        return cls(kept, tuple(map(_borders, kept)), 0, 0)

    @property
    def bank(self) -> int:
        """How many tokens of phrases are met."""
        return sum(map(len, self.phrases[: self.completed])) + self.matched

    @property
    def finished(self) -> bool:
        """Whether all phrases are met."""
        return self.completed == len(self.phrases)

    @property
    def next_tokens(self) -> set[int]:
        """The tokens that go on with the next phrase, or begin it anew."""
        if self.finished:
            return set()
        phrase = self.phrases[self.completed]
        return {phrase[self.matched], phrase[0]}

    def advance(self, token: int) -> "OrderedProgress":
        """After one more token."""
        if self.finished:
            return self
        phrase, borders = self.phrases[self.completed], self.borders[self.completed]
        matched = _matched(phrase, borders, self.matched, token)
        if matched == len(phrase):
            return self._replace(completed=self.completed + 1, matched=0)
        return self._replace(matched=matched)


def _matched(phrase: tuple[int, ...], borders: Sequence[int], matched: int, token: int) -> int:
    """How many tokens of ``phrase`` there are at the end, after ``matched`` of them, and one."""
    while matched and phrase[matched] != token:
        matched = borders[matched - 1]
    return matched + (phrase[matched] == token)


def _borders(phrase: tuple[int, ...]) -> tuple[int, ...]:
    """The borders of all beginnings of ``phrase``, as in :class:`OrderedProgress`."""
    borders = [0]
    for token in phrase[1:]:
        borders.append(_matched(phrase, borders, borders[-1], token))
    return tuple(borders)


@dataclass(frozen=True)
class PhraseTrie:
    """Phrases as a trie; node 0 is the root, and every list has an item for each node."""

    parents: list[int]
    """The node before; -1 for the root."""
    tokens: list[int]
    """The token that leads to the node; -1 for the root."""
    children: list[dict[int, int]]
    """The node after each token."""
    ends: list[int]
    """How many phrases end here."""
    passes: list[int]
    """How many phrases come through here or end here."""

    @classmethod
    def of(cls, phrases: Sequence[Sequence[int]]) -> "PhraseTrie":
        """The trie of ``phrases``, of which some may be equal."""
        trie = cls([-1], [-1], [{}], [0], [0])
        for phrase in phrases:
            node = 0
            trie.passes[0] += 1
            for token in phrase:
                node = trie._child(node, token)
                trie.passes[node] += 1
            trie.ends[node] += 1
        return trie

    def _child(self, node: int, token: int) -> int:
        """The node after ``token``, new if there was none."""
        if token not in self.children[node]:
            self.children[node][token] = len(self.parents)
            self.parents.append(node)
            self.tokens.append(token)
            self.children.append({})
            self.ends.append(0)
            self.passes.append(0)
        return self.children[node][token]


class TrieProgress(NamedTuple):
    """How far a hypothesis is with phrases in any order (Hu 2019, arXiv 1904.09545).

    Where it leaves the trie, the longest phrase that ended on the way is met, and what was read
    since the last time at the root is read again but for its first token, as a phrase may begin in
    it. Each such return shortens what is to be read, so a token takes at most the square of the
    longest phrase.
    """

    trie: PhraseTrie
    node: int
    """The node that the latest tokens lead to; 0 if they begin no phrase."""
    passed: tuple[int, ...]
    """How often each node was passed by phrases that are met or begun."""
    met: tuple[int, ...]
    """How many phrases that end at each node are met; the one that ends at ``node`` is not counted
    before the hypothesis has left it."""

    @classmethod
    def begin(cls, phrases: Sequence[Sequence[int]]) -> "TrieProgress":
        """Before the first token."""
        trie = PhraseTrie.of(phrases)
        zeros = (0,) * len(trie.parents)
        return cls(trie, 0, zeros, zeros)

    @property
    def bank(self) -> int:
        """How many tokens of phrases are met, those of a phrase that is begun included."""
        return sum(self.passed)

    @property
    def completed(self) -> int:
        """How many phrases are met, without those within a longer one that is begun."""
        return sum(self.met) + (self.met[self.node] < self.trie.ends[self.node])

    @property
    def finished(self) -> bool:
        """Whether all phrases are met if the hypothesis ends here."""
        return sum(self._read((), to_root=True).met) == self.trie.passes[0]

    @property
    def next_tokens(self) -> set[int]:
        """The tokens that go on with a phrase, or begin one."""
        return {*self.trie.children[0], *self.trie.children[self.node]}

    def advance(self, token: int) -> "TrieProgress":
        """After one more token: on along the trie, or anew from its root."""
        return self._read((token,))

    def _read(self, tokens: Sequence[int], *, to_root: bool = False) -> "TrieProgress":
        """After more tokens; with ``to_root``, and whatever is begun has broken off."""
        trie, node, to_read = self.trie, self.node, deque(tokens)
        passed, met = list(self.passed), list(self.met)
        while to_read or (to_root and node):
            child = trie.children[node].get(to_read[0]) if to_read else None
            if child is not None and passed[child] < trie.passes[child]:  # a phrase is still open
                to_read.popleft()
                passed[child] += 1
                node = child
            elif node:
                to_read.extendleft(_leave(trie, node, passed, met))
                node = 0
            else:
                to_read.popleft()
        return TrieProgress(trie, node, tuple(passed), tuple(met))


def _leave(trie: PhraseTrie, node: int, passed: list[int], met: list[int]) -> list[int]:
    """Count the longest phrase that ended on the way to ``node``, and the way to it as passed.

    Returns the tokens of the whole way but the first, the last one first.
    """
    tokens, counted = [], False
    while node:
        tokens.append(trie.tokens[node])
        if not counted and met[node] < trie.ends[node]:
            met[node] += 1
            counted = True
        passed[node] -= not counted
        node = trie.parents[node]
    return tokens[:-1]


Progress = OrderedProgress | TrieProgress
