"""What the Transformer's encoder and decoder have in common: sizes, norms, positions, attention."""

from dataclasses import dataclass
from typing import Literal, get_args

from torch import nn

from huashi._checks import check_choice, check_positive
from huashi._field_docs import with_field_docs
from huashi.seq2seq.attention.mappings import Mapping
from huashi.seq2seq.attention.multi_head import check_heads
from huashi.seq2seq.models.transformer.positions import Positions, normal_embedding

Activation = Literal["relu", "gelu", "swish"]


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class TransformerShape:
    """Either side of a Transformer. The numbers by default are those of the paper's base model."""

    embedding_size: int = 512
    """Features of a token and of every layer, a multiple of ``heads``."""
    layers: int = 6
    """Layers, each with attention and a feed-forward part."""
    heads: int = 8
    """Heads of an attention."""
    feed_forward_size: int = 2048
    """Hidden units of a feed-forward part."""
    activation: Activation = "relu"
    """What follows the hidden units."""
    norm: Literal["pre", "post"] = "post"
    """Normalise the input of every part, and the last sum (pre), or the sum after it (post)."""
    layer_norm_eps: float = 1e-6
    """What a norm adds to the variance."""
    positions: Positions = "sinusoidal"
    """The codes of positions: :mod:`huashi.seq2seq.models.transformer.positions`."""
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
        check_heads(self.embedding_size, self.heads)
        for name in ("layers", "feed_forward_size", "max_length", "alpha", "layer_norm_eps"):
            check_positive(name, getattr(self, name))
        for name in ("dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        check_choice("activation", self.activation, get_args(Activation))
        check_choice("norm", self.norm, ("pre", "post"))
        check_choice("positions", self.positions, get_args(Positions))
        check_choice("mapping", self.mapping, get_args(Mapping))
        if self.positions != "learned" and self.embedding_size % 2:
            raise ValueError(
                f"embedding_size must be even for {self.positions} positions, got "
                f"{self.embedding_size}"
            )

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that ``build`` takes, drawn anew."""
        return normal_embedding(vocabulary_size, self.embedding_size)
