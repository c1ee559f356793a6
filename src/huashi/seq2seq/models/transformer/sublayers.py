r"""What the Transformer's layers are made of: residuals with their norms, feed-forward layers.

.. math:: y = \operatorname{norm}(x + f(x)) \text{ (post)}, \qquad
    y = x + f(\operatorname{norm}(x)) \text{ (pre)}

for f the attention or the feed-forward layer :math:`W_2 \sigma(W_1 x + b_1) + b_2`. The paper has
``post``; ``pre``, of its own program's later versions, also learns when it is deep.
"""

from typing import Any, get_args

from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi._dropout import Dropout
from huashi.seq2seq.attention.mappings import Mapping
from huashi.seq2seq.attention.multi_head import MultiHeadAttention, check_heads
from huashi.seq2seq.models.transformer.positions import Positions

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}


class Residual(nn.Module):
    """What stands around a layer: its norm, dropout of what it says, and the sum with its input."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.pre = shape.norm == "pre"
        self.norm = nn.LayerNorm(shape.embedding_size, shape.layer_norm_eps)
        self.dropout = Dropout(shape.dropout)

    def before(self, x: Tensor) -> Tensor:
        """The layer's input."""
        return self.norm(x) if self.pre else x

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        """``x`` and what the layer says to :meth:`before` of it, together."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)


class FeedForward(nn.Module):
    """Two layers with an activation between, for every position by itself, and their residual."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.residual = Residual(shape)
        self.inner = xavier_linear(shape.embedding_size, shape.feed_forward_size)
        self.activation = ACTIVATIONS[shape.activation]()
        self.outer = xavier_linear(shape.feed_forward_size, shape.embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.inner(self.residual.before(x)))
        return self.residual.after(x, self.outer(hidden))


def attention_of(shape: Any, memory_size: int | None = None) -> MultiHeadAttention:
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


def final_norm(shape: Any) -> nn.Module:
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


def check_shape(shape: Any) -> None:
    """Raise unless a Transformer of this shape can be built."""
    check_heads(shape.embedding_size, shape.heads)
    for name in ("layers", "feed_forward_size", "max_length", "alpha", "layer_norm_eps"):
        check_positive(name, getattr(shape, name))
    for name in ("dropout", "attention_dropout"):
        if not 0 <= getattr(shape, name) < 1:
            raise ValueError(f"{name} must be in [0, 1), got {getattr(shape, name)}")
    check_choice("activation", shape.activation, ACTIVATIONS)
    check_choice("norm", shape.norm, ("pre", "post"))
    check_choice("positions", shape.positions, get_args(Positions))
    check_choice("mapping", shape.mapping, get_args(Mapping))
    if shape.positions != "learned" and shape.embedding_size % 2:
        raise ValueError(
            f"embedding_size must be even for {shape.positions} positions, got "
            f"{shape.embedding_size}"
        )
