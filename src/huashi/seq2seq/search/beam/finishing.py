"""Which candidates of a step finish, what they score, and when a sentence is done."""

import torch
from torch import Tensor

from huashi.seq2seq.search.beam.candidates import Candidates
from huashi.seq2seq.search.beam.scores import brevity_score, coverage_score, length_divisor
from huashi.seq2seq.search.beam.state import Beams, Finished, Search


def which_finish(search: Search, beams: Beams, candidates: Candidates, at_limit: Tensor) -> Tensor:
    """True for each candidate that is a finished hypothesis, (sentences, count).

    Args:
        search: its rules ``finish``, ``limit`` and ``keep`` decide.
        beams: the hypotheses that the candidates continue.
        candidates: of the step.
        at_limit: whether a sentence has reached its greatest length, (sentences,).
    """
    rules = search.rules
    ends = candidates.tokens == search.eos
    places = torch.arange(ends.shape[1], device=ends.device)
    in_beam = places < search.beam
    finishes = ends & in_beam if rules.finish == "beam" else ends
    if rules.limit == "cut":
        finishes = finishes | (at_limit[:, None] & in_beam)
    finishes &= ~candidates.totals.isneginf()
    if rules.keep == "first":
        finishes &= beams.finished.number[:, None] + finishes.cumsum(1) <= search.enough
    return finishes


def final_scores(
    search: Search, totals: Tensor, coverage: Tensor, length: int, sentences: Tensor
) -> Tensor:
    """What candidates score if they end now, (sentences, count).

    Args:
        search: its rules hold the penalties.
        totals: sums of log-probabilities, (sentences, count).
        coverage: sums of attention, (sentences, count, source); source is 0 without a penalty.
        length: tokens of each candidate.
        sentences: which of all sentences each row belongs to, (sentences,), int64.
    """
    rules = search.rules
    scores = totals / length_divisor(rules, length)
    if coverage.shape[-1]:
        scores = scores + coverage_score(rules, coverage)
    if rules.brevity_penalty and search.reference_lengths is not None:
        lengths = search.reference_lengths[sentences]
        scores = scores + brevity_score(rules, length, lengths)[:, None]
    return scores


def with_more(finished: Finished, scores: Tensor, nodes: Tensor, finishes: Tensor) -> Finished:
    """``finished`` and the candidates that finish in this step, the best of all of them kept.

    Args:
        finished: what has finished before, ``room`` of them kept.
        scores: final scores of the candidates, (sentences, count).
        nodes: their numbers in the trace, (sentences, count).
        finishes: which of them finish, (sentences, count).
    """
    new_scores = scores.masked_fill(~finishes, -torch.inf)
    room = finished.scores.shape[1]
    best = torch.cat([finished.scores.to(scores), new_scores], 1).topk(room)
    return Finished(
        scores=best.values,
        nodes=torch.cat([finished.nodes, nodes], 1).gather(1, best.indices),
        number=finished.number + finishes.sum(1),
        best_ended=finished.best_ended | finishes[:, 0],
    )


def is_done(search: Search, beams: Beams, length: int) -> Tensor:
    """Which sentences are done after a step, (sentences,).

    The rule ``stop`` decides; a sentence is done anyway at its greatest length, or if nothing of it
    is alive.

    Args:
        search: its rules.
        beams: after the step.
        length: of the hypotheses alive.
    """
    rules, finished = search.rules, beams.finished
    best_alive = beams.alive.totals.amax(1)
    stop = rules.stops_by
    if stop == "safe":
        done = finished.scores[:, -1] >= beams.bounds.alive
    elif stop == "estimate":
        done = finished.scores[:, -1] >= best_alive / length_divisor(rules, length)
    elif stop == "count":
        done = finished.number >= search.enough
    else:
        done = finished.best_ended & (finished.number >= search.nbest)
    return done | (beams.limit == length) | best_alive.isneginf()
