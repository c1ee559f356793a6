"""1.5-entmax as a module."""

from torch import Tensor, nn

from huashi.seq2seq.entmax.functional import entmax15


class Entmax15(nn.Module):
    """:func:`~huashi.seq2seq.entmax.entmax15` along ``dim``, in the place of ``nn.Softmax``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return entmax15(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
