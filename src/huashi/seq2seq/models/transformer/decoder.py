"""The Transformer's decoder: a target token attends to those before it, then to the source.

The state holds the keys and values of all tokens read, layer by layer, so that a step costs as much
as its own token does, and those of the source, made once. ``alignment`` is the mean over heads of
the last layer's attention to the source; in training it is zero unless ``aligns`` is set.

Vaswani et al.: Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from huashi._field_docs import with_field_docs
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory
from huashi.seq2seq.models.transformer.shape import TransformerShape
from huashi.seq2seq.models.transformer.sublayers import (
    FeedForward,
    Residual,
    attention_of,
    embedding_of,
    final_norm,
    xavier_linear,
)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class TransformerDecoderShape(TransformerShape):
    """A Transformer that writes the target; :meth:`build` makes the module."""

    alignment_heads: int | None = None
    """How many heads of the last layer, from its first, the alignment is the mean of; all by
    default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alignment_heads is not None and not 1 <= self.alignment_heads <= self.heads:
            raise ValueError(
                f"alignment_heads must be in [1, {self.heads}], got {self.alignment_heads}"
            )

    def build(self, embedding: nn.Embedding, memory_size: int) -> "TransformerDecoder":
        """A decoder of this shape with weights drawn anew, for a memory of so many features."""
        return TransformerDecoder(self, embedding, memory_size)


class LayerState(NamedTuple):
    """Keys and values of one layer, each (rows, heads, time, size // heads)."""

    k: Tensor
    """Keys of the tokens read."""
    v: Tensor
    """Values of the tokens read."""
    source_k: Tensor
    """Keys of the source."""
    source_v: Tensor
    """Values of the source."""


class State(NamedTuple):
    """What the decoder knows between two steps; one row a hypothesis."""

    layers: tuple[LayerState, ...]
    mask: Tensor
    """True at real positions of the source, (rows, source)."""
    alignment: Tensor
    """Attention weights of the tokens of the last call, (rows, tokens, source)."""


@built_from(TransformerDecoderShape)
class TransformerDecoder(nn.Module):
    """Layers of attention to the target so far and to the source.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
        memory_size: features of the memory.
    """

    layers: Any  # modules that have ``start`` too

    def __init__(
        self, shape: TransformerDecoderShape, embedding: nn.Embedding, memory_size: int
    ) -> None:
        super().__init__()
        self.size = shape.embedding_size
        self.embedding = embedding_of(shape, embedding)
        self.layers = nn.ModuleList(DecoderLayer(shape, memory_size) for _ in range(shape.layers))
        self.norm = final_norm(shape)
        self.alignment_heads = shape.alignment_heads
        self.aligns = False  # in training too, for a loss of it

    def head(self, vocabulary_size: int) -> nn.Linear:
        """The layer from features to logits."""
        return xavier_linear(self.size, vocabulary_size)

    def start(self, memory: Memory) -> State:
        """The state before the first step."""
        layers = tuple(layer.start(memory) for layer in self.layers)
        return State(layers, memory.mask, torch.zeros_like(memory.keys[:, None, :, 0]))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read ``tokens``, (batch, target); return features (batch, target, size)."""
        count, read = tokens.shape[1], state.layers[0].k.shape[2]
        x = self.embedding(tokens, start=read)
        past = None  # a single token sees all that was read
        if count > 1:
            past = torch.ones(count, read + count, dtype=torch.bool, device=x.device).tril(read)
        source = state.mask[:, None, None]
        layers, weights = [], None
        for number, (layer, known) in enumerate(zip(self.layers, state.layers, strict=True), 1):
            align = number == len(self.layers) and (self.aligns or not self.training)
            x, known, weights = layer(x, known, past, source, align)
            layers.append(known)
        if weights is not None:
            state = state._replace(alignment=weights[:, : self.alignment_heads].mean(1))
        return self.norm(x), state._replace(layers=tuple(layers))


class DecoderLayer(nn.Module):
    """Self-attention, attention to the source, then feed-forward."""

    def __init__(self, shape: TransformerShape, memory_size: int) -> None:
        super().__init__()
        self.attention = attention_of(shape)
        self.residual = Residual(shape)
        self.source_attention = attention_of(shape, memory_size)
        self.source_residual = Residual(shape)
        self.feed_forward = FeedForward(shape)

    def start(self, memory: Memory) -> LayerState:
        k, v = self.source_attention.project(memory.keys, memory.values)
        return LayerState(k[:, :, :0].detach(), v[:, :, :0].detach(), k, v)

    def forward(
        self, x: Tensor, state: LayerState, past: Tensor | None, source: Tensor, align: bool
    ) -> tuple[Tensor, LayerState, Tensor | None]:
        """Read ``x``, (rows, tokens, size), after what the state has read.

        Args:
            x: what the layer before made of the tokens.
            state: of this layer.
            past: True where a token sees another, (tokens, all tokens read); None for all.
            source: True at real positions of the source, (rows, 1, 1, source).
            align: make the weights of the source.

        Returns:
            Features of the shape of ``x``, the next state, and with ``align`` the weights, (rows,
            heads, tokens, source).
        """
        query = self.residual.before(x)
        k, v = self.attention.project(query)
        state = state._replace(k=torch.cat([state.k, k], 2), v=torch.cat([state.v, v], 2))
        context, _ = self.attention(query, state.k, state.v, past, need_weights=False)
        x = self.residual.after(x, context)
        context, weights = self.source_attention(
            self.source_residual.before(x),
            state.source_k,
            state.source_v,
            source,
            need_weights=align,
        )
        return self.feed_forward(self.source_residual.after(x, context)), state, weights
