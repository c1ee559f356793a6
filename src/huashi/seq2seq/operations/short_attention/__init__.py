"""Scaled dot-product attention of sentences, a head at a time."""

from huashi.seq2seq.operations.short_attention.attention import short_attention

__all__ = ["short_attention"]
