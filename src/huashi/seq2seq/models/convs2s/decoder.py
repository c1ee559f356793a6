r"""The convolutional decoder with multi-step attention (ConvS2S: Gehring 2017, arXiv 1705.03122).

A layer sees the last k frames alone, and attends between its gate and the residual sum:

.. math:: d = (W_{in} x + g) \sqrt{1/2}, \quad a = \operatorname{mapping}(\operatorname{score}(d,
    z)), \quad x' = (W_{out} \sqrt m \textstyle\sum_s a_s v_s + x) \sqrt{1/2}

for target embeddings g, keys z, values v and m real source positions: the mean of m values of one
variance has 1/m of it. The alignment is the mean over the layers that attend.

Where we differ: m is the true length of the source, not the padded one, so that a sentence does not
depend on its neighbours; and attention may have another score or mapping than the dot product and
softmax.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from huashi._checks import check_positive
from huashi._dropout import Dropout
from huashi._field_docs import with_field_docs
from huashi.seq2seq.attention import AttentionShape
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory
from huashi.seq2seq.models.convs2s.gated_convolution import (
    HALF,
    GatedConvolution,
    Layers,
    PlacedEmbedding,
    check_sizes,
    embedding_table,
    linear,
    residual,
    widths,
)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class ConvDecoderShape:
    """A convolutional decoder that attends to the source in many layers; :meth:`build` makes the
    module.
    """

    embedding_size: int = 256
    """Features of a token."""
    layers: Layers = ((256, 3),) * 3
    """Channels and kernel size of each layer."""
    positions: int = 1024
    """The most tokens of a target, BOS counted."""
    attention: AttentionShape = field(default_factory=lambda: AttentionShape(score="dot"))
    """How a layer attends; a dot score wants a memory of ``embedding_size`` features."""
    attend: tuple[int, ...] | None = None
    """The layers that attend, counted from 0; None for all."""
    output_size: int | None = None
    """Features before the layer that makes logits; None for ``embedding_size``."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings, before each convolution, and at the end."""

    def __post_init__(self) -> None:
        check_sizes(self)
        check_subset("attend", self.attend, self.layers)
        if not self.attending:
            raise ValueError(f"attend must name a layer, got {self.attend!r}")
        if self.output_size is not None:
            check_positive("output_size", self.output_size)

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers that attend."""
        return tuple(range(len(self.layers))) if self.attend is None else self.attend

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return embedding_table(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding, memory_size: int) -> "ConvDecoder":
        """A decoder of this shape with weights drawn anew, for a memory of so many features."""
        return ConvDecoder(self, embedding, memory_size)


class LayerState(NamedTuple):
    """What one layer knows between two steps; one row a hypothesis."""

    frames: Tensor
    """The last kernel - 1 frames that the convolution saw, (rows, kernel - 1, channels)."""
    attention: Any
    """The state of its attention to the source, or None."""
    past: Any
    """The state of its self-attention, or None."""


class State(NamedTuple):
    """What the decoder knows between two steps; one row a hypothesis."""

    tokens: Tensor
    """What was read, (rows, target); its width is the next position."""
    layers: tuple[LayerState, ...]
    root: Tensor
    """The square root of the number of real source positions, (rows, 1, 1)."""
    alignment: Tensor
    """Attention weights of the tokens of the last call, their mean over layers, (rows, tokens,
    source)."""


@built_from(ConvDecoderShape)
class ConvDecoder(nn.Module):
    """Causal gated convolutions over the embedded target that attend to the source.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
        memory_size: features of the memory.
        self_attention: for some of the layers a module from ``(x, past, position)`` to ``(x,
            past)`` that follows its attention; ``module.start(keys)`` is the past before all.
    """

    layers: Any  # modules that have ``start`` too

    def __init__(
        self,
        shape: ConvDecoderShape,
        embedding: nn.Embedding,
        memory_size: int,
        self_attention: Mapping[int, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.size = shape.output_size or shape.embedding_size
        self.embedding = PlacedEmbedding("target", embedding, shape.positions, shape.dropout)
        self.first = linear(shape.embedding_size, shape.layers[0][0], shape.dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(
                GatedConvolution(*layer, shape.dropout),
                residual(*layer[:2]),
                LayerAttention(shape, layer[1], memory_size) if n in shape.attending else None,
                (self_attention or {}).get(n),
            )
            for n, layer in enumerate(widths(shape.layers))
        )
        self.last = linear(shape.layers[-1][0], self.size)
        self.dropout = Dropout(shape.dropout)

    def head(self, vocabulary_size: int) -> nn.Linear:
        """The layer from features to logits; it expects the decoder's dropout before it."""
        return linear(self.size, vocabulary_size, self.dropout.p)

    def start(self, memory: Memory) -> State:
        """The state before the first step: nothing was read, and frames are zero."""
        keys = memory.keys
        return State(
            torch.zeros(keys.shape[0], 0, dtype=torch.long, device=keys.device),
            tuple(layer.start(memory) for layer in self.layers),
            memory.mask.sum(1)[:, None, None].to(keys.dtype).sqrt(),
            torch.zeros_like(keys[:, None, :, 0]),
        )

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read ``tokens``, (batch, target); return features (batch, target, size)."""
        position = state.tokens.shape[1]
        embedded = self.embedding(tokens, position)
        x = self.first(embedded)
        layers, alignments = [], []
        for layer, known in zip(self.layers, state.layers, strict=True):
            x, weights, known = layer(x, embedded, known, state.root, position)
            layers.append(known)
            if weights is not None:
                alignments.append(weights)
        state = State(
            torch.cat([state.tokens, tokens], 1),
            tuple(layers),
            state.root,
            torch.stack(alignments).mean(0),
        )
        return self.dropout(self.last(x)), state


class DecoderLayer(nn.Module):
    """A gated convolution over the last frames, attention, and the residual sum."""

    self_attention: Any  # a module that has ``start`` too

    def __init__(
        self,
        convolution: GatedConvolution,
        residual: nn.Module,
        attention: "LayerAttention | None",
        self_attention: nn.Module | None,
    ) -> None:
        super().__init__()
        self.convolution = convolution
        self.residual = residual
        self.attention = attention
        self.self_attention = self_attention

    def start(self, memory: Memory) -> LayerState:
        convolution = self.convolution.convolution
        shape = memory.keys.shape[0], convolution.kernel_size[0] - 1, convolution.in_channels
        return LayerState(
            memory.keys.new_zeros(shape),
            self.attention and self.attention.start(memory),
            self.self_attention and self.self_attention.start(memory.keys),
        )

    def forward(
        self, x: Tensor, embedded: Tensor, state: LayerState, root: Tensor, position: int
    ) -> tuple[Tensor, Tensor | None, LayerState]:
        """(batch, target, channels) -> (batch, target, channels), attention weights, next state."""
        frames = torch.cat([state.frames, x], 1)
        residual, x = self.residual(x), self.convolution(frames)
        weights, attention, past = None, state.attention, state.past
        if self.attention is not None:
            x, weights, attention = self.attention(x, embedded, attention, root)
        if self.self_attention is not None:
            x, past = self.self_attention(x, past, position)
        kept = frames[:, frames.shape[1] - state.frames.shape[1] :]
        return (x + residual) * HALF, weights, LayerState(kept, attention, past)


class LayerAttention(nn.Module):
    """Attention of one layer to the source, and the sum with what asked."""

    def __init__(self, shape: ConvDecoderShape, channels: int, memory_size: int) -> None:
        super().__init__()
        self.query = linear(channels, shape.embedding_size)
        self.attention = shape.attention.build(shape.embedding_size, memory_size)
        self.output = linear(memory_size, channels)

    def start(self, memory: Memory) -> Any:
        return self.attention.start(memory)

    def forward(
        self, x: Tensor, embedded: Tensor, state: Any, root: Tensor
    ) -> tuple[Tensor, Tensor, Any]:
        """(batch, target, channels) -> (batch, target, channels), attention weights, next state."""
        query = (self.query(x) + embedded) * HALF
        context, weights, state = self.attention(query, state)
        return (self.output(context * root) + x) * HALF, weights, state


def check_subset(name: str, chosen: tuple[int, ...] | None, layers: Layers) -> None:
    """Raise unless ``chosen`` are different numbers of layers, or None."""
    if chosen is None:
        return
    if len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(len(layers))):
        raise ValueError(
            f"{name} must be different numbers from 0 to {len(layers) - 1}, got {chosen!r}"
        )
