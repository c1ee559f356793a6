r"""Model fusion: a second model learns on top of a frozen first one (Fan 2018, arXiv 1805.04833).

Both read the same source and target. From the features h of the first and x of the second

.. math:: g_1 = \sigma(W_1 [x; h]), \qquad g_2 = \sigma(W_2 [x; h]), \qquad
    y = \operatorname{join}([g_1 \otimes x; g_2 \otimes h])

where join is a gated layer, another one, and a linear one, each layer-normalised, the gates after
the norm. The output layer of the second model makes logits of y. The first model gets no gradient
and stays in evaluation mode, so that the second learns what the first lacks.

Where we differ from the authors' fairseq: the two may be of any architecture and size, and the
layers of gates and join start as torch draws them.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from huashi.seq2seq.model.protocol import EncoderDecoder, Memory


def fuse(pretrained: EncoderDecoder, model: EncoderDecoder) -> EncoderDecoder:
    """One model of two: ``model`` with the features of ``pretrained`` to help it.

    Args:
        pretrained: the first model, over the same vocabulary. It is frozen in place: evaluation
            mode for good, and no gradients.
        model: the second model, of any architecture; it is used in place, and its output layer is
            the output layer of both.

    Returns:
        A model to train, search and save as any other; its alignment is that of ``model``. In a run
        a :class:`~huashi.seq2seq.FusedArchitecture` describes it.

    Raises:
        ValueError: the two share weights, which would freeze those of ``model`` too.
    """
    weights = {id(weight) for weight in pretrained.parameters()}
    if shared := [name for name, weight in model.named_parameters() if id(weight) in weights]:
        raise ValueError(f"model must share no weights with pretrained, got {shared[0]} of both")
    encoder = FusedEncoder(pretrained.encoder, model.encoder)
    decoder = FusedDecoder(pretrained.decoder, model.decoder)
    return EncoderDecoder(encoder, decoder, model.output)


class FusedState(NamedTuple):
    """What the decoders know between two steps; one row a hypothesis."""

    first: Any
    """The state of the frozen decoder."""
    second: Any
    """The state of the other."""

    @property
    def alignment(self) -> Tensor:
        """The attention of the second model, (rows, tokens, source)."""
        return self.second.alignment


class Frozen(nn.Module):
    """A part that does not learn: it gets no gradients, and is always in evaluation mode."""

    part: Any  # a module that may have ``start`` and ``size``

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Frozen":
        super().train(mode)
        self.part.eval()
        return self

    @torch.no_grad()
    def start(self, memory: Memory) -> Any:
        return self.part.start(memory)

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        return self.part(*inputs)


class FusedEncoder(nn.Module):
    """Two encoders of one source; the first is frozen."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = Frozen(first)
        self.second = second

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Memory, Memory]:
        return self.first(source, lengths), self.second(source, lengths)


class FusedDecoder(nn.Module):
    """Two decoders of one target, whose features gates let through; the first is frozen."""

    second: Any  # a module that has ``start`` too

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        both, size = first.size + second.size, second.size
        self.size = size
        self.first = Frozen(first)
        self.second = second
        self.gates = nn.ModuleList(
            nn.Sequential(nn.Linear(both, features), nn.Sigmoid())
            for features in (size, first.size)
        )
        self.join = nn.Sequential(
            *(nn.Linear(both, 2 * size), nn.LayerNorm(2 * size), nn.GLU()),
            *(nn.Linear(size, 2 * size), nn.LayerNorm(2 * size), nn.GLU()),
            *(nn.Linear(size, size), nn.LayerNorm(size)),
        )
        like = next(second.parameters())  # both may have been trained elsewhere than on the CPU
        self.gates.to(like)
        self.join.to(like)

    @property
    def attends(self) -> bool:
        """Whether the second decoder attends, whose alignment counts."""
        return getattr(self.second, "attends", True)

    def head(self, vocabulary_size: int) -> nn.Linear:
        """The layer from features to logits, as of the second decoder."""
        return self.second.head(vocabulary_size)

    def start(self, memory: tuple[Memory, Memory]) -> FusedState:
        """The states of both before the first step."""
        return FusedState(self.first.start(memory[0]), self.second.start(memory[1]))

    def forward(self, tokens: Tensor, state: FusedState) -> tuple[Tensor, FusedState]:
        """Read ``tokens``, (batch, target); return features (batch, target, size)."""
        known, first = self.first(tokens, state.first)
        x, second = self.second(tokens, state.second)
        both = torch.cat([x, known], -1)
        own, others = self.gates
        joined = self.join(torch.cat([own(both) * x, others(both) * known], -1))
        return joined, FusedState(first, second)
