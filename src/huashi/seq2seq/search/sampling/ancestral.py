r"""Sequences drawn from a model, token by token.

A token is drawn by the Gumbel-max trick, :math:`\arg\max_w \ell_w / T + g_w`, from what adjustments
and filters leave of the log-probabilities :math:`\ell`. The noise :math:`g` is looked up by seed,
key of the sentence, number of the sample, step and token
(:mod:`huashi.seq2seq.search.sampling.noise`), so what is drawn for a sentence depends neither on
its batch nor on the order of sentences, nor on how many samples are drawn.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi._checks import check_positive
from huashi.seq2seq.search.adjustments.context import Adjustment, Context, adjusted
from huashi.seq2seq.search.adjustments.filters import MinP, Temperature, TopK, TopP, Typical
from huashi.seq2seq.search.arguments import length_limit
from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import only_eos_at_limit
from huashi.seq2seq.search.protocol import Step, count_rows, device_of, select
from huashi.seq2seq.search.sampling.noise import gumbel, gumbels, number, sentence_streams


@torch.inference_mode()
def sample(
    step: Step,
    state: Any,
    *,
    bos: int,
    eos: int,
    max_length: int | Tensor,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    typical: float | None = None,
    length_penalty: float = 1.0,
    adjustments: Sequence[Adjustment] = (),
    alignment: Callable[[Any], Tensor] | None = None,
    generator: torch.Generator | int | None = None,
    keys: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Draw sequences for every row of ``state``.

    Args:
        step: reads one token a row.
        state: the state before BOS, one row a sentence.
        bos: the token that the first step reads.
        eos: the token that ends a hypothesis.
        max_length: the most tokens of a hypothesis, EOS counted, for all or for each sentence
            (sentences,). At this length only EOS may follow.
        samples: how many to draw for a sentence, each on its own.
        temperature: divides the log-probabilities; below 1 the likely becomes likelier.
        top_k: draw from so many of the likeliest tokens alone, as :class:`TopK`.
        top_p: and of these from the likeliest that have this probability, as :class:`TopP`.
        min_p: and from those at least this times as likely as the likeliest, as :class:`MinP`.
        typical: and from the most typical that have this probability, as :class:`Typical`.
        length_penalty: exponent of the length that a score is divided by.
        adjustments: what changes the log-probabilities before temperature and filters.
        alignment: reads the attention of the last step, (rows, source), from a state.
        generator: a seed, or a generator from which one is drawn.
        keys: a number for each sentence, (sentences,), int64, that stands for it wherever it is
            decoded, such as its line in the corpus; by default its row. Equal keys, equal noise.

    Returns:
        For each sentence its samples by their numbers: the first two of five are those that two
        would have been. ``token_scores`` are the model's own log-probabilities, whatever has been
        adjusted; ``score`` is their sum over the length penalty. A sample that nothing may follow
        has ``finished=False``.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> drawn = sample(step, torch.zeros(1), bos=0, eos=1, max_length=3, samples=4, generator=1)
    >>> [h.tokens for h in drawn[0]]
    [[0, 0, 1], [1], [1], [0, 0, 1]]
    """
    check_positive("samples", samples)
    filters: list[Adjustment] = [Temperature(temperature)]
    if top_k is not None:
        filters.append(TopK(top_k))
    for kind, value in ((TopP, top_p), (MinP, min_p), (Typical, typical)):
        if value is not None:
            filters.append(kind(value))
    trace = Trace()
    limit = length_limit(max_length, count_rows(state), device_of(state))
    latest = torch.full_like(limit, bos)
    rows = _start(limit, samples, generator, keys)
    found: list[Found | None] = [None] * len(rows.numbers)
    for length in itertools.count(1):
        if not len(rows.numbers):
            break
        log_probs, state = step(latest, state)
        weights = None if alignment is None else alignment(state)
        if length == 1:  # the samples of a sentence have begun as one row
            log_probs, state, weights = select((log_probs, state, weights), rows.sentences)
        context = Context(rows.tokens, length, rows.sentences, rows.limit, bos, eos)
        scores = adjusted(log_probs[:, None], context, adjustments)
        scores = only_eos_at_limit(scores, rows.limit == length, eos)
        scores = adjusted(scores, context, filters)[:, 0]
        latest, possible = _draw(scores, number(rows.streams, torch.tensor(length)))
        own = log_probs.gather(1, latest[:, None])
        columns = rows.nodes[:, None], latest[:, None], own, torch.zeros_like(own, dtype=torch.long)
        nodes = trace.extend(*columns, None if weights is None else weights[:, None])[:, 0]
        totals = torch.where(possible, rows.totals + own[:, 0], rows.totals)
        nodes = torch.where(possible, nodes, rows.nodes)  # what is stuck stays as it is
        for i in (~possible | (latest == eos)).nonzero()[:, 0].tolist():
            count = max(length - int(not possible[i]), 1)
            score = totals[i].item() / count**length_penalty
            found[int(rows.numbers[i])] = Found(int(nodes[i]), score, exact=False)
        kept = (possible & (latest != eos)).nonzero()[:, 0]
        tokens = torch.cat([rows.tokens, latest[:, None, None]], -1)
        rows = rows._replace(nodes=nodes, totals=totals, tokens=tokens)
        rows, latest, state = select((rows, latest, state), kept)
    ends = [end for end in found if end is not None]
    grouped = [ends[i : i + samples] for i in range(0, len(ends), samples)]
    return trace.hypotheses(grouped, eos)


class _Samples(NamedTuple):
    """The samples that still grow, one row each."""

    numbers: Tensor
    """Place among all samples of all sentences, (rows,)."""
    sentences: Tensor
    limit: Tensor
    """Number and greatest length of the sentence, (rows,)."""
    streams: Tensor
    """Of noise, (rows,)."""
    nodes: Tensor
    """Where each ends in the trace, (rows,)."""
    totals: Tensor
    """Sum of the model's log-probabilities, (rows,)."""
    tokens: Tensor
    """What each holds so far, (rows, 1, length)."""


def _start(
    limit: Tensor, samples: int, generator: torch.Generator | int | None, keys: Tensor | None
) -> _Samples:
    streams = sentence_streams(generator, keys, torch.arange(len(limit), device=limit.device))
    numbers = torch.arange(len(limit) * samples, device=limit.device)
    sentences = numbers // samples
    return _Samples(
        numbers=numbers,
        sentences=sentences,
        limit=limit[sentences],
        streams=number(streams[sentences], numbers % samples),
        nodes=torch.full_like(numbers, -1),
        totals=torch.zeros(len(numbers), device=limit.device),
        tokens=numbers.new_empty(len(numbers), 1, 0),
    )


def _draw(scores: Tensor, streams: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each row of (rows, vocabulary), and whether any was possible."""
    possible = scores > -torch.inf
    if 4 * int(possible.sum()) > possible.numel():
        noisy = scores + gumbels(streams, scores.shape[-1])
    else:  # noise is dear, and can be looked up for a few tokens alone
        rows, tokens = possible.nonzero(as_tuple=True)
        noisy = torch.full_like(scores, -torch.inf, dtype=torch.double)
        noisy[rows, tokens] = scores[rows, tokens] + gumbel(streams[rows], tokens)
    best, tokens = noisy.max(-1)
    return tokens, best > -torch.inf
