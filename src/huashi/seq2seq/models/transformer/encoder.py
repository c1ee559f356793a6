"""The Transformer's encoder: every source position attends to all of them.

Vaswani et al.: Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762. Weights are
initialised as Xavier's, embeddings are from N(0, 1 / size).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from huashi._field_docs import with_field_docs
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory, real_positions
from huashi.seq2seq.models.transformer.shape import TransformerShape
from huashi.seq2seq.models.transformer.sublayers import (
    FeedForward,
    Residual,
    attention_of,
    embedding_of,
    final_norm,
)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class TransformerEncoderShape(TransformerShape):
    """A Transformer that reads the source; :meth:`build` makes the module."""

    def build(self, embedding: nn.Embedding) -> "TransformerEncoder":
        """An encoder of this shape with weights drawn anew."""
        return TransformerEncoder(self, embedding)


@built_from(TransformerEncoderShape)
class TransformerEncoder(nn.Module):
    """Layers of attention over the embedded source: token ids, (batch, source), to a memory.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
    """

    def __init__(self, shape: TransformerEncoderShape, embedding: nn.Embedding) -> None:
        super().__init__()
        self.size = shape.embedding_size
        self.embedding = embedding_of(shape, embedding)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.layers))
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


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward: (batch, source, size) -> the same."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.attention = attention_of(shape)
        self.residual = Residual(shape)
        self.feed_forward = FeedForward(shape)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``mask``, (batch, 1, 1, source), is False at positions that nobody attends to."""
        query = self.residual.before(x)
        k, v = self.attention.project(query)
        context, _ = self.attention(query, k, v, mask, need_weights=False)
        return self.feed_forward(self.residual.after(x, context))
