"""A sequence-to-sequence model: an encoder, a decoder, an output layer, and one protocol.

Search and training know models by three methods: ``encode`` makes the state of a batch of sources,
``step`` reads one token a row, and calling the model scores whole targets at once. A state is any
nest of tensors whose first dimension is the row, so :func:`huashi.seq2seq.search.select` can take
rows out of it; its field ``alignment`` is the attention of the last step.
"""

from typing import Any

import torch
from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """Parts that fit together, as one model.

    Args:
        encoder: ``encoder(source, lengths)`` gives states (batch, source, hidden) and whatever
            else the decoder's ``start`` wants.
        decoder: ``decoder.start(states, rest, mask)`` gives a state, ``decoder(tokens, state)``
            features (batch, target, hidden) and the next state.
        output: features to logits over the vocabulary.
    """

    decoder: Any  # a module that has ``start`` too

    def __init__(self, encoder: nn.Module, decoder: nn.Module, output: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.output = output

    def encode(self, source: Tensor, lengths: Tensor) -> Any:
        """The decoder's state before its first step.

        Args:
            source: token ids, (batch, source), padded on the right.
            lengths: their true lengths, (batch,).
        """
        positions = torch.arange(source.shape[1], device=source.device)
        mask = positions < lengths.to(source.device)[:, None]
        states, rest = self.encoder(source, lengths)
        return self.decoder.start(states, rest, mask)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one token a row, (rows,); return log-probabilities (rows, vocabulary), state."""
        features, state = self.decoder(tokens[:, None], state)
        return self.output(features[:, 0]).log_softmax(-1), state

    def alignment(self, state: Any) -> Tensor:
        """The attention of the last step to the source, (rows, source)."""
        return state.alignment

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits of the token after each of ``target``, (batch, target, vocabulary)."""
        features, _ = self.decoder(target, self.encode(source, lengths))
        return self.output(features)
