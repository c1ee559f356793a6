r"""1.5-entmax: between softmax and sparsemax, with exact zeros and a smooth edge.

.. math:: p^* = \arg\max_{p \in \Delta} \; p^\top x + \tfrac{4}{3} \sum_j (p_j - p_j^{1.5}),
    \qquad p_j = [x_j / 2 - \tau]_+^2

Where the authors' package differs: half precision, rows that are masked throughout and any ``dim``
are right here.

Peters, Niculae, Martins: Sparse Sequence-to-Sequence Models (2019),
https://arxiv.org/abs/1905.05702
"""

from torch import Tensor

from huashi._checks import check_dim, check_floating
from huashi._operator import kernel_serves
from huashi.seq2seq.entmax import reference
from huashi.seq2seq.entmax.operators import fused_entmax15


def entmax15(x: Tensor, dim: int = -1) -> Tensor:
    """Map scores to probabilities along ``dim``, giving exactly 0 to the low ones.

    A score more than 2 below the largest gets 0, and so does one of ``-inf`` (a mask), also in the
    gradient. Where all scores are ``-inf`` the result is 0 throughout. ``nan`` or ``+inf`` makes
    its own row ``nan``, no other.

    Args:
        x: scores, any shape of at least one dimension.
        dim: the dimension that sums to 1.

    Returns:
        Probabilities, in the shape and dtype of ``x``; computed in float32 or wider.

    Equal scores share alike, and one that leads by 2 takes all:

    >>> import torch
    >>> entmax15(torch.tensor([[3.0, 3.0, -1.0], [2.0, 0.0, -torch.inf]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [1.0000, 0.0000, 0.0000]])
    """
    check_floating("x", x)
    check_dim("dim", dim, x)
    entmax = fused_entmax15 if kernel_serves("entmax15", x) else reference.entmax15
    if dim in (-1, x.ndim - 1):
        return entmax(x)
    return entmax(x.movedim(dim, -1)).movedim(-1, dim)
