"""Phrases that must be part of what a beam search finds.

Lexically constrained decoding with dynamic beam allocation (Post & Vilar 2018, arXiv 1804.06609;
unordered by a trie, Hu 2019, arXiv 1904.09545): to the candidates of a step join, for every
hypothesis, its best token and all tokens that go on with a phrase; then the candidates are taken in
turn from those that have met the most tokens of the phrases, the second most, and so on. EOS has to
wait until every phrase is there.

Which phrases a hypothesis has met is a matter of its tokens alone. A phrase that breaks off is
forgotten, but not those before it; where phrases are ordered, a new beginning of the phrase within
what broke off counts (in fairseq all of them would start anew).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.beam.candidates import Candidates
from huashi.seq2seq.search.beam.phrase_progress import OrderedProgress, TrieProgress


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """What each sentence's hypotheses must contain; goes to ``constraints`` of a beam search.

    Hypotheses are looked at one by one here, as their phrases differ, so this costs more time than
    a search without constraints.

    >>> Phrases(of_sentences=[[[7, 8], [9]]]).progress(0, (7, 8, 5)).completed
    1
    """

    of_sentences: Sequence[Sequence[Sequence[int]]]
    """For each sentence its phrases, each of token ids; a sentence may have none."""
    ordered: bool = False
    """They must follow one another in the given order."""
    _known: dict = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(not phrase for phrases in self.of_sentences for phrase in phrases):
            raise ValueError("of_sentences must hold no empty phrase, got []")

    def progress(self, sentence: int, tokens: tuple[int, ...]) -> "OrderedProgress | TrieProgress":
        """How far a hypothesis of these tokens is with the phrases of its sentence."""
        known = self._known.get((sentence, tokens))
        if known is not None:
            return known
        if tokens:
            state = self.progress(sentence, tokens[:-1]).advance(tokens[-1])
        else:
            begin = OrderedProgress.begin if self.ordered else TrieProgress.begin
            state = begin(self.of_sentences[sentence])
        self._known[sentence, tokens] = state
        return state

    def __call__(
        self, totals: Tensor, steps: Tensor, count: int, context: Context, numbers: Tensor
    ) -> Candidates:
        """The candidates, those of either number of tokens met in turn."""
        most = int(context.sentences.max()) + 1
        if len(self.of_sentences) < most:
            raise ValueError(
                f"of_sentences must have phrases for {most} sentences or more, got "
                f"{len(self.of_sentences)}"
            )
        count = min(count, steps[0].numel())
        rows = []
        for i, sentence in enumerate(context.sentences.tolist()):
            prefixes = [tuple(tokens) for tokens in context.tokens[i].tolist()]
            states = [self.progress(sentence, prefix) for prefix in prefixes]
            rows.append(_striped(totals[i], steps[i], count, states, context.eos))
        return Candidates(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _striped(
    totals: Tensor, steps: Tensor, count: int, states: list, eos: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The candidates of one sentence, as the fields of :class:`Candidates`."""
    vocabulary = steps.shape[-1]
    waits = torch.tensor([not state.finished for state in states], device=steps.device)
    is_eos = torch.arange(vocabulary, device=steps.device) == eos
    sums = totals[:, None] + steps.masked_fill(waits[:, None] & is_eos, -torch.inf)
    offered = set(sums.flatten().topk(count).indices.tolist())
    for slot, token in enumerate(sums.argmax(-1).tolist()):
        offered.add(slot * vocabulary + token)
    for slot, state in enumerate(states):
        offered |= {slot * vocabulary + token for token in state.next_tokens}
    places = torch.tensor(sorted(offered), device=steps.device)
    found = sums.flatten()[places]
    places, found = places[~found.isneginf()], found[~found.isneginf()]
    banks = [
        states[place // vocabulary].advance(place % vocabulary).bank for place in places.tolist()
    ]
    order = sorted(range(len(banks)), key=lambda n: (-banks[n], -found[n].item()))
    ranks: dict[int, int] = {}  # in each bank, how many come before
    stripes = []
    for n in order:
        ranks[banks[n]] = ranks.get(banks[n], -1) + 1
        stripes.append((ranks[banks[n]], -banks[n], n))
    taken = [n for *_, n in sorted(stripes)][:count]
    spare = count - len(taken)  # impossible ones, so that every sentence has as many
    places = torch.cat([places[taken], places.new_zeros(spare)])
    best = torch.cat([found[taken], found.new_full((spare,), -torch.inf)])
    return (
        best,
        places // vocabulary,
        places % vocabulary,
        steps.flatten()[places],
        best.new_tensor(-torch.inf),
    )
