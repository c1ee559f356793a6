r"""Ancestral sampling: sequences drawn from a model token by token, each on its own.

A token is drawn by the Gumbel-max trick, :math:`\arg\max_w \ell_w / T + g_w`, from what adjustments
and filters leave of the log-probabilities :math:`\ell`. The noise :math:`g` is a function of seed,
key of the sentence, number of the sample, step and token
(:mod:`huashi.seq2seq.search.sampling.noise`). So what is drawn for a sentence depends on neither
its batch, nor the order of the sentences, nor how many samples are drawn.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from huashi._checks import check_positive
from huashi.seq2seq.search.adjustments.context import Adjustment, adjusted
from huashi.seq2seq.search.adjustments.filters import MinP, Temperature, TopK, TopP, Typical
from huashi.seq2seq.search.arguments import check_eos, check_length_penalty, length_limit
from huashi.seq2seq.search.growing import Growing
from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import check_log_probabilities, only_eos_at_limit
from huashi.seq2seq.search.protocol import Step, count_rows, device_of, select
from huashi.seq2seq.search.sampling.noise import bits_at, gumbel_at, gumbels, sentence_streams


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
    """Sequences drawn at random from the model, for each sentence of a batch.

    Tokens are drawn one after the other (ancestral sampling), from the log-probabilities after
    ``adjustments``, ``temperature`` and filters, in this order. What is drawn for a sentence does
    not depend on the others in the batch.

    Args:
        step: reads one token for each row, (rows,), int64, and the state; returns log-probabilities
            of the next tokens, (rows, vocabulary), and the next state. A row is a sample.
        state: the state before BOS, one row a sentence: tensors in any nest of tuples, lists and
            dicts.
        bos: the token that the first step reads.
        eos: the token that ends a sequence.
        max_length: the most tokens of a sequence, EOS counted, for all sentences or for each,
            (sentences,), int64; at least 1. At this length only EOS may follow.
        samples: how many to draw for a sentence, each on its own.
        temperature: what log-probabilities are divided by; below 1 the likely becomes likelier.
        top_k: draw from the k likeliest tokens alone, as :class:`~huashi.seq2seq.search.TopK`.
        top_p: of these, from the likeliest that together have this probability, as
            :class:`~huashi.seq2seq.search.TopP`.
        min_p: of these, from those at least this times as likely as the likeliest, as
            :class:`~huashi.seq2seq.search.MinP`.
        typical: of these, from the most typical that together have this probability, as
            :class:`~huashi.seq2seq.search.Typical`.
        length_penalty: exponent of the length that the score is divided by.
        adjustments: what changes the log-probabilities of a step before temperature and filters.
        alignment: reads the attention of the last step, (rows, source), from a state.
        generator: a seed, or a generator that one is drawn from; by default torch's own.
        keys: a number for each sentence, (sentences,), of any whole dtype, that stands for it
            wherever it is decoded, such as its line in the corpus; by default its row. Equal keys
            and seeds give equal noise.

    Returns:
        For each sentence its samples in the order of their numbers: the first two of five are those
        that ``samples=2`` gives. ``token_scores`` are the model's own log-probabilities, whatever
        was adjusted or filtered, and ``score`` is their sum over a power of the length. Where no
        token is possible, a sample is the prefix so far, with ``finished=False``. ``exact`` is
        always False.

    Raises:
        ValueError: an argument is out of its range, or has another shape or kind of numbers than
            said above, ``eos`` is not in the vocabulary, the step returns numbers above 0, or the
            tensors of the state differ in their number of rows.
        TypeError: the state holds something else than tensors in tuples, lists and dicts.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> drawn = sample(step, torch.zeros(1), bos=0, eos=1, max_length=3, samples=4, generator=1)
    >>> [h.tokens for h in drawn[0]]
    [[0, 0, 1], [1], [1], [0, 0, 1]]
    """
    check_positive("samples", samples)
    filters = _filters(temperature, top_k, top_p, min_p, typical)
    trace = Trace()
    limit = length_limit(max_length, count_rows(state), device_of(state))
    check_length_penalty(length_penalty, limit)
    streams = sentence_streams(generator, keys, torch.arange(len(limit), device=limit.device))
    growing = Growing.begin(limit, samples)
    streams = bits_at(streams[growing.sentences], growing.numbers % samples)
    latest = torch.full_like(limit, bos)
    found: dict[int, Found] = {}
    while len(growing.numbers):
        log_probs, state = step(latest, state)
        check_eos(eos, log_probs)
        check_log_probabilities(log_probs)
        attention = None if alignment is None else alignment(state)
        context = growing.context(bos, eos)
        if context.length == 1:  # the first step is the same for all samples of a sentence
            log_probs, state, attention = select((log_probs, state, attention), growing.sentences)
        changed = adjusted(log_probs[:, None], context, adjustments)
        changed = only_eos_at_limit(changed, growing.limit == context.length, eos)
        changed = adjusted(changed, context, filters)[:, 0]
        latest, possible = _drawn(changed, bits_at(streams, torch.tensor(context.length)))
        scores = log_probs.gather(1, latest[:, None])[:, 0]
        growing = growing.grown(latest, scores, possible, attention, trace)
        done = ~possible | (latest == eos)
        found.update(growing.ends(done, possible, length_penalty))
        growing, streams, latest, state = select(
            (growing, streams, latest, state), (~done).nonzero()[:, 0]
        )
    of_sentences = (range(i, i + samples) for i in range(0, len(found), samples))
    return trace.hypotheses([[found[n] for n in numbers] for numbers in of_sentences], eos)


def _filters(
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    typical: float | None,
) -> list[Adjustment]:
    """Temperature and filters in the order in which they apply."""
    filters: list[Adjustment] = [Temperature(temperature)]
    if top_k is not None:
        filters.append(TopK(top_k))
    for kind, value in ((TopP, top_p), (MinP, min_p), (Typical, typical)):
        if value is not None:
            filters.append(kind(value))
    return filters


def _drawn(log_probs: Tensor, streams: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each row, drawn from its distribution, and whether any was possible.

    Args:
        log_probs: (rows, vocabulary), not necessarily normalised.
        streams: of the noise of each row, (rows,), int64.

    Returns:
        Tokens, (rows,), int64, and (rows,), bool.
    """
    possible = log_probs > -torch.inf
    if 4 * int(possible.sum()) > possible.numel():
        noisy = log_probs + gumbels(streams, log_probs.shape[-1])
    else:  # noise takes time, and few tokens need it
        rows, tokens = possible.nonzero(as_tuple=True)
        noisy = torch.full_like(log_probs, -torch.inf, dtype=torch.double)
        noisy[rows, tokens] = log_probs[rows, tokens] + gumbel_at(streams[rows], tokens)
    best, tokens = noisy.max(-1)
    return tokens, best > -torch.inf
