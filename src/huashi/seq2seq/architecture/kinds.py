"""All shapes of encoders and decoders, by the names that they have in JSON."""

from huashi.seq2seq.models.convs2s.decoder import ConvDecoderShape
from huashi.seq2seq.models.convs2s.encoder import ConvEncoderShape
from huashi.seq2seq.models.convs2s.self_attention import ConvSelfAttentionDecoderShape
from huashi.seq2seq.models.lightconv import LightConvDecoderShape, LightConvEncoderShape
from huashi.seq2seq.models.rnn import RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.models.slicenet.coders import SliceNetDecoderShape, SliceNetEncoderShape
from huashi.seq2seq.models.transformer import TransformerDecoderShape, TransformerEncoderShape

EncoderShape = (
    RNNEncoderShape
    | ConvEncoderShape
    | LightConvEncoderShape
    | SliceNetEncoderShape
    | TransformerEncoderShape
)
DecoderShape = (
    RNNDecoderShape
    | ConvDecoderShape
    | ConvSelfAttentionDecoderShape
    | LightConvDecoderShape
    | SliceNetDecoderShape
    | TransformerDecoderShape
)
ENCODERS: dict[str, type[EncoderShape]] = {
    "rnn": RNNEncoderShape,
    "conv": ConvEncoderShape,
    "light_conv": LightConvEncoderShape,
    "slicenet": SliceNetEncoderShape,
    "transformer": TransformerEncoderShape,
}
DECODERS: dict[str, type[DecoderShape]] = {
    "rnn": RNNDecoderShape,
    "conv": ConvDecoderShape,
    "conv_self_attention": ConvSelfAttentionDecoderShape,
    "light_conv": LightConvDecoderShape,
    "slicenet": SliceNetDecoderShape,
    "transformer": TransformerDecoderShape,
}
