"""The published architectures by name: what goes into an :class:`Architecture`, with its sizes."""

from typing import Any, Literal

from huashi._checks import check_choice
from huashi.seq2seq.architecture.architecture import Architecture
from huashi.seq2seq.models.convs2s.decoder import ConvDecoderShape
from huashi.seq2seq.models.convs2s.encoder import ConvEncoderShape
from huashi.seq2seq.models.convs2s.self_attention import ConvSelfAttentionDecoderShape
from huashi.seq2seq.models.lightconv import LightConvDecoderShape, LightConvEncoderShape
from huashi.seq2seq.models.slicenet.coders import SliceNetDecoderShape, SliceNetEncoderShape
from huashi.seq2seq.models.transformer import TransformerDecoderShape, TransformerEncoderShape

CONVS2S: dict[str, dict[str, Any]] = {  # Gehring 2017: (channels, kernel) of each layer
    "iwslt": {
        "embedding_size": 256,
        "output_size": 256,
        "encoder": ((256, 3),) * 4,
        "decoder": ((256, 3),) * 3,
    },
    "wmt_en_de": {
        "embedding_size": 768,
        "output_size": 512,
        "encoder": ((512, 3),) * 9 + ((1024, 3),) * 4 + ((2048, 1),) * 2,
        "decoder": ((512, 3),) * 9 + ((1024, 3),) * 4 + ((2048, 1),) * 2,
    },
    "wmt_en_fr": {
        "embedding_size": 768,
        "output_size": 512,
        "encoder": ((512, 3),) * 6 + ((768, 3),) * 4 + ((1024, 3),) * 3 + ((2048, 1), (4096, 1)),
        "decoder": ((512, 3),) * 6 + ((768, 3),) * 4 + ((1024, 3),) * 3 + ((2048, 1), (4096, 1)),
    },
}


def convs2s(
    size: Literal["iwslt", "wmt_en_de", "wmt_en_fr"] = "iwslt", *, dropout: float = 0.1
) -> Architecture:
    """ConvS2S as published (arXiv 1705.03122).

    Args:
        size: the task that its layers are for.
        dropout: that of both sides.

    >>> len(convs2s().decoder.layers)
    3
    """
    check_choice("size", size, CONVS2S)
    sizes = CONVS2S[size]
    settings: dict[str, Any] = {"embedding_size": sizes["embedding_size"], "dropout": dropout}
    return Architecture(
        encoder=ConvEncoderShape(
            layers=sizes["encoder"], attention_layers=len(sizes["decoder"]), **settings
        ),
        decoder=ConvDecoderShape(
            layers=sizes["decoder"], output_size=sizes["output_size"], **settings
        ),
        share="nothing",
    )


def stories(*, dropout: float = 0.1) -> Architecture:
    """The writer of stories with gated multi-scale self-attention (arXiv 1805.04833).

    Its authors fuse two of them: ``FusedArchitecture(pretrained=stories(), model=stories())``.

    Args:
        dropout: that of both sides.

    >>> stories().decoder.strides
    (1, 2, 3, 4)
    """
    layers = ((512, 4),) * 4 + ((768, 4),) * 2 + ((1024, 4),)
    settings: dict[str, Any] = {"embedding_size": 256, "dropout": dropout}
    return Architecture(
        encoder=ConvEncoderShape(
            layers=((128, 3), (128, 3), (512, 3)), attention_layers=len(layers), **settings
        ),
        decoder=ConvSelfAttentionDecoderShape(layers=layers, **settings),
        share="nothing",
    )


def transformer(*, size: int = 512, layers: int = 6, dropout: float = 0.1) -> Architecture:
    """The Transformer as published, its base model by default (arXiv 1706.03762).

    Args:
        size: features of all layers, a multiple of 64, which each head has; the feed-forward part
            has four times as many.
        layers: of either side.
        dropout: that of both sides.

    >>> transformer().decoder.heads
    8
    """
    settings: dict[str, Any] = {
        "embedding_size": size,
        "layers": layers,
        "heads": size // 64,
        "feed_forward_size": 4 * size,
        "dropout": dropout,
    }
    return Architecture(
        encoder=TransformerEncoderShape(**settings),
        decoder=TransformerDecoderShape(**settings),
        share="all",
    )


def slicenet(
    *,
    size: int = 768,
    layers: int = 4,
    separability: int = -2,
    attention: Literal["inner_product", "multi_head"] = "inner_product",
    dropout: float = 0.5,
) -> Architecture:
    """SliceNet as published.

    Args:
        size: features of all layers.
        layers: convolution modules of the decoder; the encoder has half as many more.
        separability: see :class:`SliceNetEncoderShape`.
        attention: see :class:`SliceNetDecoderShape`.
        dropout: that of both sides.

    >>> slicenet().encoder.layers
    6
    """
    settings: dict[str, Any] = {
        "embedding_size": size,
        "separability": separability,
        "dropout": dropout,
    }
    return Architecture(
        encoder=SliceNetEncoderShape(layers=layers * 3 // 2, **settings),
        decoder=SliceNetDecoderShape(layers=layers, attention=attention, **settings),
    )


def lightconv(
    *,
    convolution: Literal["lightweight", "dynamic"] = "lightweight",
    size: int = 1024,
    heads: int = 16,
    feed_forward_size: int = 4096,
    dropout: float = 0.3,
) -> Architecture:
    """LightConv as published, of the size for WMT English-German.

    Args:
        convolution: what :func:`dynamicconv` has otherwise.
        size: features of all layers.
        heads: those of convolutions and attention.
        feed_forward_size: hidden units.
        dropout: that of both sides.

    >>> lightconv().decoder.kernels
    (3, 7, 15, 31, 31, 31)
    """
    settings: dict[str, Any] = {
        "convolution": convolution,
        "embedding_size": size,
        "heads": heads,
        "feed_forward_size": feed_forward_size,
        "dropout": dropout,
    }
    return Architecture(
        encoder=LightConvEncoderShape(**settings),
        decoder=LightConvDecoderShape(**settings, attention_dropout=0.1),
        share="all",
    )


def dynamicconv(**settings: Any) -> Architecture:
    """DynamicConv as published: :func:`lightconv`, its settings, with dynamic kernels."""
    return lightconv(**settings, convolution="dynamic")
