"""Phrases that must be part of what a beam search finds.

Lexically constrained decoding with dynamic beam allocation (Post & Vilar 2018, arXiv 1804.06609).
Which phrases a hypothesis has met is a matter of its tokens alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from huashi._checks import check_not_negative
from huashi.seq2seq.search.adjustments.context import Context
from huashi.seq2seq.search.adjustments.vocabulary import check_ids
from huashi.seq2seq.search.beam.candidates import Candidates
from huashi.seq2seq.search.beam.phrase_progress import OrderedProgress, Progress, TrieProgress


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """Phrases that the hypotheses of each sentence must contain: ``constraints`` of a beam search.

    The candidates of a step are the best ones as usual, the best continuation of every hypothesis,
    and every token that begins a phrase or goes on with one. They are taken in turn from those that
    have met the most tokens of phrases, the second most, and so on, so that a part of the beam
    belongs to each number of tokens met (Post & Vilar 2018, arXiv 1804.06609; phrases in any order
    by a trie, Hu 2019, arXiv 1904.09545). EOS is forbidden until every phrase is met.

    A phrase that breaks off is forgotten, but not those before it, and a new beginning of a phrase
    within what broke off, or within a phrase that is met, counts: 2 2 2 3 has the phrase 2 2 3 (in
    fairseq it has not), and 1 2 3 both 1 2 and 2 3. Phrases that begin at the same token need a
    place each, so one that is given twice has to be there twice. Ordered phrases do not overlap.

    Hypotheses are looked at one by one, as their phrases differ, so this takes more time than a
    search without constraints.

    Args:
        of_sentences: for each sentence its phrases, each of token ids; a sentence may have none.
        ordered: whether the phrases must follow one another in the given order.

    Raises:
        ValueError: a phrase is empty or has a number below 0, or, when a search calls it, a phrase
            has EOS or an id that is not in the vocabulary, or there are fewer sentences here than
            in the search.

    >>> Phrases(of_sentences=[[[7, 8], [9]]]).progress(0, (7, 8, 5)).completed
    1
    """

    of_sentences: Sequence[Sequence[Sequence[int]]]
    ordered: bool = False
    _ids: frozenset[int] = field(init=False, repr=False, compare=False)
    _known: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(not phrase for phrases in self.of_sentences for phrase in phrases):
            raise ValueError("of_sentences must hold no empty phrase, got []")
        ids = {token for phrases in self.of_sentences for phrase in phrases for token in phrase}
        check_not_negative("of_sentences", min(ids, default=0))
        object.__setattr__(self, "_ids", frozenset(ids))

    def progress(self, sentence: int, tokens: tuple[int, ...]) -> Progress:
        """How many phrases a hypothesis has met, and which it has begun.

        Args:
            sentence: the number of the sentence.
            tokens: what the hypothesis holds, without BOS.
        """
        begin = OrderedProgress.begin if self.ordered else TrieProgress.begin
        progress = self._known.get((sentence, tokens[:-1])) if tokens else None
        rest = tokens[-1:]
        if progress is None:
            progress, rest = begin(self.of_sentences[sentence]), tokens
        for token in rest:
            progress = progress.advance(token)
        return progress

    def __call__(
        self, totals: Tensor, log_probs: Tensor, count: int, context: Context, numbers: Tensor
    ) -> Candidates:
        """The candidates of a step.

        Args:
            totals: sum of the log-probabilities of each hypothesis so far, (sentences, alive).
            log_probs: of the next tokens, (sentences, alive, vocabulary).
            count: how many candidates of each sentence are wanted.
            context: what the hypotheses hold so far.
            numbers: which sentence each row belongs to; not looked at here.
        """
        most = int(context.sentences.max()) + 1
        if len(self.of_sentences) < most:
            raise ValueError(
                f"of_sentences must have phrases for {most} sentences or more, got "
                f"{len(self.of_sentences)}"
            )
        self._check_ids(log_probs, context.eos)
        count = min(count, log_probs[0].numel())
        rows, latest = [], {}
        for i, sentence in enumerate(context.sentences.tolist()):
            prefixes = [tuple(tokens) for tokens in context.tokens[i].tolist()]
            progress = [self.progress(sentence, prefix) for prefix in prefixes]
            latest |= {(sentence, p): one for p, one in zip(prefixes, progress, strict=True)}
            rows.append(_candidates(totals[i], log_probs[i], count, progress, context.eos))
        old = [key for key in list(self._known) if len(key[1]) < context.length - 2]
        for key in old:  # groups come one after another: what the last step knew is still needed
            self._known.pop(key, None)
        self._known.update(latest)
        return Candidates(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _check_ids(self, log_probs: Tensor, eos: int) -> None:
        if eos in self._ids:
            raise ValueError(f"of_sentences must hold no EOS in a phrase, got {eos}")
        check_ids("of_sentences", [max(self._ids, default=0)], log_probs)


def _candidates(
    totals: Tensor, log_probs: Tensor, count: int, progress: Sequence[Progress], eos: int
) -> Candidates:
    """The candidates of one sentence, as :class:`Candidates` without its first dimension.

    Args:
        totals: of its hypotheses, (alive,).
        log_probs: of the next tokens, (alive, vocabulary).
        count: how many candidates to choose.
        progress: how far each hypothesis is.
        eos: the token that has to wait for the phrases.
    """
    vocabulary = log_probs.shape[-1]
    waits = torch.tensor([not p.finished for p in progress], device=log_probs.device)
    is_eos = torch.arange(vocabulary, device=log_probs.device) == eos
    sums = totals[:, None] + log_probs.masked_fill(waits[:, None] & is_eos, -torch.inf)
    places = torch.tensor(_offered(sums, count, progress), device=sums.device)
    places = places[~sums.flatten()[places].isneginf()]
    best = sums.flatten()[places]
    met = [progress[p // vocabulary].advance(p % vocabulary).bank for p in places.tolist()]
    taken = _in_turn(met, best.tolist())[:count]
    missing = count - len(taken)  # filled with impossible ones, so that every sentence has as many
    places = torch.cat([places[taken], places.new_zeros(missing)])
    best = torch.cat([best[taken], best.new_full((missing,), -torch.inf)])
    return Candidates(
        totals=best,
        slots=places // vocabulary,
        tokens=places % vocabulary,
        scores=log_probs.flatten()[places],
        beyond=best.new_tensor(-torch.inf),
    )


def _offered(sums: Tensor, count: int, progress: Sequence[Progress]) -> list[int]:
    """Places in the flattened ``sums``, (alive, vocabulary), that may become candidates, rising.

    The best ``count`` of all, the best of each hypothesis, and what goes on with its phrases.
    """
    vocabulary = sums.shape[-1]
    offered = set(sums.flatten().topk(count).indices.tolist())
    for slot, (best, hypothesis) in enumerate(zip(sums.argmax(-1).tolist(), progress, strict=True)):
        offered |= {slot * vocabulary + token for token in (best, *hypothesis.next_tokens)}
    return sorted(offered)


def _in_turn(met: list[int], sums: list[float]) -> list[int]:
    """All places of ``sums`` in the order in which they are taken.

    First the best place for each number of tokens met, the greatest number first, then the second
    best for each, and so on.
    """
    taken: dict[int, int] = {}  # how many so far for each number of tokens met
    order = []
    for place in sorted(range(len(met)), key=lambda place: (-met[place], -sums[place])):
        rank = taken.get(met[place], 0)
        taken[met[place]] = rank + 1
        order.append((rank, -met[place], place))
    return [place for *_, place in sorted(order)]
