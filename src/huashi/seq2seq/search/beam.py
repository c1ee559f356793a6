r"""Beam search whose answer to a sentence depends on that sentence alone.

A hypothesis of :math:`n` tokens, EOS counted, scores :math:`S / n^\alpha`, where :math:`S` is the
sum of its log-probabilities. Of the :math:`2K` best continuations of a beam of :math:`K`, those
that end with EOS and are among the first :math:`K` are finished; the best :math:`K` others live on
(fairseq's rule). A sentence is done when nothing alive can beat its n-th best finished hypothesis:
as :math:`S \le 0` only falls, no continuation scores above :math:`S / L^\alpha` for the greatest
length :math:`L` (:math:`S / n^\alpha` at the present length where :math:`\alpha < 0`). Unlike the
usual "stop at K finished" this loses nothing. The same bound, kept for all that was ever dropped,
proves a hypothesis ``exact``.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.state import count_rows, device_of, select
from huashi.seq2seq.search.step import Step, check_beam, length_limit, only_eos_at_limit


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
    length_penalty: float = 1.0,
    alignment: Callable[[Any], Tensor] | None = None,
) -> list[list[Hypothesis]]:
    """The best sequences that a beam finds, for every row of ``state``.

    Args:
        step: reads one token a row; its log-probabilities are <= 0.
        state: the state before BOS, one row a sentence.
        beam: hypotheses kept alive for a sentence.
        bos: the token that the first step reads.
        eos: the token that ends a hypothesis.
        max_length: the most tokens of a hypothesis, EOS counted, for all or for each sentence
            (sentences,). At this length only EOS may follow.
        nbest: how many hypotheses to return, at most ``beam``; all of the beam by default.
        length_penalty: the exponent alpha; 0 compares plain log-probabilities, 1 means.
        alignment: reads the attention of the last step, (rows, source), from a state.

    Returns:
        For each sentence its hypotheses, best first: at least one, fewer than ``nbest`` only where
        the model allows no more. One that could not end with EOS has ``finished=False`` and
        stands only where there is no finished one.

    Raises:
        ValueError: an argument is out of its range, or the state's rows do not agree.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> best = beam_search(step, torch.zeros(1), bos=0, eos=1, max_length=3, length_penalty=0)[0]
    >>> [(h.tokens, round(h.score, 3)) for h in best]
    [([1], -0.916), ([0, 1], -1.427), ([0, 0, 1], -1.938)]
    """
    nbest = beam if nbest is None else nbest
    check_beam(beam, nbest, length_penalty)
    trace = Trace()
    beams = _start(state, bos, nbest, max_length)
    sentences = list(range(len(beams.limit)))  # those still open, in the order of the rows
    found: list[list[Found]] = [[] for _ in sentences]
    for length in itertools.count(1):
        if not sentences:
            break
        log_probs, state = step(beams.tokens.flatten(), state)
        weights = None if alignment is None else alignment(state)
        before = beams
        beams, slots = _advance(
            before, log_probs, weights, length, beam, eos, length_penalty, trace
        )
        done = (beams.ended_scores[:, -1] >= beams.hope) | (beams.limit == length)
        for i in done.nonzero()[:, 0].tolist():
            found[sentences[i]] = _found(before, beams, i, max(length - 1, 1) ** length_penalty)
        kept = (~done).nonzero()[:, 0]
        sentences = [sentences[i] for i in kept.tolist()]
        rows = kept[:, None] * before.tokens.shape[1] + slots[kept]
        state = select(state, rows.flatten())
        beams = select(beams, kept)
    return trace.hypotheses(found, eos)


class _Beams(NamedTuple):
    """What the search knows of its open sentences, one row a sentence."""

    scores: Tensor
    """Sum of the log-probabilities of each hypothesis alive, (sentences, alive), falling."""
    nodes: Tensor
    tokens: Tensor
    """Where each ends in the trace, and with which token, (sentences, alive)."""
    ended_scores: Tensor
    ended_nodes: Tensor
    """The best finished hypotheses, (sentences, nbest), falling; -inf where there is none yet."""
    hope: Tensor
    """No hypothesis alive can end with a higher score than this, (sentences,)."""
    lost: Tensor
    """Nor could any that was ever dropped end with a higher score than this, (sentences,)."""
    limit: Tensor
    """The greatest length, (sentences,)."""


def _start(state: Any, bos: int, nbest: int, max_length: int | Tensor) -> _Beams:
    sentences, device = count_rows(state), device_of(state)
    one = torch.zeros(sentences, 1, dtype=torch.long, device=device)
    worst = torch.full((sentences, nbest), -torch.inf, device=device)
    return _Beams(
        scores=torch.zeros(sentences, 1, device=device),
        nodes=one - 1,
        tokens=one + bos,
        ended_scores=worst,
        ended_nodes=one.expand(-1, nbest) - 1,
        hope=worst[:, 0],
        lost=worst[:, 0],
        limit=length_limit(max_length, sentences, device),
    )


def _advance(
    beams: _Beams,
    log_probs: Tensor,
    weights: Tensor | None,
    length: int,
    beam: int,
    eos: int,
    alpha: float,
    trace: Trace,
) -> tuple[_Beams, Tensor]:
    """Take one step; return the new beams and which hypothesis each of them continues."""
    sentences, alive = beams.tokens.shape
    steps = only_eos_at_limit(log_probs.view(sentences, alive, -1), beams.limit == length, eos)
    totals = (beams.scores[..., None] + steps).flatten(1)
    count = min(2 * beam, totals.shape[1])
    best, places = totals.topk(min(count + 1, totals.shape[1]))
    beyond = best[:, count:]  # the best of all that is not a candidate: one column, or none
    best, places = best[:, :count], places[:, :count]
    slots, tokens = places // log_probs.shape[-1], places % log_probs.shape[-1]
    nodes = trace.extend(
        beams.nodes.gather(1, slots),
        tokens,
        steps.flatten(1).gather(1, places),
        slots,
        None if weights is None else weights.view(sentences, alive, -1),
    )

    ends = tokens == eos
    finishes = ends & (torch.arange(count, device=ends.device) < beam)
    final = (best / length**alpha).masked_fill(~finishes, -torch.inf)
    ended = torch.cat([beams.ended_scores.to(final), final], 1).topk(beams.ended_scores.shape[1])
    ended_nodes = torch.cat([beams.ended_nodes, nodes], 1).gather(1, ended.indices)

    scores, survivors = best.masked_fill(ends, -torch.inf).topk(min(beam, count))
    dropped = best.masked_fill(finishes, -torch.inf).scatter(1, survivors, -torch.inf)
    # S <= 0 and falls, so the highest score it can still end with is at one end of the lengths
    divisor = beams.limit.to(best) ** alpha if alpha >= 0 else length**alpha
    lost = torch.cat([dropped, beyond], 1).amax(1) / divisor
    return _Beams(
        scores=scores,
        nodes=nodes.gather(1, survivors),
        tokens=tokens.gather(1, survivors),
        ended_scores=ended.values,
        ended_nodes=ended_nodes,
        hope=scores[:, 0] / divisor,
        lost=torch.maximum(beams.lost.to(lost), lost),
        limit=beams.limit,
    ), slots.gather(1, survivors)


def _found(before: _Beams, after: _Beams, i: int, divisor: float) -> list[Found]:
    """The hypotheses of the sentence in row ``i``, which is done."""
    bar = max(after.hope[i].item(), after.lost[i].item())
    ended = zip(after.ended_nodes[i].tolist(), after.ended_scores[i].tolist(), strict=True)
    finished = [Found(node, score, score >= bar) for node, score in ended if score > -math.inf]
    if finished:
        return finished
    # EOS was impossible throughout: give the best prefix as it is
    return [Found(int(before.nodes[i, 0]), before.scores[i, 0].item() / divisor, False)]
