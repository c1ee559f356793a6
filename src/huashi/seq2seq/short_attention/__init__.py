"""Attention of sentences: softmax of dot products, head by head."""

from huashi.seq2seq.short_attention.functional import short_attention

__all__ = ["short_attention"]
