"""How far a hypothesis is with the phrases that it must contain."""

from collections.abc import Sequence
from typing import NamedTuple


class OrderedProgress(NamedTuple):
    """How far a hypothesis is with phrases that follow one another."""

    phrases: tuple[tuple[int, ...], ...]
    completed: int
    """Phrases that are there."""
    matched: int
    """Tokens of the next one that the hypothesis ends with."""

    @classmethod
    def begin(cls, phrases: Sequence[Sequence[int]]) -> "OrderedProgress":
        return cls(tuple(map(tuple, phrases)), 0, 0)

    @property
    def bank(self) -> int:
        """Tokens of the phrases that are there."""
        return sum(map(len, self.phrases[: self.completed])) + self.matched

    @property
    def finished(self) -> bool:
        return self.completed == len(self.phrases)

    @property
    def next_tokens(self) -> set[int]:
        """What goes on with the phrase, or begins it anew."""
        if self.finished:
            return set()
        phrase = self.phrases[self.completed]
        return {phrase[self.matched], phrase[0]}

    def advance(self, token: int) -> "OrderedProgress":
        """After one more token."""
        if self.finished:
            return self
        phrase = self.phrases[self.completed]
        ends_with = (*phrase[: self.matched], token)
        matched = next(n for n in range(len(ends_with), -1, -1) if _is_begun(ends_with, phrase, n))
        if matched == len(phrase):
            return self._replace(completed=self.completed + 1, matched=0)
        return self._replace(matched=matched)


def _is_begun(ends_with: tuple[int, ...], phrase: tuple[int, ...], n: int) -> bool:
    """The last n tokens are the first n of the phrase."""
    return ends_with[len(ends_with) - n :] == phrase[:n]


class _Node(NamedTuple):
    """A node of the trie of phrases."""

    parent: int
    children: dict[int, int]
    """The node after each token."""
    ends: list[int]
    """How many phrases end here, as the only item."""
    passes: list[int]
    """How many phrases come through or end here, as the only item."""


class TrieProgress(NamedTuple):
    """How far a hypothesis is with phrases in any order."""

    trie: tuple[_Node, ...]
    node: int
    """Where the hypothesis is in the trie; 0 is its root."""
    generated: tuple[int, ...]
    """How often each node was passed by phrases that are there or begun."""
    ended: tuple[int, ...]
    """How many phrases that end at each node are there and left behind."""

    @classmethod
    def begin(cls, phrases: Sequence[Sequence[int]]) -> "TrieProgress":
        trie = [_Node(-1, {}, [0], [0])]
        for phrase in phrases:
            node = 0
            trie[node].passes[0] += 1
            for token in phrase:
                if token not in trie[node].children:
                    trie[node].children[token] = len(trie)
                    trie.append(_Node(node, {}, [0], [0]))
                node = trie[node].children[token]
                trie[node].passes[0] += 1
            trie[node].ends[0] += 1
        none = (0,) * len(trie)
        return cls(tuple(trie), 0, none, none)

    @property
    def bank(self) -> int:
        """Tokens of the phrases that are there, or begun at the end."""
        return sum(self.generated)

    @property
    def completed(self) -> int:
        """Phrases that are there."""
        return sum(self.ended) + self._ends_one(self.node)

    @property
    def finished(self) -> bool:
        return self.completed == self.trie[0].passes[0]

    @property
    def next_tokens(self) -> set[int]:
        """What goes on with a phrase, or begins one."""
        return {*self.trie[0].children, *self.trie[self.node].children}

    def advance(self, token: int) -> "TrieProgress":
        """After one more token."""
        child = self._open_child(self.node, token)
        if child is not None:
            return self._entered(child)
        left = self._left()
        child = left._open_child(0, token)
        return left if child is None else left._entered(child)

    def _ends_one(self, node: int) -> bool:
        return self.ended[node] < self.trie[node].ends[0]

    def _open_child(self, node: int, token: int) -> int | None:
        """The node after ``token``, unless as many phrases have come through as there are."""
        child = self.trie[node].children.get(token)
        if child is None or self.generated[child] >= self.trie[child].passes[0]:
            return None
        return child

    def _entered(self, node: int) -> "TrieProgress":
        return self._replace(node=node, generated=_changed(self.generated, node, 1))

    def _left(self) -> "TrieProgress":
        """Back at the root: the longest phrase that ended on the way counts, what came after it was
        for nothing.
        """
        node, generated = self.node, self.generated
        while node:
            if self._ends_one(node):
                ended = _changed(self.ended, node, 1)
                return self._replace(node=0, generated=generated, ended=ended)
            generated = _changed(generated, node, -1)
            node = self.trie[node].parent
        return self._replace(node=0, generated=generated)


def _changed(counts: tuple[int, ...], place: int, by: int) -> tuple[int, ...]:
    return (*counts[:place], counts[place] + by, *counts[place + 1 :])
