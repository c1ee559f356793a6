r"""Beam search whose answer to a sentence depends on that sentence alone.

What the rules of the preset ``huashi`` do; :class:`~huashi.seq2seq.search.Rules` names the others.
Of the :math:`2K` best continuations of a beam of :math:`K`, those that end with EOS and are among
the first :math:`K` are finished; the best :math:`K` others live on. A finished hypothesis of
:math:`n` tokens, EOS counted, scores :math:`S / n^\alpha`, where :math:`S` is the sum of its
log-probabilities. A sentence is done when nothing alive can beat its n-th best finished hypothesis:
as :math:`S \le 0` can only fall, no continuation scores above :math:`S / L^\alpha` for the greatest
length :math:`L` (or :math:`S / n^\alpha` for the present length if :math:`\alpha < 0`). The usual
rule, to stop when K have finished, may miss better ones; this one does not. The same bound, kept
for all that was ever dropped, proves a hypothesis ``exact``. No bound holds where an adjustment
may reward tokens (:mod:`huashi.seq2seq.search.adjustments`).
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Adjustment, may_reward
from huashi.seq2seq.search.arguments import (
    check_beam,
    check_eos,
    check_length_penalty,
    for_each_sentence,
    length_limit,
)
from huashi.seq2seq.search.beam.candidates import Choose, best_candidates
from huashi.seq2seq.search.beam.diversity import DiverseGroups, DiverseSiblings, in_groups
from huashi.seq2seq.search.beam.finishing import is_done
from huashi.seq2seq.search.beam.rules import Rules, Semantics, rules_of
from huashi.seq2seq.search.beam.scores import length_divisor
from huashi.seq2seq.search.beam.state import Alive, Beams, Search, start
from huashi.seq2seq.search.beam.step import advance
from huashi.seq2seq.search.hypothesis import BeamStep, Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import check_log_probabilities
from huashi.seq2seq.search.protocol import Step, count_rows, device_of, select


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
    reference_lengths: float | Tensor | None = None,
    alignment: Callable[[Any], Tensor] | None = None,
    observe: Callable[[BeamStep], None] | None = None,
) -> list[list[Hypothesis]]:
    """The best sequences that a beam search finds, for each sentence of a batch.

    What is found for a sentence does not depend on the others in the batch. ``Rules`` says how
    hypotheses are scored and when the search stops; by default they score the mean of their
    log-probabilities, and the search goes on until nothing alive can be better (module
    :mod:`huashi.seq2seq.search.beam.search`). Other presets are the rules of other projects.

    Args:
        step: reads one token for each row, (rows,), int64, and the state; returns log-probabilities
            of the next tokens, (rows, vocabulary), at most 0, and the next state. A row is a
            hypothesis.
        state: the state before BOS, one row a sentence: tensors in any nest of tuples, lists and
            dicts.
        beam: how many hypotheses are kept alive for a sentence.
        bos: the token that the first step reads.
        eos: the token that ends a hypothesis.
        max_length: the most tokens of a hypothesis, EOS counted, for all sentences or for each,
            (sentences,), int64; at least 1.
        nbest: how many hypotheses to return for a sentence, at most ``beam``; by default ``beam``.
        semantics: name of the preset of rules, ``huashi`` or a project.
        rules: the rules themselves, instead of a preset.
        length_penalty: exponent of the length, instead of that of the rules: 0 compares sums of
            log-probabilities, 1 their means.
        adjustments: what changes the log-probabilities of a step, one after the other, such as
            :class:`~huashi.seq2seq.search.MinLength`.
        diversity: what makes the hypotheses of a sentence differ.
        constraints: what chooses the candidates of a step instead of the highest sums, such as
            :class:`~huashi.seq2seq.search.Phrases`.
        reference_lengths: for a brevity penalty, the length that is expected, for all sentences or
            for each, (sentences,).
        alignment: reads the attention of the last step, (rows, source), from a state; with it
            hypotheses have an ``alignment``, and there can be a coverage penalty.
        observe: called after each step with what it kept, dropped and finished.

    Returns:
        For each sentence its hypotheses, best first: at least one, fewer than ``nbest`` only if the
        model allows no more. Sums are in float32, or float64 if the log-probabilities are. If no
        hypothesis could end with EOS, it is the best prefix, with ``finished=False``; under rules
        that cut at the greatest length, any hypothesis may be unfinished.

    Raises:
        ValueError: an argument is out of its range, ``eos`` is not in the vocabulary, the step
            returns numbers above 0, the tensors of the state differ in their number
            of rows, or a penalty lacks what it is computed from: a coverage penalty ``alignment``,
            a brevity penalty ``reference_lengths``.
        TypeError: the state holds something else than tensors in tuples, lists and dicts.

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
    check_length_penalty(rules.length_penalty, limit)
    expected = None
    if reference_lengths is not None:
        expected = for_each_sentence("reference_lengths", reference_lengths, limit)
    choose = constraints or best_candidates
    if isinstance(diversity, DiverseGroups):  # each group of a sentence searches like a sentence
        groups, beam = diversity.groups, diversity.beam_of_group(beam)
        choose = in_groups(diversity, sentences, beam, choose)
        state = select(state, _repeated(sentences, groups, limit.device))
    elif diversity is not None:
        choose = diversity.among(choose)
    search = Search(
        rules=rules,
        beam=beam,
        nbest=min(nbest, beam),
        bos=bos,
        eos=eos,
        groups=groups,
        choose=choose,
        adjustments=tuple(adjustments),
        provable=diversity is None and constraints is None,
        bounded=rules.renormalise or not any(map(may_reward, adjustments)),
        reference_lengths=expected,
        alignment=alignment,
        observe=observe,
    )
    hypotheses = _run(search, step, state, limit)
    return hypotheses if groups == 1 else _merged(hypotheses, groups, nbest)


def _run(search: Search, step: Step, state: Any, limit: Tensor) -> list[list[Hypothesis]]:
    """Search until every sentence is done; return the hypotheses of each row of the beams."""
    trace = Trace()
    beams = start(search, limit)
    found: list[list[Found]] = [[] for _ in range(len(beams.numbers))]
    for length in itertools.count(1):
        if not len(beams.numbers):
            break
        before = beams.alive
        latest = before.tokens[..., -1] if length > 1 else torch.full_like(before.nodes, search.bos)
        log_probs, state = step(latest.flatten(), state)
        check_eos(search.eos, log_probs)
        check_log_probabilities(log_probs)
        attention = None if search.alignment is None else search.alignment(state)
        beams, slots = advance(search, beams, log_probs, attention, length, trace)
        done = is_done(search, beams, length)
        for i in done.nonzero()[:, 0].tolist():
            found[int(beams.numbers[i])] = _found(search, before, beams, i, length)
        open_ = (~done).nonzero()[:, 0]
        rows = open_[:, None] * before.nodes.shape[1] + slots[open_]  # of the state
        state = select(state, rows.flatten())
        beams = select(beams, open_)
    return trace.hypotheses(found, search.eos)


def _found(search: Search, before: Alive, beams: Beams, i: int, length: int) -> list[Found]:
    """The hypotheses of the sentence in row ``i``, which is done.

    ``before`` is what was alive before the last step, ``length`` the tokens after it.
    """
    finished, bounds = beams.finished, beams.bounds
    bar = max(bounds.alive[i].item(), bounds.dropped[i].item())
    kept = zip(finished.nodes[i].tolist(), finished.scores[i].tolist(), strict=True)
    best = [
        Found(node, score, search.provable and score >= bar)
        for node, score in kept
        if score > -torch.inf
    ]
    if best:
        return best[: search.nbest]
    alive = beams.alive
    if search.rules.limit == "drop" and alive.totals[i, 0] > -torch.inf:
        # Nothing has finished: what is alive, by the sums of its log-probabilities.
        ends = zip(alive.nodes[i].tolist(), alive.totals[i].tolist(), strict=True)
        return [Found(*end, False) for end in ends if end[1] > -torch.inf][: search.nbest]
    # No hypothesis could end with EOS: give the best prefix as it is.
    divisor = length_divisor(search.rules, max(length - 1, 1))
    return [Found(int(before.nodes[i, 0]), before.totals[i, 0].item() / divisor, False)]


def _merged(rows: list[list[Hypothesis]], groups: int, nbest: int) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, from those of its groups; finished ones come first."""
    sentences = (itertools.chain(*rows[i : i + groups]) for i in range(0, len(rows), groups))
    return [sorted(some, key=lambda h: (not h.finished, -h.score))[:nbest] for some in sentences]


def _check_penalties(
    rules: Rules,
    reference_lengths: float | Tensor | None,
    alignment: Callable[[Any], Tensor] | None,
) -> None:
    if rules.coverage_penalty and alignment is None:
        raise ValueError("alignment must be given for a coverage penalty, got None")
    if rules.brevity_penalty and reference_lengths is None:
        raise ValueError("reference_lengths must be given for a brevity penalty, got None")


def _repeated(rows: int, times: int, device: torch.device) -> Tensor:
    return torch.arange(rows, device=device).repeat_interleave(times)
