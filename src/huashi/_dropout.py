r"""Dropout whose mask is drawn sixteen bits a number, where torch draws one number after another.

On the CPU, :func:`torch.nn.functional.dropout` takes most of its time to draw: here a word of 64
random bits is four draws. The probability is a multiple of :math:`2^{-16}`, the nearest one, and
what is kept is scaled by exactly that, so the expectation is exact.

Srivastava et al.: Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014),
https://jmlr.org/papers/v15/srivastava14a.html
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_VALUES = 2**16  # of sixteen bits


class Dropout(nn.Dropout):
    """:class:`torch.nn.Dropout`, faster on the CPU.

    >>> Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """``input``, of any shape; in training some of it zero and the rest scaled."""
        return dropout(input, self.p) if self.training else input


def dropout(x: Tensor, p: float) -> Tensor:
    """Put each number to zero with probability ``p``, and scale the others by 1 / (1 - p).

    Args:
        x: of any shape.
        p: from 0 to 1.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, p)
    dropped = round(p * _VALUES)
    if not 0 < dropped < _VALUES:
        return F.dropout(x, float(p > 0.5))
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    return x * (bits >= dropped - _VALUES // 2) * (_VALUES / (_VALUES - dropped))
