"""ConvS2S: gated convolutions over time, and the self-attention of stories."""

from huashi.seq2seq.models.convs2s.decoder import ConvDecoder
from huashi.seq2seq.models.convs2s.encoder import ConvEncoder
from huashi.seq2seq.models.convs2s.self_attention import ConvSelfAttentionDecoder

__all__ = ["ConvDecoder", "ConvEncoder", "ConvSelfAttentionDecoder"]
