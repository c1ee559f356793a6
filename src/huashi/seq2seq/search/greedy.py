"""Greedy search: the likeliest token, again and again."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Adjustment, adjusted
from huashi.seq2seq.search.arguments import check_eos, check_length_penalty, length_limit
from huashi.seq2seq.search.growing import Growing
from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import check_log_probabilities, only_eos_at_limit
from huashi.seq2seq.search.protocol import Step, count_rows, device_of, select


@torch.inference_mode()
def greedy_search(
    step: Step,
    state: Any,
    *,
    bos: int,
    eos: int,
    max_length: int | Tensor,
    length_penalty: float = 1.0,
    adjustments: Sequence[Adjustment] = (),
    alignment: Callable[[Any], Tensor] | None = None,
) -> list[list[Hypothesis]]:
    """The sequence of the likeliest token after each prefix, for each sentence of a batch.

    Args:
        step: reads one token for each row, (rows,), int64, and the state; returns log-probabilities
            of the next tokens, (rows, vocabulary), and the next state. A row is a sentence.
        state: the state before BOS, one row a sentence: tensors in any nest of tuples, lists and
            dicts.
        bos: the token that the first step reads.
        eos: the token that ends a sequence.
        max_length: the most tokens of a sequence, EOS counted, for all sentences or for each,
            (sentences,), int64; at least 1. At this length only EOS may follow.
        length_penalty: exponent of the length that the score is divided by.
        adjustments: what changes the log-probabilities of a step, one after the other, such as
            :class:`~huashi.seq2seq.search.MinLength`.
        alignment: reads the attention of the last step, (rows, source), from a state.

    Returns:
        For each sentence a list of one hypothesis, in the form of
        :func:`~huashi.seq2seq.search.beam_search`. Its score is the sum of its (adjusted)
        log-probabilities over a power of the length, summed in float32, or float64 if they are.
        Where no token is possible, it is the prefix so far, with ``finished=False``. ``exact`` is
        always False.

    Raises:
        ValueError: ``max_length`` is below 1 or has another shape, ``length_penalty`` is not
            finite, ``eos`` is not in the vocabulary, the step returns numbers above 0, or the
            tensors of the state differ in their number of rows.
        TypeError: the state holds something else than tensors in tuples, lists and dicts.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> greedy_search(step, torch.zeros(1), bos=0, eos=1, max_length=3)[0][0].tokens
    [0, 0, 1]
    """
    trace = Trace()
    limit = length_limit(max_length, count_rows(state), device_of(state))
    check_length_penalty(length_penalty, limit)
    growing = Growing.begin(limit)
    latest = torch.full_like(limit, bos)
    found: dict[int, Found] = {}
    while len(growing.numbers):
        log_probs, state = step(latest, state)
        check_eos(eos, log_probs)
        check_log_probabilities(log_probs)
        attention = None if alignment is None else alignment(state)
        context = growing.context(bos, eos)
        log_probs = adjusted(log_probs[:, None], context, adjustments)[:, 0]
        at_limit = growing.limit == context.length
        scores, latest = only_eos_at_limit(log_probs, at_limit, eos).max(-1)
        possible = ~scores.isneginf()
        growing = growing.grown(latest, scores, possible, attention, trace)
        done = ~possible | (latest == eos)
        found.update(growing.ends(done, possible, length_penalty))
        state, growing, latest = select((state, growing, latest), (~done).nonzero()[:, 0])
    return trace.hypotheses([[found[i]] for i in range(len(limit))], eos)
