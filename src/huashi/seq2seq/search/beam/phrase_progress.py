"""How far a hypothesis is with the phrases that it must contain: in their order, or in any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class OrderedProgress(NamedTuple):
    """How far a hypothesis is with phrases that must follow one another."""

    phrases: tuple[tuple[int, ...], ...]
    completed: int
    """How many phrases are met."""
    matched: int
    """How many tokens of the next phrase the hypothesis ends with."""

    @classmethod
    def begin(cls, phrases: Sequence[Sequence[int]]) -> "OrderedProgress":
        """Before the first token."""
        return cls(tuple(map(tuple, phrases)), 0, 0)

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
        phrase = self.phrases[self.completed]
        latest = (*phrase[: self.matched], token)
        matched = max(n for n in range(len(latest) + 1) if latest[len(latest) - n :] == phrase[:n])
        if matched == len(phrase):
            return self._replace(completed=self.completed + 1, matched=0)
        return self._replace(matched=matched)


@dataclass(frozen=True)
class PhraseTrie:
    """Phrases as a trie; node 0 is the root, and every list has an item for each node."""

    parents: list[int]
    """The node before; -1 for the root."""
    children: list[dict[int, int]]
    """The node after each token."""
    ends: list[int]
    """How many phrases end here."""
    passes: list[int]
    """How many phrases come through here or end here."""

    @classmethod
    def of(cls, phrases: Sequence[Sequence[int]]) -> "PhraseTrie":
        """The trie of ``phrases``, of which some may be equal."""
        trie = cls([-1], [{}], [0], [0])
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
            self.children.append({})
            self.ends.append(0)
            self.passes.append(0)
        return self.children[node][token]


class TrieProgress(NamedTuple):
    """How far a hypothesis is with phrases in any order (Hu 2019, arXiv 1904.09545)."""

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
        """How many phrases are met."""
        return sum(self.met) + self._ends_at(self.node)

    @property
    def finished(self) -> bool:
        """Whether all phrases are met."""
        return self.completed == self.trie.passes[0]

    @property
    def next_tokens(self) -> set[int]:
        """The tokens that go on with a phrase, or begin one."""
        return {*self.trie.children[0], *self.trie.children[self.node]}

    def advance(self, token: int) -> "TrieProgress":
        """After one more token: on along the trie, or anew from its root."""
        child = self._open_child(self.node, token)
        if child is not None:
            return self._entered(child)
        at_root = self._left()
        child = at_root._open_child(0, token)
        return at_root if child is None else at_root._entered(child)

    def _ends_at(self, node: int) -> bool:
        """Whether a phrase that is not yet counted as met ends at ``node``."""
        return self.met[node] < self.trie.ends[node]

    def _open_child(self, node: int, token: int) -> int | None:
        """The node after ``token``; None if all phrases that come through it are met."""
        child = self.trie.children[node].get(token)
        if child is None or self.passed[child] >= self.trie.passes[child]:
            return None
        return child

    def _entered(self, node: int) -> "TrieProgress":
        return self._replace(node=node, passed=_added(self.passed, node, 1))

    def _left(self) -> "TrieProgress":
        """Back at the root. The longest phrase that ended on the way is met; the tokens after it
        belong to none.
        """
        node, passed = self.node, self.passed
        while node:
            if self._ends_at(node):
                return self._replace(node=0, passed=passed, met=_added(self.met, node, 1))
            passed = _added(passed, node, -1)
            node = self.trie.parents[node]
        return self._replace(node=0, passed=passed)


Progress = OrderedProgress | TrieProgress


def _added(counts: tuple[int, ...], place: int, more: int) -> tuple[int, ...]:
    """``counts`` with ``more`` added at one place."""
    return (*counts[:place], counts[place] + more, *counts[place + 1 :])
