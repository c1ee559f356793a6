"""An architecture: an encoder, a decoder and an output mapping, in one line of configuration.

>>> from huashi.seq2seq import Architecture, RNNDecoderShape, RNNEncoderShape
>>> model = Architecture(
...     encoder=RNNEncoderShape(hidden_size=64),
...     decoder=RNNDecoderShape(cell="lstm", hidden_size=64),
... ).build(vocabulary_size=100)

Encoder and decoder are given by their shapes, frozen dataclasses. The shape of an encoder has
``embedding_size``, ``embed(vocabulary_size)``, which makes its table of embeddings, and
``build(embedding)``, which makes the module; that of a decoder has the same, with
``build(embedding, memory_size)`` for the number of features of the encoder's memory.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from huashi._checks import check_choice, check_positive
from huashi._field_docs import with_field_docs
from huashi.seq2seq.architecture.kinds import DecoderShape, EncoderShape
from huashi.seq2seq.fusion.pretrained import fuse
from huashi.seq2seq.model.output import Output, OutputMapping, check_output
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.models.convs2s.decoder import ConvDecoderShape
from huashi.seq2seq.models.convs2s.encoder import ConvEncoderShape
from huashi.seq2seq.models.convs2s.self_attention import ConvSelfAttentionDecoderShape
from huashi.seq2seq.models.no_source import NoSource

SHARED = ("nothing", "embeddings", "output", "all")


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All of a model but its vocabulary; :meth:`build` makes the model."""

    encoder: EncoderShape | None
    """What reads the source; None for a language model, which has no source to attend to."""
    decoder: DecoderShape
    """What writes the target."""
    mapping: OutputMapping = "softmax"
    """How logits become probabilities of the next token."""
    alpha: float = 1.5
    """Of the mapping ``entmax``: 1 is softmax, 2 sparsemax."""
    share: Literal["nothing", "embeddings", "output", "all"] = "embeddings"
    """One matrix for the embeddings of source and target (``embeddings``), for those of the target
    and the layer before the logits (``output``), or for the three (``all``)."""
    source_end: bool = True
    """A source is read with EOS at its end."""

    def __post_init__(self) -> None:
        check_output(self.mapping, self.alpha)
        check_choice("share", self.share, SHARED)
        for side in ("encoder", "decoder"):
            if isinstance(part := getattr(self, side), nn.Module):
                name = type(part).__name__
                raise TypeError(f"{side} must be a shape such as {name}Shape(), got a {name}")
        if self.encoder is None:
            return
        _check_gradient(self.encoder, self.decoder)
        sizes = self.encoder.embedding_size, self.decoder.embedding_size
        if self.share in ("embeddings", "all") and sizes[0] != sizes[1]:
            raise ValueError(
                f"embedding_size must be the same on both sides where share is {self.share!r}, "
                f"got {sizes[0]} and {sizes[1]}"
            )

    def build(
        self, vocabulary_size: int, target_vocabulary_size: int | None = None
    ) -> EncoderDecoder:
        """A model of this architecture with weights drawn anew.

        Args:
            vocabulary_size: tokens of the source, and of the target where it has no other.
            target_vocabulary_size: tokens of the target.

        Raises:
            ValueError: parts share what does not fit: two vocabularies one table of embeddings, or
                features of another number than the embeddings' the output layer.
        """
        target_size = target_vocabulary_size or vocabulary_size
        check_positive("vocabulary_size", vocabulary_size)
        if self.encoder is None:
            encoder, target = NoSource(self.decoder.embedding_size), None
        else:
            source = self.encoder.embed(vocabulary_size)
            encoder = self.encoder.build(source)
            target = source if self.share in ("embeddings", "all") else None
        if target is None:
            target = self.decoder.embed(target_size)
        elif target_size != vocabulary_size:
            raise ValueError(
                f"share must not be {self.share!r} for vocabularies of {vocabulary_size} and "
                f"{target_size} tokens"
            )
        decoder = self.decoder.build(target, encoder.size)
        layer = decoder.head(target_size)
        if self.share in ("output", "all"):
            _tie(layer, target, decoder.size)
        return EncoderDecoder(encoder, decoder, Output(layer, self.mapping, self.alpha))


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class FusedArchitecture:
    """The architectures of two models that :func:`~huashi.seq2seq.fuse` makes one of.

    :meth:`build` draws the weights of both anew, for a state dict of both. To train the second on
    top of the first as it was trained, call ``fuse(pretrained, architecture.model.build(...))``.
    """

    pretrained: "Architecture | FusedArchitecture"
    """Of the first, which is frozen."""
    model: "Architecture | FusedArchitecture"
    """Of the second, which learns."""

    def __post_init__(self) -> None:
        if self.pretrained.source_end != self.model.source_end:
            raise ValueError(
                f"source_end of pretrained must be that of model, {self.model.source_end}, "
                f"got {self.pretrained.source_end}"
            )

    @property
    def source_end(self) -> bool:
        """A source is read with EOS at its end."""
        return self.model.source_end

    def build(
        self, vocabulary_size: int, target_vocabulary_size: int | None = None
    ) -> EncoderDecoder:
        """The fused model; takes and raises what that of an :class:`Architecture` does."""
        both = self.pretrained, self.model
        return fuse(*(one.build(vocabulary_size, target_vocabulary_size) for one in both))


def _check_gradient(encoder: EncoderShape, decoder: DecoderShape) -> None:
    """Raise unless an encoder that divides a gradient by its consumers knows their number."""
    if isinstance(encoder, ConvEncoderShape) and isinstance(
        decoder, ConvDecoderShape | ConvSelfAttentionDecoderShape
    ):
        consumers = len(decoder.attending)
        if encoder.attention_layers != consumers:
            raise ValueError(
                f"attention_layers must be the number of layers of the decoder that attend, "
                f"{consumers}, got {encoder.attention_layers}"
            )


def _tie(layer: nn.Linear, embedding: nn.Embedding, size: int) -> None:
    """Make the layer before the logits use the matrix of the embeddings."""
    if embedding.embedding_dim != size:
        raise ValueError(
            f"embedding_size must be the decoder's {size} features where they share the output "
            f"layer, got {embedding.embedding_dim}"
        )
    if is_parametrized(layer, "weight"):  # normalised, which embeddings are not
        remove_parametrizations(layer, "weight")
    layer.weight = embedding.weight
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
