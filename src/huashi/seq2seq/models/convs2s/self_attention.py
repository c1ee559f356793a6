r"""A convolutional decoder with gated multi-scale self-attention (Fan 2018, arXiv 1805.04833).

The stories' decoder is that of ConvS2S, whose layers also attend to their own past: an output x
becomes :math:`\operatorname{norm}(x + W [h_1; h_2; \dots])`. Head h sees the past at one scale: of
the tokens before a position t those at 0, s, 2s, ... for its stride s.

.. math:: h_t = W_h \sum_j a_{tj} v_j, \qquad a_t = \operatorname{softmax}(0, q_t^\top k_0 / \sqrt
    d, q_t^\top k_s / \sqrt d, \dots)

The 0 is the score of an empty place, so that a head can attend to nothing, as all do at position 0.
Queries, keys and values are three linear layers deep, with gates between them.

Where we differ from the authors' fairseq: attention to the source is that of ConvS2S, with its
residual sum and its scaling, not one with heads; and all weights are normalised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._field_docs import with_field_docs
from huashi.seq2seq.attention import AttentionShape
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.models.convs2s.decoder import ConvDecoder, ConvDecoderShape, check_subset
from huashi.seq2seq.models.convs2s.gated_convolution import Layers, embedding_table, linear
from huashi.seq2seq.operations.reference import scaled_products


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class ConvSelfAttentionDecoderShape:
    """A convolutional decoder that attends to the source and to its own past at many scales;
    :meth:`build` makes the module.
    """

    embedding_size: int = 256
    """Features of a token, and of all heads together."""
    layers: Layers = ((256, 3),) * 3
    """Channels and kernel size of each layer."""
    positions: int = 1024
    """The most tokens of a target, BOS counted."""
    attention: AttentionShape = field(default_factory=lambda: AttentionShape(score="dot"))
    """How a layer attends to the source; a dot score wants ``embedding_size`` features of it."""
    attend: tuple[int, ...] | None = None
    """The layers that attend to the source, counted from 0; None for all."""
    strides: tuple[int, ...] = (1, 2, 3, 4)
    """A head for each: of the past it sees one token of so many."""
    self_attend: tuple[int, ...] | None = None
    """The layers that attend to the past, counted from 0; None for all."""
    gated: bool = True
    """Queries, keys and values are deep and gated, or linear."""
    output_size: int | None = None
    """Features before the layer that makes logits; None for ``embedding_size``."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings, before each convolution, and at the end."""

    def __post_init__(self) -> None:
        check_subset("self_attend", self.self_attend, self.convolutional.layers)
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides must be one or more, each >= 1, got {self.strides!r}")
        if self.embedding_size % len(self.strides):
            raise ValueError(
                f"embedding_size must be a multiple of the number of strides, "
                f"{len(self.strides)}, got {self.embedding_size}"
            )

    @property
    def convolutional(self) -> ConvDecoderShape:
        """The same without self-attention."""
        return ConvDecoderShape(**{f.name: getattr(self, f.name) for f in fields(ConvDecoderShape)})

    @property
    def attending(self) -> tuple[int, ...]:
        """The layers that attend to the source."""
        return self.convolutional.attending

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return embedding_table(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding, memory_size: int) -> "ConvSelfAttentionDecoder":
        """A decoder of this shape with weights drawn anew, for a memory of so many features."""
        return ConvSelfAttentionDecoder(self, embedding, memory_size)


@built_from(ConvSelfAttentionDecoderShape)
class ConvSelfAttentionDecoder(ConvDecoder):
    """A :class:`ConvDecoder` whose layers attend to the past of the target too.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
        memory_size: features of the memory.
    """

    def __init__(
        self, shape: ConvSelfAttentionDecoderShape, embedding: nn.Embedding, memory_size: int
    ) -> None:
        size, strides = shape.embedding_size, shape.strides
        own = {
            n: MultiScaleSelfAttention(channels, size, strides, gated=shape.gated)
            for n, (channels, _) in enumerate(shape.layers)
            if shape.self_attend is None or n in shape.self_attend
        }
        super().__init__(shape.convolutional, embedding, memory_size, own)


class Past(NamedTuple):
    """What a head knows between two steps; one row a hypothesis."""

    keys: Tensor
    """Of the tokens it sees, (rows, tokens, features)."""
    values: Tensor
    """Of the tokens it sees, (rows, tokens, features)."""


class MultiScaleSelfAttention(nn.Module):
    """Self-attention with a head for each stride, the residual sum, and its normalisation.

    Args:
        channels: features that come in and go out.
        size: features of all heads together.
        strides: of the past each head sees one token of so many.
        gated: queries, keys and values are deep and gated, or linear.
    """

    def __init__(
        self, channels: int, size: int, strides: Sequence[int], *, gated: bool = True
    ) -> None:
        super().__init__()
        self.features = size // len(strides)
        self.inputs = nn.ModuleList(linear(channels, size) for _ in range(3))
        self.heads = nn.ModuleList(Head(size, self.features, stride, gated) for stride in strides)
        self.output = linear(size, channels)
        self.norm = nn.LayerNorm(channels)

    def start(self, like: Tensor) -> tuple[Past, ...]:
        """What the heads know before the first step: nothing, for the rows of ``like``."""
        nothing = like.new_zeros(like.shape[0], 0, self.features)
        return (Past(nothing, nothing),) * len(self.heads)

    def forward(
        self, x: Tensor, past: tuple[Past, ...], position: int
    ) -> tuple[Tensor, tuple[Past, ...]]:
        """Attend to what came before each of ``x``.

        Args:
            x: (rows, target, channels), the first of them at ``position``.
            past: :meth:`start`, or what the last call returned.
            position: how many came before this call.

        Returns:
            The normalised sum, (rows, target, channels), and the past with ``x``.
        """
        query, key, value = (layer(x) for layer in self.inputs)
        found = [
            head(query, key, value, known, position)
            for head, known in zip(self.heads, past, strict=True)
        ]
        contexts, past = zip(*found, strict=True)
        return self.norm(x + self.output(torch.cat(contexts, -1))), past


class Head(nn.Module):
    """Attention to every token before, or one of so many.

    Args:
        size: features that queries, keys and values are made from.
        features: features of a query, a key, a value and the context.
        stride: the head sees the tokens at its multiples.
        gated: queries, keys and values are deep and gated, or linear.
    """

    def __init__(self, size: int, features: int, stride: int, gated: bool) -> None:
        super().__init__()
        self.stride = stride
        make = _gated_linear if gated else linear
        self.query, self.key, self.value = (make(size, features) for _ in range(3))
        self.output = linear(features, features)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, past: Past, position: int
    ) -> tuple[Tensor, Past]:
        """(rows, target, size) three times -> contexts (rows, target, features), and the past."""
        fresh = slice(-position % self.stride, None, self.stride)  # the multiples among them
        past = Past(
            torch.cat([past.keys, self.key(key[:, fresh])], 1),
            torch.cat([past.values, self.value(value[:, fresh])], 1),
        )
        scores = scaled_products(self.query(query), past.keys)
        asking = torch.arange(position, position + query.shape[1], device=query.device)
        asked = self.stride * torch.arange(past.keys.shape[1], device=query.device)
        scores = scores.masked_fill(asked >= asking[:, None], -torch.inf)
        weights = F.pad(scores, (1, 0)).softmax(-1)[..., 1:]  # the first place holds nothing
        return self.output(weights.to(past.values.dtype) @ past.values), past

    def extra_repr(self) -> str:
        return f"stride={self.stride}"


def _gated_linear(in_features: int, out_features: int) -> nn.Sequential:
    """Three layers, the first two of them gated."""
    return nn.Sequential(
        linear(in_features, 4 * out_features),
        nn.GLU(),
        linear(2 * out_features, 2 * out_features),
        nn.GLU(),
        linear(out_features, out_features),
    )
