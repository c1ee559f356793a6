"""The Transformer's encoder: every source position attends to all of them.

Vaswani et al.: Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762. The numbers that
a shape has by itself are those of its base model; its initialisation is Xavier's, embeddings are
from N(0, 1 / size).
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from huashi.seq2seq.attention.mappings import Mapping
from huashi.seq2seq.model.protocol import Memory, real_positions
from huashi.seq2seq.models.transformer.positions import (
    PositionalEmbedding,
    Positions,
    normal_embedding,
)
from huashi.seq2seq.models.transformer.sublayers import (
    FeedForward,
    Residual,
    attention_of,
    check_shape,
    final_norm,
)


@dataclass(frozen=True, kw_only=True)
class TransformerEncoder:
    """A Transformer that reads the source."""

    embedding_size: int = 512
    """Features of a token and of every layer, a multiple of ``heads``."""
    layers: int = 6
    """Layers, each with attention and a feed-forward part."""
    heads: int = 8
    """Heads of an attention."""
    feed_forward_size: int = 2048
    """Hidden units of a feed-forward part."""
    activation: Literal["relu", "gelu", "swish"] = "relu"
    """What follows the hidden units."""
    norm: Literal["pre", "post"] = "post"
    """Normalise the input of every part, and the last sum (pre), or the sum after it (post)."""
    layer_norm_eps: float = 1e-6
    """What a norm adds to the variance."""
    positions: Positions = "sinusoidal"
    """How positions are told apart: :mod:`huashi.seq2seq.models.transformer.positions`."""
    max_length: int = 1024
    """The most tokens where positions are learned."""
    scale_embeddings: bool = True
    """Multiply embeddings by the square root of their size."""
    mapping: Mapping = "softmax"
    """How scores become attention weights."""
    alpha: float = 1.5
    """That of the mapping ``entmax``, or where it starts."""
    learn_alpha: bool = False
    """Learn alpha, for each head by itself."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings, and of what a part adds."""
    attention_dropout: float = 0.0
    """Probability of dropping an attention weight."""

    def __post_init__(self) -> None:
        check_shape(self)

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return normal_embedding(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding) -> "_Encoder":
        """An encoder of this shape with weights drawn anew."""
        return _Encoder(self, embedding)


class _Encoder(nn.Module):
    """Layers of attention over the embedded source."""

    def __init__(self, shape: TransformerEncoder, embedding: nn.Embedding) -> None:
        super().__init__()
        self.size = shape.embedding_size
        self.embedding = PositionalEmbedding(shape, embedding)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.norm = final_norm(shape)

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
            x = layer(x, mask[:, None, None])
        x = self.norm(x).masked_fill(~mask[..., None], 0.0)
        return Memory(x, x, mask, source=source)


class _Layer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, shape: TransformerEncoder) -> None:
        super().__init__()
        self.attention = attention_of(shape)
        self.residual = Residual(shape)
        self.feed_forward = FeedForward(shape)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query = self.residual.before(x)
        k, v = self.attention.project(query)
        context, _ = self.attention(query, k, v, mask, need_weights=False)
        return self.feed_forward(self.residual.after(x, context))
