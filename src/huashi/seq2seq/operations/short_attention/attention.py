r"""Scaled dot-product attention, for some tens of queries and keys a head.

.. math:: c = \operatorname{softmax}\Bigl(\frac{q k^\top}{\sqrt{d}}\Bigr) v

for d features of a head. The weights are kept for the gradient; for long sequences use
:func:`torch.nn.functional.scaled_dot_product_attention`, which does not keep them.

Vaswani et al.: Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762
"""

import torch
from torch import Tensor

from huashi._checks import check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import kernel_serves
from huashi.seq2seq.operations.short_attention import reference
from huashi.seq2seq.operations.short_attention.operators import MULTIPLE, attention


def _causal(x: Tensor) -> Tensor:
    """A mask among the words of a sentence, for an example call."""
    return torch.ones(x.shape[2], x.shape[2], dtype=torch.bool, device=x.device).tril()


@example((2, 3, 4, 32), call=lambda f, x: f(x, x.flip(2), x.sin()))
@example((2, 3, 4, 32), call=lambda f, x: f(x, x.flip(2), x.sin(), _causal(x)))
def short_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, one head after another.

    Args:
        q: queries, (rows, heads, targets, size).
        k: keys, (rows, heads, sources, size).
        v: values, (rows, heads, sources, size).
        mask: bool, True where a query may see a key, broadcastable to (rows, heads, targets,
            sources); None where it may see all. A query that may see nothing gets zeros.

    Returns:
        Contexts, (rows, heads, targets, size), in the dtype of ``q``; the kernel, for float32 and
        bfloat16 on the CPU, sums in float32.

    Raises:
        ValueError: the shapes do not fit, or the mask is not bool.

    >>> import torch
    >>> q, k, v = torch.zeros(1, 1, 1, 2), torch.randn(1, 1, 2, 2), torch.eye(2)[None, None]
    >>> short_attention(q, k, v)
    tensor([[[[0.5000, 0.5000]]]])
    """
    for name, x in (("q", q), ("k", k), ("v", v)):
        check_ndim(name, x, "rows heads time size")
    rows, heads, _, size = q.shape
    if k.shape != (rows, heads, k.shape[2], size):
        raise ValueError(f"k must have shape ({rows}, {heads}, *, {size}), got {tuple(k.shape)}")
    if v.shape != k.shape:
        raise ValueError(f"v must have shape {tuple(k.shape)}, got {tuple(v.shape)}")
    if mask is not None:
        _check_mask(mask, (*q.shape[:3], k.shape[2]))
    if kernel_serves("attention", q, k, v, unless=_uncovered(q, k, v)):
        return attention(q, k, v, mask)[0]
    return reference.attend(q, k, v, mask)


def _uncovered(q: Tensor, k: Tensor, v: Tensor) -> str | None:
    """What applies of that which the kernel is declared not to cover."""
    if not q.dtype == k.dtype == v.dtype:
        return "dtypes"
    if q.shape[3] % MULTIPLE:
        return "size"
    return None if k.shape[2] else "no keys"


def _check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    fits = zip(reversed(mask.shape), reversed(shape), strict=False)
    if mask.ndim > len(shape) or any(here not in (1, there) for here, there in fits):
        raise ValueError(f"mask must broadcast to {shape}, got {tuple(mask.shape)}")
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be bool, got {mask.dtype}")
