r"""Gated convolutions over time: weight-normalised, and drawn so that variance stays what it is.

.. math:: h = a \otimes \sigma(b), \qquad [a; b] = W * \operatorname{dropout}(x)

(Dauphin 2016, arXiv 1612.08083). Where the n numbers that an output is made of have one variance
and dropout takes a share p of them, weights of variance :math:`(1 - p) / n` keep it; before a gate,
which at 0 is one half, they have :math:`4 (1 - p) / n`. Two signals are added as
:math:`(x + y) \sqrt{1/2}` (Gehring 2017, arXiv 1705.03122, section 3.5). Weights are a length times
a direction (Salimans 2016, arXiv 1602.07868), which costs a pass over them at every call: inside
``torch.nn.utils.parametrize.cached()`` a search pays it once.
"""

from math import sqrt
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from huashi._checks import check_positive
from huashi._dropout import Dropout

HALF = sqrt(0.5)  # the sum of two independent signals times this has the variance of one
EMBEDDING_STD = 0.1

Layers = tuple[tuple[int, int], ...]
"""Channels and kernel size of each layer."""


class Sized(Protocol):
    """What the parts made of gated convolutions have in common."""

    @property
    def embedding_size(self) -> int: ...
    @property
    def layers(self) -> Layers: ...
    @property
    def positions(self) -> int: ...
    @property
    def dropout(self) -> float: ...


class GatedConvolution(nn.Module):
    """Convolution and gate, (batch, target + kernel_size - 1, in) -> (batch, target, out).

    Args:
        in_channels: features of a frame.
        out_channels: features after the gate.
        kernel_size: frames that make one; there is no padding.
        dropout: probability of dropping a feature of a frame.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.convolution = nn.Conv1d(in_channels, 2 * out_channels, kernel_size)
        _draw(self.convolution, 4 * (1 - dropout) / (kernel_size * in_channels))

    def forward(self, frames: Tensor) -> Tensor:
        halves = self.convolution(self.dropout(frames).transpose(1, 2))
        return F.glu(halves, dim=1).transpose(1, 2)


class PlacedEmbedding(nn.Module):
    """Embeddings of tokens plus learned embeddings of their positions: (batch, time) -> (batch,
    time, features).

    Args:
        what: what the tokens are, for an error.
        tokens: the table of tokens.
        positions: how many of them there are.
        dropout: probability of dropping a feature of the sum.
    """

    def __init__(self, what: str, tokens: nn.Embedding, positions: int, dropout: float) -> None:
        super().__init__()
        self.what = what
        self.tokens = tokens
        self.positions = embedding_table(positions, tokens.embedding_dim)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """The first token is at position ``start``."""
        end = start + tokens.shape[1]
        if end > self.positions.num_embeddings:
            raise ValueError(
                f"{self.what} must have at most the {self.positions.num_embeddings} positions "
                f"that the model knows, got {end}"
            )
        places = torch.arange(start, end, device=tokens.device)
        return self.dropout(self.tokens(tokens) + self.positions(places))


def linear(in_features: int, out_features: int, dropout: float = 0.0) -> nn.Linear:
    """A weight-normalised layer that keeps the variance of what dropout let through."""
    layer = nn.Linear(in_features, out_features)
    _draw(layer, (1 - dropout) / in_features)
    return layer


def embedding_table(count: int, size: int) -> nn.Embedding:
    """A table drawn from N(0, 0.1^2)."""
    table = nn.Embedding(count, size)
    nn.init.normal_(table.weight, std=EMBEDDING_STD)
    return table


def widths(layers: Layers) -> list[tuple[int, int, int]]:
    """Channels in, channels out and kernel size of each layer.

    >>> widths(((4, 3), (8, 2)))
    [(4, 4, 3), (4, 8, 2)]
    """
    before = [layers[0][0], *(channels for channels, _ in layers)]
    return [(size, *layer) for size, layer in zip(before, layers, strict=False)]


def residual(in_channels: int, channels: int) -> nn.Module:
    """What is added to a layer's output: its input, projected where the widths differ."""
    return nn.Identity() if in_channels == channels else linear(in_channels, channels)


def check_sizes(shape: Sized) -> None:
    """Raise unless a part's sizes are positive and its layers pairs of positive integers."""
    for name in ("embedding_size", "positions"):
        check_positive(name, getattr(shape, name))
    if not 0 <= shape.dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {shape.dropout}")
    layers = shape.layers
    pairs = isinstance(layers, tuple) and len(layers) > 0
    for layer in layers if pairs else ():
        pairs = pairs and isinstance(layer, tuple) and len(layer) == 2
        pairs = pairs and all(type(number) is int and number > 0 for number in layer)
    if not pairs:
        raise ValueError(
            f"layers must be pairs of channels and kernel size, each > 0, got {layers!r}"
        )


def _draw(layer: nn.Linear | nn.Conv1d, variance: float) -> None:
    """Draw the weights with this variance, zero the bias, and normalise the weights."""
    nn.init.normal_(layer.weight, std=sqrt(variance))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    weight_norm(layer)
