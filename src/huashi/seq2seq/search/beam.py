r"""Beam search whose answer to a sentence depends on that sentence alone.

Of the :math:`2K` best continuations of a beam of :math:`K`, those that end with EOS and are among
the first :math:`K` are finished; the best :math:`K` others live on. A finished hypothesis of
:math:`n` tokens, EOS counted, scores :math:`S / n^\alpha`, where :math:`S` is the sum of its
log-probabilities. A sentence is done when nothing alive can beat its n-th best finished hypothesis:
as :math:`S \le 0` only falls, no continuation scores above :math:`S / L^\alpha` for the greatest
length :math:`L` (:math:`S / n^\alpha` at the present length where :math:`\alpha < 0`). Unlike the
usual "stop at K finished" this loses nothing. The same bound, kept for all that was ever dropped,
proves a hypothesis ``exact``. What other projects do instead are other :class:`Rules`.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.candidates import (
    Candidates,
    Choose,
    DiverseGroups,
    DiverseSiblings,
    best_candidates,
    in_groups,
)
from huashi.seq2seq.search.context import Adjustment, Context, adjusted
from huashi.seq2seq.search.hypothesis import BeamStep, Found, Hypothesis, Trace
from huashi.seq2seq.search.rules import Rules, Semantics, rules_of
from huashi.seq2seq.search.scores import (
    brevity_score,
    coverage_score,
    highest_score,
    length_divisor,
)
from huashi.seq2seq.search.state import count_rows, device_of, select
from huashi.seq2seq.search.step import (
    Step,
    check_beam,
    for_each_sentence,
    length_limit,
    only_eos_at_limit,
    renormalised,
)


@torch.inference_mode()
def beam_search(
    step: Step,
    state: Any,
    *,
    beam: int = 5,
    bos: int,
    eos: int,
    max_length: int | Tensor,
    nbest: int | None = None,
    semantics: Semantics = "huashi",
    rules: Rules | None = None,
    length_penalty: float | None = None,
    adjustments: Sequence[Adjustment] = (),
    diversity: DiverseGroups | DiverseSiblings | None = None,
    constraints: Choose | None = None,
    reference_lengths: Tensor | None = None,
    alignment: Callable[[Any], Tensor] | None = None,
    observe: Callable[[BeamStep], None] | None = None,
) -> list[list[Hypothesis]]:
    """The best sequences that a beam finds, for every row of ``state``.

    Args:
        step: reads one token a row; its log-probabilities are <= 0.
        state: the state before BOS, one row a sentence.
        beam: hypotheses kept alive for a sentence.
        bos: the token that the first step reads.
        eos: the token that ends a hypothesis.
        max_length: the most tokens of a hypothesis, EOS counted, for all or for each sentence
            (sentences,).
        nbest: how many hypotheses to return, at most ``beam``; all of the beam by default.
        semantics: the preset of rules, ``huashi`` or the name of a project.
        rules: the rules themselves, in the place of a preset.
        length_penalty: exponent of the length, in the place of that of the rules; 0 compares plain
            log-probabilities, 1 means.
        adjustments: what changes the log-probabilities of a step, one after the other.
        diversity: what makes hypotheses differ.
        constraints: what chooses candidates so that given phrases are part of the result, such as
            :class:`~huashi.seq2seq.search.Phrases`.
        reference_lengths: (sentences,), for a brevity penalty: shorter hypotheses score less.
        alignment: reads the attention of the last step, (rows, source), from a state.
        observe: called at each step with what is kept, dropped and finished.

    Returns:
        For each sentence its hypotheses, best first: at least one, fewer than ``nbest`` only where
        the model allows no more. One that could not end with EOS has ``finished=False``; but for
        rules that cut, it stands only where there is no finished one.

    Raises:
        ValueError: an argument is out of its range, the state's rows do not agree, or a penalty
            lacks what it is computed from.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> best = beam_search(step, torch.zeros(1), bos=0, eos=1, max_length=3, length_penalty=0)[0]
    >>> [(h.tokens, round(h.score, 3)) for h in best]
    [([1], -0.916), ([0, 1], -1.427), ([0, 0, 1], -1.938)]
    """
    rules = rules_of(semantics) if rules is None else rules
    if length_penalty is not None:
        rules = replace(rules, length_penalty=length_penalty)
    nbest = beam if nbest is None else nbest
    check_beam(beam, nbest, rules.length_penalty)
    _check_penalties(rules, reference_lengths, alignment)
    sentences, groups = count_rows(state), 1
    limit = length_limit(max_length, sentences, device_of(state))
    if reference_lengths is not None:
        reference_lengths = for_each_sentence("reference_lengths", reference_lengths, limit)
    choose = constraints or best_candidates
    if isinstance(diversity, DiverseGroups):  # each group of a sentence searches like a sentence
        groups, beam = diversity.groups, diversity.beam_of_group(beam)
        choose = in_groups(diversity, sentences, beam, choose)
        state = select(state, _repeated(sentences, groups, limit.device))
    elif diversity is not None:
        choose = diversity.among(choose)
    search = _Search(
        rules=rules,
        beam=beam,
        nbest=min(nbest, beam),
        bos=bos,
        eos=eos,
        groups=groups,
        choose=choose,
        adjustments=tuple(adjustments),
        provable=diversity is None and constraints is None,
        reference_lengths=reference_lengths,
        alignment=alignment,
        observe=observe,
    )
    found, trace = _run(search, step, state, limit)
    hypotheses = trace.hypotheses(found, eos)
    if groups == 1:
        return hypotheses
    merged = (itertools.chain(*hypotheses[i : i + groups]) for i in range(0, len(found), groups))
    return [sorted(some, key=lambda h: (not h.finished, -h.score))[:nbest] for some in merged]


class _Search(NamedTuple):
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


class _Beams(NamedTuple):
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


def _run(search: _Search, step: Step, state: Any, limit: Tensor) -> tuple[list[list[Found]], Trace]:
    """Search until every sentence is done."""
    trace = Trace()
    beams = _start(search, limit)
    found: list[list[Found]] = [[] for _ in range(len(beams.numbers))]
    for length in itertools.count(1):
        if not len(beams.numbers):
            break
        last = beams.tokens[..., -1] if length > 1 else torch.full_like(beams.nodes, search.bos)
        log_probs, state = step(last.flatten(), state)
        weights = None if search.alignment is None else search.alignment(state)
        before = beams
        beams, slots = _advance(search, before, log_probs, weights, length, trace)
        done = _is_done(search, beams, length)
        for i in done.nonzero()[:, 0].tolist():
            found[int(beams.numbers[i])] = _found(search, before, beams, i, length)
        kept = (~done).nonzero()[:, 0]
        rows = kept[:, None] * before.nodes.shape[1] + slots[kept]
        state = select(state, rows.flatten())
        beams = select(beams, kept)
    return found, trace


def _start(search: _Search, limit: Tensor) -> _Beams:
    limit = limit.repeat_interleave(search.groups)
    rows, device = len(limit), limit.device
    one = torch.zeros(rows, 1, dtype=torch.long, device=device)
    worst = torch.full((rows, search.room), -torch.inf, device=device)
    return _Beams(
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


def _advance(
    search: _Search,
    beams: _Beams,
    log_probs: Tensor,
    weights: Tensor | None,
    length: int,
    trace: Trace,
) -> tuple[_Beams, Tensor]:
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
    return _Beams(
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


def _without_pruned(search: _Search, beams: _Beams, steps: Tensor, length: int) -> Tensor:
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
    search: _Search, beams: _Beams, best: Candidates, weights: Tensor | None, trace: Trace
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
    search: _Search, beams: _Beams, totals: Tensor, coverage: Tensor, length: int
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


def _is_done(search: _Search, beams: _Beams, length: int) -> Tensor:
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


def _found(search: _Search, before: _Beams, after: _Beams, i: int, length: int) -> list[Found]:
    """The hypotheses of the sentence in row ``i``, which is done."""
    bar = max(after.hope[i].item(), after.lost[i].item())
    ended = zip(after.ended_nodes[i].tolist(), after.ended_scores[i].tolist(), strict=True)
    finished = [
        Found(node, score, search.provable and score >= bar)
        for node, score in ended
        if score > -torch.inf
    ]
    if finished:
        return finished[: search.nbest]
    # EOS was impossible throughout: give the best prefix as it is
    divisor = length_divisor(search.rules, max(length - 1, 1))
    return [Found(int(before.nodes[i, 0]), before.scores[i, 0].item() / divisor, False)]


def _check_penalties(
    rules: Rules,
    reference_lengths: Tensor | None,
    alignment: Callable[[Any], Tensor] | None,
) -> None:
    if rules.coverage_penalty and alignment is None:
        raise ValueError("alignment must be given for a coverage penalty, got None")
    if rules.brevity_penalty and reference_lengths is None:
        raise ValueError("reference_lengths must be given for a brevity penalty, got None")


def _repeated(rows: int, times: int, device: torch.device) -> Tensor:
    return torch.arange(rows, device=device).repeat_interleave(times)
