"""The Transformer: layers of attention and feed-forward parts, over embeddings with positions."""

from huashi.seq2seq.models.transformer.decoder import TransformerDecoder, TransformerDecoderShape
from huashi.seq2seq.models.transformer.encoder import TransformerEncoder, TransformerEncoderShape
from huashi.seq2seq.models.transformer.shape import TransformerShape

__all__ = [
    "TransformerDecoder",
    "TransformerDecoderShape",
    "TransformerEncoder",
    "TransformerEncoderShape",
    "TransformerShape",
]
