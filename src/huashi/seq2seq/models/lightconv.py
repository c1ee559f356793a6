r"""Encoder and decoder of lightweight or dynamic convolutions (Wu 2019, arXiv 1901.10430).

They are a Transformer's with another layer in the place of its self-attention,

.. math:: f(x) = W_o \operatorname{conv}(\operatorname{glu}(W_i x)),

whose kernels grow from layer to layer; the decoder's attention to the source, the feed-forward
parts, norms and positions are those of :mod:`huashi.seq2seq.models.transformer`, and the alignment
is that of its decoder. The convolutions are those of :mod:`huashi.convolution.lightweight`.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice
from huashi._field_docs import with_field_docs
from huashi.convolution.lightweight import DynamicConv1d, LightweightConv1d
from huashi.convolution.separable import Padding
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory, real_positions
from huashi.seq2seq.models.transformer.positions import normal_embedding
from huashi.seq2seq.models.transformer.shape import TransformerShape
from huashi.seq2seq.models.transformer.sublayers import (
    FeedForward,
    Residual,
    attention_of,
    embedding_of,
    final_norm,
    xavier_linear,
)

Kind = Literal["lightweight", "dynamic"]
CONVOLUTIONS = {"lightweight": LightweightConv1d, "dynamic": DynamicConv1d}
ENCODER_KERNELS = (3, 7, 15, 31, 31, 31, 31)
DECODER_KERNELS = (3, 7, 15, 31, 31, 31)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class LightConvShape:
    """What the encoder and the decoder have in common."""

    convolution: Kind = "lightweight"
    """Kernels that are learned, or made of each position's frame."""
    embedding_size: int = 512
    """Features of a token and of every layer, even and a multiple of ``heads``."""
    kernels: tuple[int, ...] = ENCODER_KERNELS
    """The kernel size of each layer."""
    heads: int = 8
    """Kernels of a layer, and in a decoder heads of its attention to the source."""
    feed_forward_size: int = 2048
    """Hidden units of a feed-forward part."""
    norm: Literal["pre", "post"] = "post"
    """Normalise the input of every part, and the last sum (pre), or the sum after it (post)."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings, and of what a part adds."""
    weight_dropout: float = 0.1
    """Probability of dropping a weight of a kernel."""

    def __post_init__(self) -> None:
        check_choice("convolution", self.convolution, CONVOLUTIONS)
        if not self.kernels or not all(type(k) is int and k > 0 for k in self.kernels):
            raise ValueError(f"kernels must be sizes > 0, one a layer, got {self.kernels!r}")
        _ = self.transformer  # which checks the rest
        if not 0 <= self.weight_dropout < 1:
            raise ValueError(f"weight_dropout must be in [0, 1), got {self.weight_dropout}")

    @property
    def transformer(self) -> TransformerShape:
        """The shape of all that is as in a Transformer."""
        return TransformerShape(
            embedding_size=self.embedding_size,
            layers=len(self.kernels),
            heads=self.heads,
            feed_forward_size=self.feed_forward_size,
            norm=self.norm,
            dropout=self.dropout,
        )

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that ``build`` takes, drawn anew."""
        return normal_embedding(vocabulary_size, self.embedding_size)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class LightConvEncoderShape(LightConvShape):
    """Lightweight or dynamic convolutions that read the source; :meth:`build` makes the module."""

    def build(self, embedding: nn.Embedding) -> "LightConvEncoder":
        """An encoder of this shape with weights drawn anew."""
        return LightConvEncoder(self, embedding)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class LightConvDecoderShape(LightConvShape):
    """Causal lightweight or dynamic convolutions that write the target; :meth:`build` makes the
    module.
    """

    kernels: tuple[int, ...] = DECODER_KERNELS
    """The kernel size of each layer."""
    attention_dropout: float = 0.0
    """Probability of dropping an attention weight."""

    @property
    def transformer(self) -> TransformerShape:
        """The shape of all that is as in a Transformer."""
        return replace(super().transformer, attention_dropout=self.attention_dropout)

    def build(self, embedding: nn.Embedding, memory_size: int) -> "LightConvDecoder":
        """A decoder of this shape with weights drawn anew, for a memory of so many features."""
        return LightConvDecoder(self, embedding, memory_size)


class LayerState(NamedTuple):
    """What one layer knows between two steps; one row a hypothesis."""

    frames: Tensor
    """The last kernel - 1 frames that the convolution saw, (rows, kernel - 1, features)."""
    k: Tensor
    """Keys of the source, (rows, heads, source, size // heads)."""
    v: Tensor
    """Values of the source."""


class State(NamedTuple):
    """What the decoder knows between two steps; one row a hypothesis."""

    tokens: Tensor
    """What was read, (rows, target); its width is the next position."""
    layers: tuple[LayerState, ...]
    mask: Tensor
    """True at real positions of the source, (rows, source)."""
    alignment: Tensor
    """Attention weights of the tokens of the last call, (rows, tokens, source)."""


@built_from(LightConvEncoderShape)
class LightConvEncoder(nn.Module):
    """Convolutions around each position of the source: token ids, (batch, source), to a memory.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
    """

    def __init__(self, shape: LightConvEncoderShape, embedding: nn.Embedding) -> None:
        super().__init__()
        around = shape.transformer
        self.size = shape.embedding_size
        self.embedding = embedding_of(around, embedding)
        self.layers = nn.ModuleList(
            EncoderLayer(Mixing(shape, kernel, "same"), around) for kernel in shape.kernels
        )
        self.norm = final_norm(around)

    def forward(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode.

        Args:
            source: token ids, (batch, source).
            lengths: true lengths, (batch,); what lies beyond them changes nothing.

        Returns:
            Features (batch, source, size), zero beyond the length, as keys and as values.
        """
        mask = real_positions(lengths, source.shape[1], source.device)
        x = self.embedding(source)
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x).masked_fill(~mask[..., None], 0.0)
        return Memory(x, x, mask, source=source)


@built_from(LightConvDecoderShape)
class LightConvDecoder(nn.Module):
    """Causal convolutions over the embedded target, each followed by attention to the source.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
        memory_size: features of the memory.
    """

    layers: Any  # modules that have ``start`` too

    def __init__(
        self, shape: LightConvDecoderShape, embedding: nn.Embedding, memory_size: int
    ) -> None:
        super().__init__()
        around = shape.transformer
        self.size = shape.embedding_size
        self.embedding = embedding_of(around, embedding)
        self.layers = nn.ModuleList(
            DecoderLayer(Mixing(shape, kernel, "valid"), around, memory_size)
            for kernel in shape.kernels
        )
        self.norm = final_norm(around)
        self.aligns = False  # in training too, for a loss of it

    def head(self, vocabulary_size: int) -> nn.Linear:
        """The layer from features to logits."""
        return xavier_linear(self.size, vocabulary_size)

    def start(self, memory: Memory) -> State:
        """The state before the first step: nothing was read, and frames are zero."""
        mask = memory.mask
        nothing = torch.zeros(len(mask), 0, dtype=torch.long, device=mask.device)
        layers = tuple(layer.start(memory) for layer in self.layers)
        return State(nothing, layers, mask, torch.zeros_like(memory.keys[:, None, :, 0]))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read ``tokens``, (batch, target); return features (batch, target, size)."""
        x = self.embedding(tokens, start=state.tokens.shape[1])
        layers, weights = [], None
        for number, (layer, known) in enumerate(zip(self.layers, state.layers, strict=True), 1):
            align = number == len(self.layers) and (self.aligns or not self.training)
            x, weights, known = layer(x, known, state.mask[:, None, None], align)
            layers.append(known)
        if weights is not None:
            state = state._replace(alignment=weights.mean(1))
        tokens = torch.cat([state.tokens, tokens], 1)
        return self.norm(x), state._replace(tokens=tokens, layers=tuple(layers))


class Mixing(nn.Module):
    """What stands in the place of self-attention: a gated projection, convolution, projection;
    (batch, time, size) -> the same.
    """

    def __init__(self, shape: LightConvShape, kernel: int, padding: Padding) -> None:
        super().__init__()
        size = shape.embedding_size
        self.input = xavier_linear(size, 2 * size)
        self.reach = kernel - 1
        self.convolution = CONVOLUTIONS[shape.convolution](
            size, shape.heads, kernel, padding=padding, dropout=shape.weight_dropout
        )
        self.output = xavier_linear(size, size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.output(self.convolution(F.glu(self.input(x)), mask))

    def start(self, like: Tensor) -> Tensor:
        """The frames before the first one: zeros."""
        return like.new_zeros(len(like), self.reach, self.output.in_features)

    def resume(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Go on after the last frames; return them anew too."""
        frames = torch.cat([frames, F.glu(self.input(x))], 1)
        return self.output(self.convolution(frames)), frames[:, x.shape[1] :]


class EncoderLayer(nn.Module):
    """Convolution, then feed-forward: (batch, source, size) -> the same."""

    def __init__(self, mixing: Mixing, around: TransformerShape) -> None:
        super().__init__()
        self.mixing = mixing
        self.residual = Residual(around)
        self.feed_forward = FeedForward(around)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        mixed = self.mixing(self.residual.before(x), mask)
        return self.feed_forward(self.residual.after(x, mixed))


class DecoderLayer(nn.Module):
    """Causal convolution, attention to the source, then feed-forward."""

    def __init__(self, mixing: Mixing, around: TransformerShape, memory_size: int) -> None:
        super().__init__()
        self.mixing = mixing
        self.residual = Residual(around)
        self.attention = attention_of(around, memory_size)
        self.source_residual = Residual(around)
        self.feed_forward = FeedForward(around)

    def start(self, memory: Memory) -> LayerState:
        projected = self.attention.project(memory.keys, memory.values)
        return LayerState(self.mixing.start(memory.keys), *projected)

    def forward(
        self, x: Tensor, state: LayerState, source: Tensor, align: bool
    ) -> tuple[Tensor, Tensor | None, LayerState]:
        """Features, with ``align`` the weights of the source, and the next state."""
        mixed, frames = self.mixing.resume(self.residual.before(x), state.frames)
        x = self.residual.after(x, mixed)
        query = self.source_residual.before(x)
        context, weights = self.attention(query, state.k, state.v, source, need_weights=align)
        x = self.feed_forward(self.source_residual.after(x, context))
        return x, weights, state._replace(frames=frames)
