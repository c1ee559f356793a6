"""ConvS2S: gated convolutions over time, and the self-attention of stories."""

from huashi.seq2seq.models.convs2s.decoder import ConvDecoder, ConvDecoderShape
from huashi.seq2seq.models.convs2s.encoder import ConvEncoder, ConvEncoderShape
from huashi.seq2seq.models.convs2s.self_attention import (
    ConvSelfAttentionDecoder,
    ConvSelfAttentionDecoderShape,
)

__all__ = [
    "ConvDecoder",
    "ConvDecoderShape",
    "ConvEncoder",
    "ConvEncoderShape",
    "ConvSelfAttentionDecoder",
    "ConvSelfAttentionDecoderShape",
]
