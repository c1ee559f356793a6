"""Greedy search: the likeliest token, again and again."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from huashi.seq2seq.search.adjustments.context import Adjustment, Context, adjusted
from huashi.seq2seq.search.arguments import length_limit
from huashi.seq2seq.search.hypothesis import Found, Hypothesis, Trace
from huashi.seq2seq.search.log_probabilities import only_eos_at_limit
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
    """One sequence for every row of ``state``, in the form of :func:`beam_search`.

    Takes what :func:`beam_search` takes, less the beam. At ``max_length`` only EOS may follow.

    >>> table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).log()  # from token to token; 1 is EOS
    >>> def step(tokens, state):
    ...     return table[tokens], state
    >>> greedy_search(step, torch.zeros(1), bos=0, eos=1, max_length=3)[0][0].tokens
    [0, 0, 1]
    """
    trace = Trace()
    limit = length_limit(max_length, count_rows(state), device_of(state))
    sentences = torch.arange(len(limit), device=limit.device)  # those still open, row by row
    found: list[list[Found]] = [[] for _ in limit]
    history = sentences.new_empty(len(limit), 1, 0)
    tokens, nodes = torch.full_like(limit, bos), torch.full_like(limit, -1)
    totals = torch.zeros(len(limit), device=limit.device)
    for length in itertools.count(1):
        if not len(sentences):
            break
        log_probs, state = step(tokens, state)
        weights = None if alignment is None else alignment(state)[:, None]
        if adjustments:
            context = Context(history, length, sentences, limit, bos, eos)
            log_probs = adjusted(log_probs[:, None], context, adjustments)[:, 0]
        scores, tokens = only_eos_at_limit(log_probs, limit == length, eos).max(-1)
        columns = (column[:, None] for column in (nodes, tokens, scores, torch.zeros_like(nodes)))
        extended = trace.extend(*columns, weights)[:, 0]
        stuck = scores.isneginf()  # no token is possible: the prefix stays as it is
        nodes = torch.where(stuck, nodes, extended)
        totals = torch.where(stuck, totals, totals + scores)
        done = stuck | (tokens == eos)
        for i in done.nonzero()[:, 0].tolist():
            tokens_kept = max(length - int(stuck[i]), 1)
            score = totals[i].item() / tokens_kept**length_penalty
            found[int(sentences[i])] = [Found(int(nodes[i]), score, exact=False)]
        kept = (~done).nonzero()[:, 0]
        history = torch.cat([history, tokens[:, None, None]], -1)
        state, sentences, limit, history, tokens, nodes, totals = select(
            (state, sentences, limit, history, tokens, nodes, totals), kept
        )
    return trace.hypotheses(found, eos)
