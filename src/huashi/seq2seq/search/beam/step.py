"""One step of a beam search: every hypothesis alive is continued by one token.

In turn: the log-probabilities are adjusted and pruned, candidates are chosen and recorded, some of
them finish, some live on, and the rest is dropped, with a bound on what it could have scored.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Context, adjusted
from huashi.seq2seq.search.beam.candidates import Candidates
from huashi.seq2seq.search.beam.finishing import final_scores, which_finish, with_more
from huashi.seq2seq.search.beam.scores import highest_score, length_divisor
from huashi.seq2seq.search.beam.state import Alive, Beams, Bounds, Search
from huashi.seq2seq.search.hypothesis import BeamStep, Trace
from huashi.seq2seq.search.log_probabilities import only_eos_at_limit, renormalised


def advance(
    search: Search,
    beams: Beams,
    log_probs: Tensor,
    attention: Tensor | None,
    length: int,
    trace: Trace,
) -> tuple[Beams, Tensor]:
    """Take one step.

    Args:
        search: what was asked for.
        beams: before the step.
        log_probs: of the next tokens, (sentences * alive, vocabulary).
        attention: of the step, (sentences * alive, source), or None.
        length: tokens of a hypothesis after the step.
        trace: what the candidates are added to.

    Returns:
        The beams after the step, and which of the hypotheses before it each of those alive
        continues, (sentences, alive), int64.
    """
    context = _context(search, beams, length)
    at_limit = beams.limit == length
    log_probs = log_probs.view(*beams.alive.nodes.shape, -1)
    log_probs = _scored(search, log_probs, context, at_limit)
    unpruned = _without_pruned(search, beams, log_probs, length)
    count = search.rules.candidates * search.beam
    candidates = search.choose(beams.alive.totals, unpruned, count, context, beams.numbers)
    nodes, coverage = _recorded(search, beams.alive, candidates, attention, trace)
    scores = final_scores(search, candidates.totals, coverage, length, context.sentences)
    finishes = which_finish(search, beams, candidates, at_limit)
    survivors = _survivors(search, candidates, finishes, at_limit)
    alive, slots = _alive(beams.alive, candidates, nodes, coverage, survivors)
    dropped = _best_dropped(candidates, finishes | survivors.grows)
    if search.rules.prune is not None:
        dropped = torch.maximum(dropped, _best_pruned(beams.alive.totals, log_probs, unpruned))
    if search.observe is not None:
        search.observe(
            BeamStep(
                length=length,
                sentences=context.sentences,
                parents=beams.alive.nodes.gather(1, candidates.slots),
                nodes=nodes,
                tokens=candidates.tokens,
                totals=candidates.totals,
                scores=scores,
                kept=survivors.grows,
                finished=finishes,
            )
        )
    after = Beams(
        numbers=beams.numbers,
        limit=beams.limit,
        alive=alive,
        finished=with_more(beams.finished, scores, nodes, finishes),
        bounds=_bounds(search, beams, alive, dropped, length),
    )
    return after, slots


def _context(search: Search, beams: Beams, length: int) -> Context:
    """What adjustments and constraints may know."""
    return Context(
        tokens=beams.alive.tokens,
        length=length,
        sentences=beams.numbers // search.groups,
        limit=beams.limit,
        bos=search.bos,
        eos=search.eos,
        must_end=search.rules.limit == "end",
    )


def _scored(search: Search, log_probs: Tensor, context: Context, at_limit: Tensor) -> Tensor:
    """The log-probabilities that the search goes by, (sentences, alive, vocabulary)."""
    if search.adjustments:
        log_probs = adjusted(log_probs, context, search.adjustments)
        log_probs = renormalised(log_probs) if search.rules.renormalise else log_probs
    if search.rules.limit == "end":
        log_probs = only_eos_at_limit(log_probs, at_limit, search.eos)
    return log_probs


def _without_pruned(search: Search, beams: Beams, log_probs: Tensor, length: int) -> Tensor:
    """``log_probs`` with -inf for what the pruning of Wu 2016 drops."""
    prune = search.rules.prune
    if prune is None:
        return log_probs
    unlikely = log_probs < log_probs.amax(-1, keepdim=True) - prune
    log_probs = log_probs.masked_fill(unlikely, -torch.inf)
    if length == 1:
        return log_probs
    running_scores = beams.alive.totals / length_divisor(search.rules, length - 1)
    hopeless = running_scores < beams.finished.scores[:, :1] - prune
    return log_probs.masked_fill(hopeless[..., None], -torch.inf)


def _recorded(
    search: Search, alive: Alive, candidates: Candidates, attention: Tensor | None, trace: Trace
) -> tuple[Tensor, Tensor]:
    """Add the candidates to the trace.

    Returns their numbers there, (sentences, count), and their coverage, (sentences, count, source);
    source is 0 where no coverage is kept.
    """
    slots = candidates.slots
    if attention is not None:
        attention = attention.view(*alive.nodes.shape, -1)
    parents = alive.nodes.gather(1, slots)
    nodes = trace.extend(parents, candidates.tokens, candidates.scores, slots, attention)
    if attention is None or not search.rules.coverage_penalty:
        return nodes, candidates.totals.new_zeros(*nodes.shape, 0)
    begun = alive.coverage.shape[-1] > 0  # before the first step there is none to add to
    coverage = alive.coverage + attention if begun else attention
    return nodes, coverage.gather(1, slots[..., None].expand(-1, -1, coverage.shape[-1]))


class _Survivors(NamedTuple):
    """The candidates that become the hypotheses alive."""

    places: Tensor
    """Their places among the candidates, (sentences, alive). Where fewer than ``beam`` can live on,
    ends fill the places, with totals of -inf."""
    ends: Tensor
    """Which candidates end, (sentences, count)."""
    grows: Tensor
    """Which candidates live on, (sentences, count)."""


def _survivors(
    search: Search, candidates: Candidates, finishes: Tensor, at_limit: Tensor
) -> _Survivors:
    """The first ``beam`` candidates that do not end, with EOS or at the greatest length.

    ``finishes``: which candidates finish, (sentences, count); ``at_limit``: (sentences,).
    """
    rules = search.rules
    if rules.finish == "any" and rules.limit != "cut":
        # An end that does not finish, being impossible or one too many, counts as no end here.
        ends = finishes
    else:
        ends = candidates.tokens == search.eos
    gone = ends | (finishes & at_limit[:, None])
    count = gone.shape[1]
    places = torch.arange(count, device=gone.device).expand_as(gone)
    order = torch.where(gone, places + count, places)  # those that are gone come last
    first = order.argsort(1)[:, : search.beam]
    grows = torch.zeros_like(ends).scatter(1, first, True) & ~ends
    return _Survivors(first, ends, grows)


def _alive(
    alive: Alive, candidates: Candidates, nodes: Tensor, coverage: Tensor, survivors: _Survivors
) -> tuple[Alive, Tensor]:
    """The hypotheses alive after the step, and which of ``alive`` each continues."""
    places = survivors.places
    slots = candidates.slots.gather(1, places)
    before = alive.tokens.gather(1, slots[..., None].expand(-1, -1, alive.tokens.shape[-1]))
    latest = candidates.tokens.gather(1, places)
    totals = candidates.totals.masked_fill(survivors.ends, -torch.inf)
    after = Alive(
        totals=totals.gather(1, places),
        nodes=nodes.gather(1, places),
        tokens=torch.cat([before, latest[..., None]], -1),
        coverage=coverage.gather(1, places[..., None].expand(-1, -1, coverage.shape[-1])),
    )
    return after, slots


def _best_dropped(candidates: Candidates, stays: Tensor) -> Tensor:
    """The highest total of all that neither finishes nor lives on, (sentences,)."""
    dropped = candidates.totals.masked_fill(stays, -torch.inf)
    return torch.maximum(dropped.amax(1), candidates.beyond)


def _best_pruned(totals: Tensor, log_probs: Tensor, unpruned: Tensor) -> Tensor:
    """The highest total of all that was pruned, (sentences,)."""
    sums = (totals[..., None] + log_probs).masked_fill(~unpruned.isneginf(), -torch.inf)
    return sums.flatten(1).amax(1)


def _bounds(search: Search, beams: Beams, alive: Alive, dropped: Tensor, length: int) -> Bounds:
    """What is alive, and what was ever dropped, could score at best.

    ``dropped``: the highest total of what this step dropped, (sentences,).
    """
    limit = beams.limit

    def highest(totals: Tensor) -> Tensor:
        bound = highest_score(search.rules, totals, length, limit)
        if search.bounded:
            return bound
        return torch.where(totals.isneginf() | (limit == length), bound, torch.inf)

    earlier = beams.bounds.dropped.to(dropped)
    return Bounds(
        alive=highest(alive.totals.amax(1)), dropped=torch.maximum(earlier, highest(dropped))
    )
