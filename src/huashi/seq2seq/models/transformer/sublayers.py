r"""What the Transformer's layers are made of: residuals with their norms, feed-forward layers.

.. math:: y = \operatorname{norm}(x + f(x)) \text{ (post)}, \qquad
    y = x + f(\operatorname{norm}(x)) \text{ (pre)}

for f the attention or the feed-forward layer :math:`W_2 \sigma(W_1 x + b_1) + b_2`. The paper has
``post``; ``pre``, of its own program's later versions, also learns when it is deep.
"""

from torch import Tensor, nn

from huashi._dropout import Dropout
from huashi.seq2seq.attention.multi_head import MultiHeadAttention
from huashi.seq2seq.models.transformer.positions import PositionalEmbedding
from huashi.seq2seq.models.transformer.shape import TransformerShape

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}


class Residual(nn.Module):
    """What stands around a layer: its norm, dropout of its output, and the sum with its input."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.pre = shape.norm == "pre"
        self.norm = nn.LayerNorm(shape.embedding_size, shape.layer_norm_eps)
        self.dropout = Dropout(shape.dropout)

    def before(self, x: Tensor) -> Tensor:
        """The layer's input."""
        return self.norm(x) if self.pre else x

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of ``x`` and ``y``, the layer's output for :meth:`before` of ``x``."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)


class FeedForward(nn.Module):
    """Two layers with an activation between, for every position by itself, and their residual."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.residual = Residual(shape)
        self.inner = xavier_linear(shape.embedding_size, shape.feed_forward_size)
        self.activation = ACTIVATIONS[shape.activation]()
        self.outer = xavier_linear(shape.feed_forward_size, shape.embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.inner(self.residual.before(x)))
        return self.residual.after(x, self.outer(hidden))


def embedding_of(shape: TransformerShape, embedding: nn.Embedding) -> PositionalEmbedding:
    """Embeddings with positions as ``shape`` has them."""
    return PositionalEmbedding(
        embedding,
        shape.positions,
        scale=shape.embedding_size**0.5 if shape.scale_embeddings else 1.0,
        max_length=shape.max_length,
        dropout=shape.dropout,
    )


def attention_of(shape: TransformerShape, memory_size: int | None = None) -> MultiHeadAttention:
    """Attention as ``shape`` has it, to a memory of so many features."""
    return MultiHeadAttention(
        shape.embedding_size,
        shape.heads,
        key_size=memory_size,
        mapping=shape.mapping,
        alpha=shape.alpha,
        learn_alpha=shape.learn_alpha,
        dropout=shape.attention_dropout,
    )


def final_norm(shape: TransformerShape) -> nn.Module:
    """The norm after the last layer: with ``pre`` nothing else has normalised the sum."""
    if shape.norm == "post":
        return nn.Identity()
    return nn.LayerNorm(shape.embedding_size, shape.layer_norm_eps)


def xavier_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, its weights Xavier-uniform, its biases zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
