"""A sequence-to-sequence model: an encoder, a decoder, an output layer, and one protocol.

Search and training know models by three methods: ``encode`` makes the state of a batch of sources,
``step`` reads one token a row, and ``features`` reads whole targets at once. A state is any nest of
tensors whose first dimension is the row, so :func:`huashi.seq2seq.search.select` can take rows out
of it; its field ``alignment`` is the attention of the tokens of the last call.

Parts know one another by :class:`Memory` alone, so any encoder goes with any decoder:

* an encoder is a module ``encoder(source, lengths) -> Memory``, whose ``size`` is how many features
  its memory has;
* a decoder is a module with ``start(memory) -> state``, ``decoder(tokens, state) -> (features,
  state)`` and ``head(vocabulary_size) -> nn.Linear``, the layer from its ``size`` features to
  logits. ``tokens``, (batch, target), go on where the state stands: all at once or one by one, the
  features are the same;
* an output, as :class:`~huashi.seq2seq.model.output.Output` is, makes probabilities and losses of
  the features and the state that a decoder returned together.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from huashi.seq2seq.model.output import Output


class Memory(NamedTuple):
    """What an encoder makes of a batch of sources; one row a sentence."""

    keys: Tensor
    """What attention compares with, (batch, source, features)."""
    values: Tensor
    """What attention averages, (batch, source, features); for most encoders the keys."""
    mask: Tensor
    """True at real positions, (batch, source)."""
    last: tuple[Tensor, ...] = ()
    """The last states of a recurrent encoder, each (batch, layers, features): ``(h,)`` or
    ``(h, c)``; of any other encoder nothing."""
    source: Tensor | None = None
    """The token ids that were read, (batch, source), for a decoder that copies them into its state:
    padded as they were given. All encoders of Huashi set it; None where there are no tokens."""


class EncoderDecoder(nn.Module):
    """Parts that fit together, as one model, which :class:`huashi.seq2seq.Architecture` makes.

    Args:
        encoder: ``encoder(source, lengths)`` gives a :class:`Memory`.
        decoder: ``decoder.start(memory)`` gives a state, ``decoder(tokens, state)`` features
            (batch, target, features) and the next state.
        output: from the decoder's features and its state to probabilities of the next token.
    """

    decoder: Any  # a module that has ``start`` too

    def __init__(self, encoder: nn.Module, decoder: nn.Module, output: Output) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.output = output

    @property
    def longest_target(self) -> float:
        """The most tokens that the decoder can read: as many as it has learned positions for."""
        return _learned_positions(self.decoder)

    @property
    def longest_source(self) -> float:
        """The most tokens that the encoder can read."""
        return _learned_positions(self.encoder)

    @property
    def attends(self) -> bool:
        """Whether the alignment is an attention to a source; without one it is all zeros."""
        return all(getattr(part, "attends", True) for part in (self.encoder, self.decoder))

    def encode(self, source: Tensor, lengths: Tensor) -> Any:
        """The decoder's state before its first step.

        Args:
            source: token ids, (batch, source), padded on the right.
            lengths: their true lengths, (batch,).
        """
        return self.decoder.start(self.encoder(source, lengths))

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one token a row, (rows,); return log-probabilities (rows, vocabulary), state."""
        features, state = self.decoder(tokens[:, None], state)
        return self.output.log_probabilities(features, state)[:, 0], state

    def alignment(self, state: Any) -> Tensor:
        """The attention of the last step to the source, (rows, source)."""
        return state.alignment[:, -1]

    def features(
        self, source: Tensor, lengths: Tensor, target: Tensor, *, aligns: bool = False
    ) -> tuple[Tensor, Any]:
        """What :attr:`output` reads after each of ``target``, all read at once.

        Args:
            source: token ids, (batch, source), padded on the right.
            lengths: their true lengths, (batch,).
            target: token ids, (batch, target).
            aligns: make the attention in training too, where a decoder may save itself the work.

        Returns:
            Features, (batch, target, features), and the decoder's state after them, whose
            ``alignment`` is the attention, (batch, target, source).
        """
        parts: list[Any] = [part for part in self.decoder.modules() if hasattr(part, "aligns")]
        for part in parts:
            part.aligns = aligns
        features, state = self.decoder(target, self.encode(source, lengths))
        for part in parts:
            part.aligns = False
        return features, state

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits of the token after each of ``target``, (batch, target, vocabulary)."""
        features, _ = self.features(source, lengths, target)
        return self.output(features)


def _learned_positions(part: nn.Module) -> float:
    tables = (getattr(inner, "positions", None) for inner in part.modules())
    learned = [table.num_embeddings for table in tables if isinstance(table, nn.Embedding)]
    return min(learned, default=torch.inf)


def real_positions(lengths: Tensor, size: int, device: torch.device) -> Tensor:
    """True at the first ``lengths`` of ``size`` positions, (batch, size).

    >>> real_positions(torch.tensor([1, 2]), 2, torch.device("cpu"))
    tensor([[ True, False],
            [ True,  True]])
    """
    return torch.arange(size, device=device) < lengths.to(device)[:, None]
