"""What stands in the place of an encoder in a language model."""

import torch
from torch import Tensor, nn

from huashi.seq2seq.model.protocol import Memory
from huashi.seq2seq.text.tokenizer import PAD


class NoSource(nn.Module):
    """An encoder that reads nothing: its memory is one masked position.

    Args:
        size: features of the memory.
    """

    attends = False
    """There is nothing that a decoder could attend to."""
    nothing: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("nothing", torch.zeros(1, 1, size), persistent=False)

    def forward(self, source: Tensor, lengths: Tensor) -> Memory:
        """A memory for each source, (batch, source), of which only their number counts."""
        nothing = self.nothing.expand(len(source), -1, -1)
        mask = torch.zeros_like(nothing[..., 0], dtype=torch.bool)
        return Memory(nothing, nothing, mask, source=source.new_full(mask.shape, PAD))
