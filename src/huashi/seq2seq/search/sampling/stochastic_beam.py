r"""Stochastic beam search: different sequences, drawn without replacement.

Every sequence :math:`y` has a Gumbel-perturbed log-probability :math:`G_y \sim
\operatorname{Gumbel}(\log p(y))`; the :math:`k` highest are a sample of :math:`k` sequences without
replacement from :math:`p` (Gumbel-top-k). A beam search finds them without listing all sequences. A
prefix stands for the highest :math:`G` of all that continues it, which is a Gumbel too, about the
log-probability of the prefix. Those of its children are drawn independently and then shifted, so
that their maximum :math:`Z` becomes the :math:`G` of the prefix:

.. math:: \tilde G_c = -\log(e^{-G} - e^{-Z} + e^{-G_c})

Kool, van Hoof, Welling: Stochastic Beams and Where to Find Them (2019), arXiv 1903.06059. There the
empty prefix has :math:`G = 0`, which does not change the order; here it is drawn too, so that the
scores are perturbed log-probabilities themselves, as :func:`importance_weights` needs them.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi._checks import check_positive
from huashi.seq2seq.search.adjustments.context import Adjustment, Context, adjusted
from huashi.seq2seq.search.adjustments.filters import Temperature
from huashi.seq2seq.search.arguments import check_eos, length_limit
from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import (
    check_log_probabilities,
    only_eos_at_limit,
    renormalised,
)
from huashi.seq2seq.search.protocol import Step, count_rows, device_of, select
from huashi.seq2seq.search.sampling.noise import bits_at, gumbels, sentence_streams


@torch.inference_mode()
def stochastic_beam_search(
    step: Step,
    state: Any,
    *,
    beam: int,
    bos: int,
    eos: int,
    max_length: int | Tensor,
    temperature: float = 1.0,
    adjustments: Sequence[Adjustment] = (),
    alignment: Callable[[Any], Tensor] | None = None,
    generator: torch.Generator | int | None = None,
    keys: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Different sequences drawn at random from the model, for each sentence of a batch.

    Stochastic beam search (Kool 2019, arXiv 1903.06059): a sample without replacement from the
    distribution that the model has after ``adjustments`` and ``temperature``, made to sum to one.
    At ``max_length`` EOS is certain. What is drawn for a sentence does not depend on the others in
    the batch.

    Args:
        step: reads one token for each row, (rows,), int64, and the state; returns log-probabilities
            of the next tokens, (rows, vocabulary), and the next state. A row is a prefix.
        state: the state before BOS, one row a sentence: tensors in any nest of tuples, lists and
            dicts.
        beam: how many sequences to draw for a sentence.
        bos: the token that the first step reads.
        eos: the token that ends a sequence.
        max_length: the most tokens of a sequence, EOS counted, for all sentences or for each,
            (sentences,), int64; at least 1.
        temperature: what log-probabilities are divided by; below 1 the likely becomes likelier.
        adjustments: what changes the log-probabilities of a step before the temperature.
        alignment: reads the attention of the last step, (rows, source), from a state.
        generator: a seed, or a generator that one is drawn from; by default torch's own.
        keys: a number for each sentence, (sentences,), of any whole dtype, that stands for it
            wherever it is decoded, such as its line in the corpus; by default its row. Equal keys
            and seeds give equal noise.

    Returns:
        For each sentence its sequences by falling ``score``, the perturbed log-probability: the
        first is a sample from the distribution, and the first two of five are those that ``beam=2``
        gives. Fewer than ``beam`` if there are no more. ``token_scores`` are log-probabilities of
        the distribution that is drawn from, computed in float64. A prefix after which no token is
        possible is a sequence too, with ``finished=False``. ``exact`` is always False.

    Raises:
        ValueError: an argument is out of its range, or has another shape or kind of numbers than
            said above, ``eos`` is not in the vocabulary, the step returns numbers above 0, or the
            tensors of the state differ in their number of rows.
        TypeError: the state holds something else than tensors in tuples, lists and dicts.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> options = {"bos": 0, "eos": 1, "max_length": 3, "generator": 1}
    >>> drawn = stochastic_beam_search(step, torch.zeros(1), beam=5, **options)
    >>> sorted(h.tokens for h in drawn[0])  # there are no others
    [[0, 0, 1], [0, 1], [1]]
    """
    check_positive("beam", beam)
    adjustments = [*adjustments, Temperature(temperature)]
    trace = Trace()
    beams = _start(state, beam, max_length, generator, keys)
    found: list[list[Found]] = [[] for _ in beams.limit]
    latest = torch.full_like(beams.nodes, bos)
    for length in itertools.count(1):
        if not len(beams.limit):
            break
        log_probs, state = step(latest.flatten(), state)
        check_eos(eos, log_probs)
        check_log_probabilities(log_probs)
        attention = None if alignment is None else alignment(state)
        context = Context(beams.tokens, length, beams.sentences, beams.limit, bos, eos)
        log_probs = log_probs.view(*latest.shape, -1).double()
        log_probs = adjusted(log_probs, context, adjustments)
        log_probs = renormalised(only_eos_at_limit(log_probs, beams.limit == length, eos))
        alive = latest.shape[1]
        beams, slots = _advance(beams, log_probs, attention, eos, trace)
        # At the greatest length all is done, also where a model gives NaN.
        done = beams.perturbed.isneginf().all(1) | (beams.limit == length)
        for i in done.nonzero()[:, 0].tolist():
            found[int(beams.sentences[i])] = _found(beams, i)
        kept = (~done).nonzero()[:, 0]
        beams, slots = select((beams, slots), kept)
        state = select(state, (kept[:, None] * alive + slots).flatten())
        latest = beams.tokens[..., -1]
    return trace.hypotheses(found, eos)


def importance_weights(hypotheses: Sequence[Hypothesis], beam: int) -> list[float]:
    r"""Weights that make a sum over a stochastic beam an unbiased estimate of an expectation.

    With :math:`\kappa` the score of the last of ``beam`` hypotheses, each other one weighs
    :math:`p / (1 - e^{-e^{\log p - \kappa}})`, its probability over that of scoring above
    :math:`\kappa`, and the last weighs 0 (Kool 2019, arXiv 1903.06059). If there are fewer than
    ``beam``, they are all that exist, and each weighs its probability.

    Args:
        hypotheses: of one sentence, as :func:`stochastic_beam_search` gives them.
        beam: what it was called with.

    Returns:
        A weight for each hypothesis; they need not sum to one.
    """
    logs = [math.fsum(h.token_scores) for h in hypotheses]
    if len(hypotheses) < beam:
        return [math.exp(log) for log in logs]
    least = hypotheses[-1].score
    return [math.exp(log) / -math.expm1(-math.exp(log - least)) for log in logs[:-1]] + [0.0]


class _Beams(NamedTuple):
    """What the search knows of the sentences that are not done, one row a sentence."""

    sentences: Tensor
    """Number of the sentence, (sentences,), int64."""
    limit: Tensor
    """Its greatest length, (sentences,), int64."""
    log_probs: Tensor
    """Log-probability of each prefix alive, (sentences, alive), float64."""
    perturbed: Tensor
    """Its perturbed log-probability, (sentences, alive), float64; -inf where there is no prefix."""
    streams: Tensor
    """Of the noise of what comes next, (sentences, alive), int64."""
    nodes: Tensor
    """Where each ends in the trace, (sentences, alive), int64."""
    tokens: Tensor
    """The tokens of each, without BOS, (sentences, alive, length), int64."""
    ended: Tensor
    """Perturbed log-probabilities of what has ended, falling, (sentences, beam), float64."""
    ended_nodes: Tensor
    """Where each of those ends in the trace, (sentences, beam), int64."""


def _start(
    state: Any,
    beam: int,
    max_length: int | Tensor,
    generator: torch.Generator | int | None,
    keys: Tensor | None,
) -> _Beams:
    """The beams before the first step: one empty prefix for each sentence."""
    limit = length_limit(max_length, count_rows(state), device_of(state))
    sentences = torch.arange(len(limit), device=limit.device)
    streams = sentence_streams(generator, keys, sentences)[:, None]
    perturbed = gumbels(streams[:, 0], 1)
    no_nodes = sentences.new_full((len(limit), beam), -1)
    return _Beams(
        sentences=sentences,
        limit=limit,
        log_probs=torch.zeros_like(perturbed),
        perturbed=perturbed,
        streams=bits_at(streams, torch.ones_like(streams)),  # at index 0 was the noise above
        nodes=no_nodes[:, :1],
        tokens=sentences.new_empty(len(limit), 1, 0),
        ended=perturbed.new_full((len(limit), beam), -torch.inf),
        ended_nodes=no_nodes,
    )


def _advance(
    beams: _Beams, steps: Tensor, attention: Tensor | None, eos: int, trace: Trace
) -> tuple[_Beams, Tensor]:
    """Take one step.

    Args:
        beams: before the step.
        steps: log-probabilities of the next tokens, (sentences, alive, vocabulary), float64.
        attention: of the step, (sentences * alive, source), or None.
        eos: the token that ends a sequence.
        trace: what the candidates are added to.

    Returns:
        The beams after the step, and which of the prefixes before it each of those alive continues,
        (sentences, alive), int64.
    """
    beam, vocabulary = beams.ended.shape[1], steps.shape[-1]
    totals = beams.log_probs[..., None] + steps
    perturbed = _conditional(beams.perturbed, totals + gumbels(beams.streams, vocabulary))
    best, places = perturbed.flatten(1).topk(min(beam, perturbed[0].numel()))
    slots, tokens = places // vocabulary, places % vocabulary
    nodes = trace.extend(
        beams.nodes.gather(1, slots),
        tokens,
        steps.flatten(1).gather(1, places),
        slots,
        None if attention is None else attention.view(*steps.shape[:2], -1),
    )
    # What ended before, prefixes after which nothing is possible, and children share the beam.
    stuck = beams.perturbed.where(~(steps > -torch.inf).any(-1), -torch.inf)
    ends = torch.cat([beams.ended, stuck, torch.where(tokens == eos, best, -torch.inf)], 1)
    grows = torch.where(tokens == eos, -torch.inf, best)
    ends, grows = _only_best(ends, grows, beam)
    ended, ended_places = ends.topk(beam)
    alive, survivors = grows.topk(max(int((grows > -torch.inf).sum(1).max()), 1))
    slots, tokens = slots.gather(1, survivors), tokens.gather(1, survivors)
    before = beams.tokens.gather(1, slots[..., None].expand(-1, -1, beams.tokens.shape[-1]))
    after = _Beams(
        sentences=beams.sentences,
        limit=beams.limit,
        log_probs=totals.flatten(1).gather(1, places.gather(1, survivors)),
        perturbed=alive,
        streams=bits_at(beams.streams.gather(1, slots), -1 - tokens),  # noise has indices from 0
        nodes=nodes.gather(1, survivors),
        tokens=torch.cat([before, tokens[..., None]], -1),
        ended=ended,
        ended_nodes=torch.cat([beams.ended_nodes, beams.nodes, nodes], 1).gather(1, ended_places),
    )
    return after, slots


def _only_best(ends: Tensor, grows: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """Both, (sentences, any number), with -inf for what is not among the best ``beam`` of all."""
    least = torch.cat([ends, grows], 1).topk(beam).values[:, -1:]
    return ends.masked_fill(ends < least, -torch.inf), grows.masked_fill(grows < least, -torch.inf)


def _found(beams: _Beams, i: int) -> list[Found]:
    """The sequences of the sentence in row ``i``, by falling score."""
    ends = zip(beams.ended_nodes[i].tolist(), beams.ended[i].tolist(), strict=True)
    found = [Found(node, score, exact=False) for node, score in ends if score > -math.inf]
    if found:
        return found
    # A model gives NaN: the prefix so far.
    return [Found(int(beams.nodes[i, 0]), beams.perturbed[i, 0].item(), exact=False)]


def _conditional(parent: Tensor, children: Tensor) -> Tensor:
    """Gumbels of children, shifted so that their maximum is that of the parent.

    Args:
        parent: (...), -inf where there is none.
        children: drawn independently, (..., children), -inf for those that are impossible.

    Returns:
        A tensor (..., children); -inf for the impossible, and for all children of -inf.
    """
    below = children - children.amax(-1, keepdim=True)
    log_gap = torch.where(below > -0.7, (-below.expm1()).log(), (-below.exp()).log1p())
    v = parent[..., None] - children + log_gap
    conditional = parent[..., None] - v.clamp(min=0) - (-v.abs()).exp().log1p()
    impossible = children.isneginf() | parent.isneginf()[..., None]
    return conditional.masked_fill(impossible, -torch.inf)
