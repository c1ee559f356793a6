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
from typing import Any

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Adjustment
from huashi.seq2seq.search.arguments import check_beam, for_each_sentence, length_limit
from huashi.seq2seq.search.beam.candidates import Choose, best_candidates
from huashi.seq2seq.search.beam.diversity import DiverseGroups, DiverseSiblings, in_groups
from huashi.seq2seq.search.beam.finishing import is_done
from huashi.seq2seq.search.beam.rules import Rules, Semantics, rules_of
from huashi.seq2seq.search.beam.scores import length_divisor
from huashi.seq2seq.search.beam.state import Alive, Beams, Search, start
from huashi.seq2seq.search.beam.step import advance
from huashi.seq2seq.search.hypothesis import BeamStep, Found, Hypothesis, Trace
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


def _run(search: Search, step: Step, state: Any, limit: Tensor) -> tuple[list[list[Found]], Trace]:
    """Search until every sentence is done; return what each has found, and the trace."""
    trace = Trace()
    beams = start(search, limit)
    found: list[list[Found]] = [[] for _ in range(len(beams.numbers))]
    for length in itertools.count(1):
        if not len(beams.numbers):
            break
        before = beams.alive
        latest = before.tokens[..., -1] if length > 1 else torch.full_like(before.nodes, search.bos)
        log_probs, state = step(latest.flatten(), state)
        attention = None if search.alignment is None else search.alignment(state)
        beams, slots = advance(search, beams, log_probs, attention, length, trace)
        done = is_done(search, beams, length)
        for i in done.nonzero()[:, 0].tolist():
            found[int(beams.numbers[i])] = _found(search, before, beams, i, length)
        open_ = (~done).nonzero()[:, 0]
        rows = open_[:, None] * before.nodes.shape[1] + slots[open_]  # of the state
        state = select(state, rows.flatten())
        beams = select(beams, open_)
    return found, trace


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
    # No hypothesis could end with EOS: give the best prefix as it is.
    divisor = length_divisor(search.rules, max(length - 1, 1))
    return [Found(int(before.nodes[i, 0]), before.totals[i, 0].item() / divisor, False)]


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
