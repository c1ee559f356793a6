r"""Stochastic beam search: different sequences, drawn without replacement.

Every sequence :math:`y` has a Gumbel-perturbed log-probability :math:`G_y \sim
\operatorname{Gumbel}(\log p(y))`; the :math:`k` highest are a sample of :math:`k` sequences without
replacement from :math:`p` (Gumbel-top-k). A beam search finds them without listing all sequences: a
prefix has the highest :math:`G` of all that continues it, which is Gumbel-distributed too, about
the prefix's log-probability; its children's are drawn and shifted so that their maximum :math:`Z`
becomes that of the parent:

.. math:: \tilde G_c = -\log(e^{-G} - e^{-Z} + e^{-G_c})

Kool, van Hoof, Welling: Stochastic Beams and Where to Find Them (2019), arXiv 1903.06059. There
the root has :math:`G = 0`, which leaves the order as it is; here it is drawn too, so that the
scores are perturbed log-probabilities as they stand, and :func:`importance_weights` hold.
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
from huashi.seq2seq.search.arguments import length_limit
from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import only_eos_at_limit, renormalised
from huashi.seq2seq.search.protocol import Step, count_rows, device_of, select
from huashi.seq2seq.search.sampling.noise import gumbels, number, sentence_streams


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
    """Draw ``beam`` different sequences for every row of ``state``.

    Takes what :func:`~huashi.seq2seq.search.sample` takes. The distribution that is drawn from is
    the model's own after adjustments and temperature, made to sum to one; at ``max_length`` EOS is
    certain.

    Returns:
        For each sentence its sequences by falling ``score``, the perturbed log-probability: the
        first is a sample from the distribution, and the first two of five are those that a beam of
        two would have drawn. Fewer than ``beam`` where there are no more. ``token_scores`` are
        log-probabilities of the distribution that is drawn from. A prefix that nothing may follow
        is a sequence too, with ``finished=False``.

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
        weights = None if alignment is None else alignment(state)
        before, alive = beams, latest.shape[1]
        context = Context(beams.tokens, length, beams.sentences, beams.limit, bos, eos)
        log_probs = log_probs.view(*latest.shape, -1).double()
        log_probs = adjusted(log_probs, context, adjustments)
        log_probs = renormalised(only_eos_at_limit(log_probs, beams.limit == length, eos))
        beams, slots = _advance(before, log_probs, weights, eos, trace)
        done = beams.perturbed.isneginf().all(1)
        for i in done.nonzero()[:, 0].tolist():
            ends = zip(beams.ended_nodes[i].tolist(), beams.ended[i].tolist(), strict=True)
            found[int(beams.sentences[i])] = [
                Found(node, score, exact=False) for node, score in ends if score > -math.inf
            ]
        kept = (~done).nonzero()[:, 0]
        beams, slots = select((beams, slots), kept)
        state = select(state, (kept[:, None] * alive + slots).flatten())
        latest = beams.tokens[..., -1]
    return trace.hypotheses(found, eos)


def importance_weights(hypotheses: Sequence[Hypothesis], beam: int) -> list[float]:
    r"""Weights that make sums over a stochastic beam unbiased estimates of expectations.

    With :math:`\kappa` the score of the last of ``beam`` hypotheses, the others weigh
    :math:`p / (1 - e^{-e^{\log p - \kappa}})`, their probability over that of being above
    :math:`\kappa`, and the last weighs nothing. Where there are fewer than ``beam``, they are all
    that there is, and weigh their probabilities.

    Args:
        hypotheses: of one sentence, from :func:`stochastic_beam_search`.
        beam: what it was called with.
    """
    logs = [math.fsum(h.token_scores) for h in hypotheses]
    if len(hypotheses) < beam:
        return [math.exp(log) for log in logs]
    least = hypotheses[-1].score
    return [math.exp(log) / -math.expm1(-math.exp(log - least)) for log in logs[:-1]] + [0.0]


class _Beams(NamedTuple):
    """What the search knows of its open sentences, one row a sentence."""

    sentences: Tensor
    limit: Tensor
    """Number and greatest length, (sentences,)."""
    log_probs: Tensor
    perturbed: Tensor
    """Of each prefix alive, (sentences, alive); perturbed -inf where there is none."""
    streams: Tensor
    """Of noise for what comes next, (sentences, alive)."""
    nodes: Tensor
    """Where each ends in the trace, (sentences, alive)."""
    tokens: Tensor
    """What each holds so far, (sentences, alive, length)."""
    ended: Tensor
    ended_nodes: Tensor
    """Perturbed log-probabilities of what has ended, falling, (sentences, beam), and where."""


def _start(
    state: Any,
    beam: int,
    max_length: int | Tensor,
    generator: torch.Generator | int | None,
    keys: Tensor | None,
) -> _Beams:
    limit = length_limit(max_length, count_rows(state), device_of(state))
    sentences = torch.arange(len(limit), device=limit.device)
    streams = sentence_streams(generator, keys, sentences)[:, None]
    root = gumbels(streams[:, 0], 1)
    nothing = sentences.new_full((len(limit), beam), -1)
    return _Beams(
        sentences=sentences,
        limit=limit,
        log_probs=torch.zeros_like(root),
        perturbed=root,
        streams=number(streams, torch.ones_like(streams)),  # the root's own was at index 0
        nodes=nothing[:, :1],
        tokens=sentences.new_empty(len(limit), 1, 0),
        ended=root.new_full((len(limit), beam), -torch.inf),
        ended_nodes=nothing,
    )


def _advance(
    beams: _Beams, steps: Tensor, weights: Tensor | None, eos: int, trace: Trace
) -> tuple[_Beams, Tensor]:
    """Take one step; return the new beams and which prefix each of them continues."""
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
        None if weights is None else weights.view(*steps.shape[:2], -1),
    )

    # children compete with what has ended, and with prefixes that have no child
    stuck = beams.perturbed.where(~(steps > -torch.inf).any(-1), -torch.inf)
    grows = torch.where(tokens == eos, -torch.inf, best)
    ends = torch.cat([beams.ended, stuck, torch.where(tokens == eos, best, -torch.inf)], 1)
    least = torch.cat([ends, grows], 1).topk(beam).values[:, -1:]  # of the beam that is kept
    ended, order = ends.masked_fill(ends < least, -torch.inf).topk(beam)
    grows = grows.masked_fill(grows < least, -torch.inf)
    alive, survivors = grows.topk(max(int((grows > -torch.inf).sum(1).max()), 1))
    slots, tokens = slots.gather(1, survivors), tokens.gather(1, survivors)
    history = beams.tokens.gather(1, slots[..., None].expand(-1, -1, beams.tokens.shape[-1]))
    return _Beams(
        sentences=beams.sentences,
        limit=beams.limit,
        log_probs=totals.flatten(1).gather(1, places.gather(1, survivors)),
        perturbed=alive,
        streams=number(beams.streams.gather(1, slots), -1 - tokens),  # noise is at 0 and above
        nodes=nodes.gather(1, survivors),
        tokens=torch.cat([history, tokens[..., None]], -1),
        ended=ended,
        ended_nodes=torch.cat([beams.ended_nodes, beams.nodes, nodes], 1).gather(1, order),
    ), slots


def _conditional(parent: Tensor, children: Tensor) -> Tensor:
    """Gumbels of ``children``, (..., children), given that their maximum is ``parent``, (...).

    -inf stays, and is what all children of -inf have.
    """
    below = children - children.amax(-1, keepdim=True)
    log_gap = torch.where(below > -0.7, (-below.expm1()).log(), (-below.exp()).log1p())
    v = parent[..., None] - children + log_gap
    conditional = parent[..., None] - v.clamp(min=0) - (-v.abs()).exp().log1p()
    impossible = children.isneginf() | parent.isneginf()[..., None]
    return conditional.masked_fill(impossible, -torch.inf)
