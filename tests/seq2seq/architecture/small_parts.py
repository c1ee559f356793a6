"""Small encoders and decoders of every kind, with embeddings of 8 features."""

from huashi.seq2seq import (
    AttentionShape,
    ConvDecoderShape,
    ConvEncoderShape,
    ConvSelfAttentionDecoderShape,
    LightConvDecoderShape,
    LightConvEncoderShape,
    RNNDecoderShape,
    RNNEncoderShape,
    SliceNetDecoderShape,
    SliceNetEncoderShape,
    TransformerDecoderShape,
    TransformerEncoderShape,
)

SIZE = {"embedding_size": 8, "dropout": 0.0}
ADDITIVE = AttentionShape(score="additive")  # fits queries and memories of any size
TRANSFORMER = {"layers": 2, "heads": 2, "feed_forward_size": 12, **SIZE}
LIGHT = {"heads": 2, "feed_forward_size": 12, **SIZE}
SOME_ENCODERS = {
    "rnn": RNNEncoderShape(hidden_size=6, **SIZE),
    "conv": ConvEncoderShape(layers=((6, 3), (6, 3)), **SIZE),
    "conv, even and changing": ConvEncoderShape(
        layers=((4, 2), (6, 4), (6, 1)), positions=5, **SIZE
    ),
    "lightweight": LightConvEncoderShape(kernels=(3, 5), **LIGHT),
    "dynamic, pre": LightConvEncoderShape(
        convolution="dynamic", kernels=(2, 7), norm="pre", **LIGHT
    ),
    "slicenet": SliceNetEncoderShape(layers=2, separability=-1, **SIZE),
    "slicenet, dilated": SliceNetEncoderShape(
        layers=1, separability=2, dilation_scheme="1.2.4.8", **SIZE
    ),
    "transformer": TransformerEncoderShape(**TRANSFORMER),
    "transformer, pre, learned": TransformerEncoderShape(
        norm="pre", positions="learned", max_length=7, activation="gelu", **TRANSFORMER
    ),
    "transformer, entmax": TransformerEncoderShape(
        mapping="entmax", learn_alpha=True, **TRANSFORMER
    ),
}
SOME_DECODERS = {
    "rnn": RNNDecoderShape(hidden_size=6, cell="lstm", layers=2, **SIZE),
    "rnn with coverage": RNNDecoderShape(
        hidden_size=6, attention=AttentionShape(score="additive", coverage=True), **SIZE
    ),
    "rnn, monotonic": RNNDecoderShape(
        hidden_size=6, attention=AttentionShape(score="normalised", monotonic="soft"), **SIZE
    ),
    "rnn, local": RNNDecoderShape(
        hidden_size=6,
        attention=AttentionShape(score="general", window="local_p", reach=2.0),
        input_feeding=False,
        **SIZE,
    ),
    "rnn with heads": RNNDecoderShape(
        hidden_size=6,
        attention=AttentionShape(heads=2, mapping="entmax", learn_alpha=True),
        attend="before",
        **SIZE,
    ),
    "rnn without attention": RNNDecoderShape(hidden_size=6, attention=None, **SIZE),
    "conv": ConvDecoderShape(layers=((6, 3), (6, 3)), attention=ADDITIVE, **SIZE),
    "conv, even and changing": ConvDecoderShape(
        layers=((4, 2), (6, 4), (6, 1), (5, 3)),
        attention=AttentionShape(score="general", mapping="entmax15"),
        attend=(3, 1),
        output_size=7,
        **SIZE,
    ),
    "conv with self-attention": ConvSelfAttentionDecoderShape(
        layers=((6, 2), (6, 3)), attention=ADDITIVE, **SIZE
    ),
    "conv with some self-attention": ConvSelfAttentionDecoderShape(
        layers=((4, 2), (6, 3), (6, 1)),
        attention=ADDITIVE,
        attend=(0,),
        strides=(2, 3),
        self_attend=(1, 2),
        gated=False,
        **SIZE,
    ),
    "lightweight": LightConvDecoderShape(kernels=(3, 5), **LIGHT),
    "dynamic, pre": LightConvDecoderShape(
        convolution="dynamic", kernels=(2, 7), norm="pre", **LIGHT
    ),
    "slicenet": SliceNetDecoderShape(layers=2, separability=-1, **SIZE),
    "slicenet, dilated, of heads": SliceNetDecoderShape(
        layers=1,
        separability=0,
        kernel_scheme="3.7.7.7",
        dilation_scheme="1.1.2.4",
        attention="multi_head",
        heads=2,
        **SIZE,
    ),
    "transformer": TransformerDecoderShape(**TRANSFORMER),
    "transformer, pre, learned": TransformerDecoderShape(
        norm="pre", positions="learned", max_length=7, activation="swish", **TRANSFORMER
    ),
    "transformer, entmax": TransformerDecoderShape(
        mapping="entmax", learn_alpha=True, norm="pre", positions="tensor2tensor", **TRANSFORMER
    ),
}
SHAPES = {  # every encoder with a recurrent decoder, every decoder with a recurrent encoder
    **{f"{name} -> rnn": (encoder, RNNDecoderShape(hidden_size=6, attention=ADDITIVE, **SIZE))
       for name, encoder in SOME_ENCODERS.items()},
    **{f"rnn -> {name}": (SOME_ENCODERS["rnn"], decoder)
       for name, decoder in SOME_DECODERS.items()},
}  # fmt: skip
