"""One step of a beam search: the candidates, what finishes, what lives on, and who is done."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Adjustment, Context, adjusted
from huashi.seq2seq.search.beam.candidates import Candidates, Choose
from huashi.seq2seq.search.beam.rules import Rules
from huashi.seq2seq.search.beam.scores import (
    brevity_score,
    coverage_score,
    highest_score,
    length_divisor,
)
from huashi.seq2seq.search.hypothesis import BeamStep, Trace
from huashi.seq2seq.search.log_probabilities import only_eos_at_limit, renormalised


class Search(NamedTuple):
    """What stays as it is from step to step."""

    rules: Rules
    beam: int
    nbest: int
    bos: int
    eos: int
    groups: int
    choose: Choose
    adjustments: tuple[Adjustment, ...]
    provable: bool
    """A bound on what was lost tells of the result: scores are the model's own."""
    reference_lengths: Tensor | None
    alignment: Callable[[Any], Tensor] | None
    observe: Callable[[BeamStep], None] | None

    @property
    def capacity(self) -> int:
        """How many finished hypotheses make the rules that count them stop."""
        return max(round(self.beam * self.rules.patience), 1)

    @property
    def room(self) -> int:
        """How many finished hypotheses are kept."""
        return {"nbest": self.nbest, "beam": self.beam, "first": self.capacity}[self.rules.keep]


class Beams(NamedTuple):
    """What the search knows of its open sentences, one row a sentence."""

    numbers: Tensor
    """Which sentence it is: with groups, sentence * groups + group, (sentences,)."""
    scores: Tensor
    """Sum of the log-probabilities of each hypothesis alive, (sentences, alive)."""
    nodes: Tensor
    """Where each ends in the trace, (sentences, alive)."""
    tokens: Tensor
    """What each holds so far, (sentences, alive, length)."""
    coverage: Tensor
    """Sum of the attention of each, (sentences, alive, source); source is 0 where none is kept."""
    ended_scores: Tensor
    ended_nodes: Tensor
    """The finished hypotheses that are kept, (sentences, room), best first; -inf for none yet."""
    ended: Tensor
    """How many have finished, (sentences,)."""
    topped: Tensor
    """The best candidate of a step has ended, (sentences,)."""
    hope: Tensor
    """No hypothesis alive can end with a higher score than this, (sentences,)."""
    lost: Tensor
    """Nor could any that was ever dropped end with a higher score than this, (sentences,)."""
    limit: Tensor
    """The greatest length, (sentences,)."""


def start(search: Search, limit: Tensor) -> Beams:
    """Before the first step: an empty hypothesis for each sentence."""
    limit = limit.repeat_interleave(search.groups)
    rows, device = len(limit), limit.device
    one = torch.zeros(rows, 1, dtype=torch.long, device=device)
    worst = torch.full((rows, search.room), -torch.inf, device=device)
    return Beams(
        numbers=torch.arange(rows, device=device),
        scores=torch.zeros(rows, 1, device=device),
        nodes=one - 1,
        tokens=one.new_empty(rows, 1, 0),
        coverage=worst.new_zeros(rows, 1, 0),
        ended_scores=worst,
        ended_nodes=one.expand(-1, search.room) - 1,
        ended=one[:, 0],
        topped=one[:, 0] > 0,
        hope=worst[:, 0],
        lost=worst[:, 0],
        limit=limit,
    )


def advance(
    search: Search,
    beams: Beams,
    log_probs: Tensor,
    weights: Tensor | None,
    length: int,
    trace: Trace,
) -> tuple[Beams, Tensor]:
    """Take one step; return the new beams and which hypothesis each of them continues."""
    rules, beam = search.rules, search.beam
    sentences, alive = beams.nodes.shape
    steps = log_probs.view(sentences, alive, -1)
    context = Context(
        tokens=beams.tokens,
        length=length,
        sentences=beams.numbers // search.groups,
        limit=beams.limit,
        bos=search.bos,
        eos=search.eos,
    )
    if search.adjustments:
        steps = adjusted(steps, context, search.adjustments)
        steps = renormalised(steps) if rules.renormalise else steps
    at_limit = beams.limit == length
    if rules.limit == "end":
        steps = only_eos_at_limit(steps, at_limit, search.eos)
    kept_steps = _without_pruned(search, beams, steps, length)
    count = rules.candidates * beam
    best = search.choose(beams.scores, kept_steps, count, context, beams.numbers)
    nodes, coverage = _record(search, beams, best, weights, trace)

    ends = best.tokens == search.eos
    first = torch.arange(best.totals.shape[1], device=ends.device) < beam
    finishes = ends & first if rules.finish == "beam" else ends
    if rules.limit == "cut":
        finishes = finishes | (at_limit[:, None] & first)
    finishes &= ~best.totals.isneginf()
    if rules.keep == "first":
        finishes &= beams.ended[:, None] + finishes.cumsum(1) <= search.capacity
    final = _final_scores(search, beams, best.totals, coverage, length)
    merged = torch.cat([beams.ended_scores.to(final), final.masked_fill(~finishes, -torch.inf)], 1)
    ended = merged.topk(search.room)
    ended_nodes = torch.cat([beams.ended_nodes, nodes], 1).gather(1, ended.indices)

    survivors = _survivors(best.totals, ends | (finishes & at_limit[:, None]), beam)
    scores = best.totals.masked_fill(ends, -torch.inf).gather(1, survivors)
    lives = torch.zeros_like(ends).scatter(1, survivors, True) & ~ends
    dropped = best.totals.masked_fill(finishes | lives, -torch.inf)
    lost = torch.maximum(dropped.amax(1), best.beyond)
    if rules.prune is not None:
        pruned = (beams.scores[..., None] + steps).masked_fill(~kept_steps.isneginf(), -torch.inf)
        lost = torch.maximum(lost, pruned.flatten(1).amax(1))
    if search.observe is not None:
        search.observe(
            BeamStep(
                length=length,
                sentences=context.sentences,
                parents=beams.nodes.gather(1, best.slots),
                nodes=nodes,
                tokens=best.tokens,
                totals=best.totals,
                scores=final,
                kept=lives,
                finished=finishes,
            )
        )
    slots = best.slots.gather(1, survivors)
    tokens = torch.cat(
        [
            beams.tokens.gather(1, slots[..., None].expand(-1, -1, length - 1)),
            best.tokens.gather(1, survivors)[..., None],
        ],
        -1,
    )
    width = coverage.shape[-1]
    return Beams(
        numbers=beams.numbers,
        scores=scores,
        nodes=nodes.gather(1, survivors),
        tokens=tokens,
        coverage=coverage.gather(1, survivors[..., None].expand(-1, -1, width)),
        ended_scores=ended.values,
        ended_nodes=ended_nodes,
        ended=beams.ended + finishes.sum(1),
        topped=beams.topped | finishes[:, 0],
        hope=highest_score(rules, scores.amax(1), length, beams.limit),
        lost=torch.maximum(beams.lost.to(lost), highest_score(rules, lost, length, beams.limit)),
        limit=beams.limit,
    ), slots


def _without_pruned(search: Search, beams: Beams, steps: Tensor, length: int) -> Tensor:
    """``steps``, -inf for what the pruning of Wu 2016 drops."""
    prune = search.rules.prune
    if prune is None:
        return steps
    steps = steps.masked_fill(steps < steps.amax(-1, keepdim=True) - prune, -torch.inf)
    if length == 1:
        return steps
    running = beams.scores / length_divisor(search.rules, length - 1)
    hopeless = running < beams.ended_scores[:, :1] - prune
    return steps.masked_fill(hopeless[..., None], -torch.inf)


def _record(
    search: Search, beams: Beams, best: Candidates, weights: Tensor | None, trace: Trace
) -> tuple[Tensor, Tensor]:
    """Put the candidates into the trace; return their numbers there, and their coverage."""
    sentences, alive = beams.nodes.shape
    if weights is not None:
        weights = weights.view(sentences, alive, -1)
    nodes = trace.extend(
        beams.nodes.gather(1, best.slots), best.tokens, best.scores, best.slots, weights
    )
    if weights is None or not search.rules.coverage_penalty:
        return nodes, best.totals.new_zeros(*nodes.shape, 0)
    so_far = weights if not beams.coverage.shape[-1] else beams.coverage + weights
    slots = best.slots[..., None].expand(-1, -1, so_far.shape[-1])
    return nodes, so_far.gather(1, slots)


def _final_scores(
    search: Search, beams: Beams, totals: Tensor, coverage: Tensor, length: int
) -> Tensor:
    """What candidates of these totals score if they end now, (sentences, count)."""
    rules = search.rules
    scores = totals / length_divisor(rules, length)
    if coverage.shape[-1]:
        scores = scores + coverage_score(rules, coverage)
    if rules.brevity_penalty and search.reference_lengths is not None:
        lengths = search.reference_lengths[beams.numbers // search.groups]
        scores = scores + brevity_score(rules, length, lengths)[:, None]
    return scores


def _survivors(totals: Tensor, gone: Tensor, beam: int) -> Tensor:
    """Places of the first ``beam`` candidates that live on, then of others, (sentences, alive)."""
    places = torch.arange(totals.shape[1], device=totals.device).expand_as(totals)
    order = torch.where(gone, places + totals.shape[1], places)
    return order.argsort(1)[:, :beam]


def is_done(search: Search, beams: Beams, length: int) -> Tensor:
    """Which sentences are done, (sentences,)."""
    rules = search.rules
    alive = beams.scores.amax(1)
    stop = rules.stop
    if stop == "count_or_top":
        stop = "count" if rules.length_penalty or rules.coverage_penalty else "top"
    if stop == "safe":
        done = beams.ended_scores[:, -1] >= beams.hope
    elif stop == "estimate":
        done = beams.ended_scores[:, -1] >= alive / length_divisor(rules, length)
    elif stop == "count":
        done = beams.ended >= search.capacity
    else:
        done = beams.topped & (beams.ended >= search.nbest)
    return done | (beams.limit == length) | alive.isneginf()
