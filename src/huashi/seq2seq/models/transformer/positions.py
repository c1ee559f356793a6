r"""Embeddings of tokens plus a code of their positions.

The paper's ``sinusoidal`` code of position p, for d features, i from 0 to d/2 - 1:

.. math:: c_{p, 2i} = \sin(p \, 10000^{-2i / d}), \qquad c_{p, 2i + 1} = \cos(p \, 10000^{-2i / d})

``tensor2tensor``, the paper's own program, puts all sines before all cosines, with the wavelengths
:math:`10000^{i / (d/2 - 1)}`; ``opennmt_tf`` is that with positions counted from 1, not 0.
``learned`` positions are parameters (Gehring 2017, arXiv 1705.03122), and there is a last one.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from huashi._dropout import Dropout

Positions = Literal["sinusoidal", "tensor2tensor", "opennmt_tf", "learned"]


class PositionalEmbedding(nn.Module):
    """Tokens to features: their embeddings, scaled, plus the codes of their positions.

    Args:
        embedding: the table of tokens.
        kind: of the codes of positions.
        scale: what embeddings are multiplied by.
        max_length: the most tokens where positions are learned.
        dropout: probability of dropping a feature of the sum.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        kind: Positions,
        *,
        scale: float = 1.0,
        max_length: int = 1024,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = embedding
        self.kind: Positions = kind
        self.scale = scale
        self.dropout = Dropout(dropout)
        self.positions = None
        if kind == "learned":
            self.positions = normal_embedding(max_length, embedding.embedding_dim)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Embed.

        Args:
            tokens: token ids, (batch, time).
            start: the position of the first.

        Returns:
            (batch, time, features).
        """
        x = self.tokens(tokens) * self.scale
        end = start + tokens.shape[1]
        if self.positions is None:
            codes = sinusoids(self.kind, start, end, x.shape[-1], like=x)
        elif end > self.positions.num_embeddings:
            raise ValueError(
                f"tokens must be at most {self.positions.num_embeddings}, as many as there are "
                f"learned positions, got {end}"
            )
        else:
            codes = self.positions.weight[start:end]
        return self.dropout(x + codes)

    def extra_repr(self) -> str:
        return f"kind={self.kind}, scale={self.scale:.4g}"


def sinusoids(kind: Positions, start: int, end: int, size: int, *, like: Tensor) -> Tensor:
    """The codes of positions ``start`` to ``end - 1``, (positions, size), of the type of ``like``.

    >>> sinusoids("sinusoidal", 0, 2, 4, like=torch.zeros(()))
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    >>> sinusoids("tensor2tensor", 1, 2, 4, like=torch.zeros(()))
    tensor([[8.4147e-01, 1.0000e-04, 5.4030e-01, 1.0000e+00]])
    """
    half = size // 2
    wide = {"dtype": torch.promote_types(like.dtype, torch.float32), "device": like.device}
    slowest = half if kind == "sinusoidal" else max(half - 1, 1)  # its wavelength is 10000
    frequency = torch.exp(torch.arange(half, **wide) * (-math.log(1e4) / slowest))
    first = start + (kind == "opennmt_tf")
    angle = torch.arange(first, first + end - start, **wide)[:, None] * frequency
    if kind == "sinusoidal":
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).to(like.dtype)
    return torch.cat([angle.sin(), angle.cos()], -1).to(like.dtype)


def normal_embedding(count: int, size: int) -> nn.Embedding:
    """A table drawn from N(0, 1 / size), so that it can be the layer before the logits too."""
    embedding = nn.Embedding(count, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding
