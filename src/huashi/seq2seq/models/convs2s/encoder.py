r"""The convolutional encoder (ConvS2S: Gehring 2017, arXiv 1705.03122).

A layer is a gated convolution around each position, :math:`x' = (\operatorname{glu}(W * x) + x)
\sqrt{1/2}`. With e the embeddings of tokens and their positions and z what the layers make of it,
the memory has the keys z and the values :math:`(z + e) \sqrt{1/2}`. The layers of the decoder that
attend share z: its gradient, but not that of e, is divided by twice their number. The paper says
their number; the 2 is in the authors' fairseq.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_positive
from huashi._field_docs import with_field_docs
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory, real_positions
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
class ConvEncoderShape:
    """A convolutional encoder, where a source position sees its neighbours; :meth:`build` makes the
    module.
    """

    embedding_size: int = 256
    """Features of a token, and of the memory."""
    layers: Layers = ((256, 3),) * 4
    """Channels and kernel size of each layer; an even kernel sees one more to the right."""
    positions: int = 1024
    """The most tokens of a source, EOS counted."""
    attention_layers: int = 3
    """Layers of the decoder that attend; the gradient of the keys is divided by twice as many."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings and before each convolution."""

    def __post_init__(self) -> None:
        check_sizes(self)
        check_positive("attention_layers", self.attention_layers)

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return embedding_table(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding) -> "ConvEncoder":
        """An encoder of this shape with weights drawn anew."""
        return ConvEncoder(self, embedding)


@built_from(ConvEncoderShape)
class ConvEncoder(nn.Module):
    """Gated convolutions over the embedded source: token ids, (batch, source), to a memory.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
    """

    def __init__(self, shape: ConvEncoderShape, embedding: nn.Embedding) -> None:
        super().__init__()
        self.size = shape.embedding_size
        self.gradient = 1 / (2 * shape.attention_layers)
        self.embedding = PlacedEmbedding("source", embedding, shape.positions, shape.dropout)
        self.first = linear(self.size, shape.layers[0][0], shape.dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(*layer, shape.dropout) for layer in widths(shape.layers)
        )
        self.last = linear(shape.layers[-1][0], self.size)

    def forward(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode.

        Args:
            source: token ids, (batch, source).
            lengths: true lengths, (batch,); what lies beyond them changes nothing.

        Returns:
            Keys and values, (batch, source, embedding), zero beyond the length.
        """
        mask = real_positions(lengths, source.shape[1], source.device)
        embedded = self.embedding(source)
        x = self.first(embedded)
        for layer in self.layers:
            x = layer(x, mask[..., None])
        z = _scale_gradient(self.last(x), self.gradient)
        keys, values = (y * mask[..., None] for y in (z, (z + embedded) * HALF))
        return Memory(keys, values, mask, source=source)


class EncoderLayer(nn.Module):
    """A gated convolution around each position, and the residual sum."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.padding = (kernel_size - 1) // 2, kernel_size // 2
        self.convolution = GatedConvolution(in_channels, channels, kernel_size, dropout)
        self.residual = residual(in_channels, channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(batch, source, channels) of which those where ``mask`` is False count as zero."""
        frames = F.pad(x * mask, (0, 0, *self.padding))
        return (self.convolution(frames) + self.residual(x)) * HALF


def _scale_gradient(x: Tensor, scale: float) -> Tensor:
    """``x`` as it is, its gradient times ``scale``."""
    return x.detach() + scale * (x - x.detach())
