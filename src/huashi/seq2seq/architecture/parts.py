"""An architecture: an encoder, a decoder and an output mapping, in one line of configuration.

>>> from huashi.seq2seq import Architecture, RNNDecoder, RNNEncoder
>>> model = Architecture(
...     encoder=RNNEncoder(hidden_size=64), decoder=RNNDecoder(cell="lstm", hidden_size=64)
... ).build(vocabulary_size=100)

Every part is a frozen dataclass. That of an encoder has ``embedding_size``, ``embed(vocabulary)``,
which makes its table of embeddings, and ``build(embedding)``; that of a decoder the same, its
``build(embedding, memory_size)`` knowing how many features the encoder's memory has.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, Literal, get_args, get_type_hints

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from huashi._checks import check_choice, check_positive
from huashi.seq2seq.fusion.pretrained import fuse
from huashi.seq2seq.model.output import Output, OutputMapping, check_output
from huashi.seq2seq.model.protocol import EncoderDecoder, Memory
from huashi.seq2seq.models.convs2s.decoder import ConvDecoder
from huashi.seq2seq.models.convs2s.encoder import ConvEncoder
from huashi.seq2seq.models.convs2s.self_attention import ConvSelfAttentionDecoder
from huashi.seq2seq.models.lightconv import LightConvDecoder, LightConvEncoder
from huashi.seq2seq.models.rnn import RNNDecoder, RNNEncoder
from huashi.seq2seq.models.slicenet.coders import SliceNetDecoder, SliceNetEncoder
from huashi.seq2seq.models.transformer import TransformerDecoder, TransformerEncoder
from huashi.seq2seq.text.tokenizer import PAD

EncoderShape = RNNEncoder | ConvEncoder | LightConvEncoder | SliceNetEncoder | TransformerEncoder
DecoderShape = (
    RNNDecoder
    | ConvDecoder
    | ConvSelfAttentionDecoder
    | LightConvDecoder
    | SliceNetDecoder
    | TransformerDecoder
)
ENCODERS: dict[str, type[EncoderShape]] = {
    "rnn": RNNEncoder,
    "conv": ConvEncoder,
    "light_conv": LightConvEncoder,
    "slicenet": SliceNetEncoder,
    "transformer": TransformerEncoder,
}
DECODERS: dict[str, type[DecoderShape]] = {
    "rnn": RNNDecoder,
    "conv": ConvDecoder,
    "conv_self_attention": ConvSelfAttentionDecoder,
    "light_conv": LightConvDecoder,
    "slicenet": SliceNetDecoder,
    "transformer": TransformerDecoder,
}
SHARED = ("nothing", "embeddings", "output", "all")


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
            encoder, target = _NoSource(self.decoder.embedding_size), None
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


class _NoSource(nn.Module):
    """In the place of an encoder: a memory with nothing in it."""

    nothing: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("nothing", torch.zeros(1, 1, size), persistent=False)

    def forward(self, source: Tensor, lengths: Tensor) -> Memory:
        """A memory of one masked position for each source, whatever it says."""
        nothing = self.nothing.expand(len(source), -1, -1)
        mask = torch.zeros_like(nothing[..., 0], dtype=torch.bool)
        return Memory(nothing, nothing, mask, source=source.new_full(mask.shape, PAD))


def describe(architecture: Architecture | FusedArchitecture) -> dict[str, Any]:
    """``architecture`` as JSON.

    >>> part = RNNDecoder(hidden_size=64)
    >>> describe(Architecture(encoder=RNNEncoder(), decoder=part))["decoder"]["kind"]
    'rnn'
    """
    if isinstance(architecture, FusedArchitecture):
        return {name: describe(part) for name, part in vars(architecture).items()}
    description = asdict(architecture)
    for side, kinds in (("encoder", ENCODERS), ("decoder", DECODERS)):
        shape = getattr(architecture, side)
        if shape is None:
            continue
        kind = next(name for name, known in kinds.items() if type(shape) is known)
        description[side] = {"kind": kind, **description[side]}
    return description


def architecture_of(description: Mapping[str, Any]) -> Architecture | FusedArchitecture:
    """The architecture that :func:`describe` described.

    Raises:
        ValueError: the description lacks a part or names one that there is not, a field that the
            part does not have, or a value that it cannot have.
    """
    settings = dict(description)
    if "pretrained" in settings:
        for name, part in settings.items():
            if not isinstance(part, Mapping):
                raise ValueError(f"{name} must be the description of an architecture, got {part!r}")
            settings[name] = architecture_of(part)
        return _read(FusedArchitecture, settings, "a fused architecture")
    for side, kinds in (("encoder", ENCODERS), ("decoder", DECODERS)):
        part = settings.get(side)
        if side == "encoder" and side in settings and part is None:
            continue
        if not isinstance(part, Mapping):
            raise ValueError(f"{side} must be the description of a part, got {part!r}")
        part = dict(part)
        kind = part.pop("kind", None)
        check_choice("kind", kind, kinds)
        settings[side] = _read(kinds[kind], part, f"a {kind} {side}")
    return _read(Architecture, settings, "an architecture")


def build(
    description: Mapping[str, Any], vocabulary_size: int, target_vocabulary_size: int | None = None
) -> EncoderDecoder:
    """The model of a :func:`describe` description, with weights drawn anew.

    Raises:
        ValueError: as of :func:`architecture_of`, or the model cannot be built.
    """
    architecture = architecture_of(description)
    try:
        return architecture.build(vocabulary_size, target_vocabulary_size)
    except (TypeError, RuntimeError, OverflowError) as error:
        problem = str(error).splitlines()[0]
        raise ValueError(f"the architecture must be one that can be built: {problem}") from None


def _read(kind: type, settings: Mapping[str, Any], what: str) -> Any:
    """A dataclass from JSON: lists become tuples, and dicts the dataclasses of the fields."""
    hints = get_type_hints(kind)
    foreign = settings.keys() - {field.name for field in fields(kind)}
    if foreign:
        raise ValueError(f"{what} must not have {', '.join(sorted(foreign))}")
    read = {}
    for name, value in settings.items():
        if isinstance(value, list):
            value = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        if isinstance(value, Mapping):
            kinds = get_args(hints[name]) or (hints[name],)
            part = next((k for k in kinds if isinstance(k, type) and is_dataclass(k)), None)
            if part is None:
                raise ValueError(f"{name} of {what} must not have parts, got {dict(value)}")
            value = _read(part, value, f"the {name} of {what}")
        read[name] = value
    try:
        return kind(**read)
    except TypeError as error:
        raise ValueError(f"{what} must be one that can be built: {error}") from None


def _check_gradient(encoder: EncoderShape, decoder: DecoderShape) -> None:
    """Raise unless an encoder that divides a gradient by its consumers knows their number."""
    if isinstance(encoder, ConvEncoder) and isinstance(
        decoder, ConvDecoder | ConvSelfAttentionDecoder
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
    if is_parametrized(layer, "weight"):  # of what is shared nobody may normalise the weights
        remove_parametrizations(layer, "weight")
    layer.weight = embedding.weight
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
