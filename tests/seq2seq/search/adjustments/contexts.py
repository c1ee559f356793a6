"""Hypotheses for adjustments to look at."""

import torch

from huashi.seq2seq.search import Context

BOS, END = 0, 1


def context_of(histories, sentences=None, limit=9):
    """Of token lists, (sentences, alive, length - 1)."""
    tokens = torch.tensor(histories, dtype=torch.long)
    numbers = torch.arange(len(tokens)) if sentences is None else torch.tensor(sentences)
    limits = torch.full((len(tokens),), limit)
    return Context(tokens, tokens.shape[-1] + 1, numbers, limits, BOS, END)


def forbidden(adjust, context, vocabulary):
    """Ids, for each hypothesis."""
    zeros = torch.zeros(*context.tokens.shape[:2], vocabulary)
    return [
        [row.isneginf().nonzero()[:, 0].tolist() for row in rows] for rows in adjust(zeros, context)
    ]


BEGIN = context_of([[[]]])
