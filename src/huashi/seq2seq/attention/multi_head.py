r"""Multi-head attention: several scaled dot products side by side, each with its own projections.

.. math:: \operatorname{head}_h = \operatorname{mapping}\Bigl(
    \frac{q W^Q_h (k W^K_h)^\top}{\sqrt{d / H}}\Bigr) v W^V_h,
    \qquad c = [\operatorname{head}_1; \ldots; \operatorname{head}_H] W^O

for d features and H heads. Beside softmax the mapping is sparsemax, 1.5-entmax, or entmax of any
alpha, which each head can learn for itself (Correia 2019, arXiv 1909.00015). The projections have
biases, which the paper's formula leaves out.

Vaswani et al.: Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762
"""

from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_positive
from huashi._dropout import Dropout
from huashi.seq2seq.attention.mappings import AttentionMapping, Mapping
from huashi.seq2seq.operations.reference import scaled_products
from huashi.seq2seq.operations.short_attention import short_attention

SHORT = 64 * 64
"""Scores of a head up to which :func:`_short_attention_pays` holds."""


class MultiHeadAttention(nn.Module):
    """Attention of many heads; :meth:`project` the keys once, then attend as often as needed.

    A query that may see nothing gets weights of zero, so its context is the bias of the last layer.

    Args:
        size: features of a query and of a context, a multiple of ``heads``.
        heads: how many attend side by side.
        key_size: features of a key; ``size`` by default.
        value_size: features of a value; as many as a key has by default.
        mapping: how scores become weights: ``softmax``, ``sparsemax``, ``entmax15``, ``entmax``.
        alpha: that of the mapping ``entmax``.
        learn_alpha: learn it, for each head by itself, from ``alpha`` on.
        dropout: probability of dropping a weight.
        bias: whether the four layers have one.

    >>> import torch
    >>> attention = MultiHeadAttention(6, heads=2)
    >>> k, v = attention.project(torch.randn(1, 5, 6))
    >>> k.shape
    torch.Size([1, 2, 5, 3])
    >>> context, weights = attention(torch.randn(1, 4, 6), k, v)
    >>> context.shape, weights.shape
    (torch.Size([1, 4, 6]), torch.Size([1, 2, 4, 5]))
    """

    def __init__(
        self,
        size: int,
        heads: int,
        *,
        key_size: int | None = None,
        value_size: int | None = None,
        mapping: Mapping = "softmax",
        alpha: float = 1.5,
        learn_alpha: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_heads(size, heads)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.heads = heads
        self.mapping = AttentionMapping(mapping, alpha, learn_alpha=learn_alpha, heads=heads)
        self.dropout = Dropout(dropout)
        key_size = key_size or size
        self.query = nn.Linear(size, size, bias)
        self.key = nn.Linear(key_size, size, bias)
        self.value = nn.Linear(value_size or key_size, size, bias)
        self.output = nn.Linear(size, size, bias)
        for layer in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)

    def project(self, keys: Tensor, values: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What depends on the keys and values alone.

        Args:
            keys: (rows, source, key).
            values: (rows, source, value); the keys where it is None.

        Returns:
            Two tensors (rows, heads, source, size // heads).
        """
        values = keys if values is None else values
        return self._split(self.key(keys)), self._split(self.value(values))

    def forward(
        self,
        query: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            query: (rows, target, size).
            k: keys by :meth:`project`, (rows, heads, source, size // heads).
            v: values by :meth:`project`, of the same shape.
            mask: bool, True where a query may see a key, broadcastable to (rows, heads, target,
                source); None where it may see all.
            need_weights: False is faster, and needs less memory with softmax.

        Returns:
            The contexts, (rows, target, size), and the weights, (rows, heads, target, source),
            or None where they are not needed.
        """
        q = self._split(self.query(query))
        p = self.dropout.p if self.training else 0.0
        if not need_weights and self.mapping.is_softmax:
            if not _short_attention_pays(q, k):
                context = F.scaled_dot_product_attention(q, k, v, mask, p)
                return self._joined(context), None
            if not p:
                return self._joined(short_attention(q, k, v, mask)), None
        weights = self.mapping(scaled_products(q, k), mask).to(v.dtype)
        context = self._joined(self.dropout(weights) @ v)
        return context, weights if need_weights else None

    def _split(self, x: Tensor) -> Tensor:
        """(rows, time, size) -> (rows, heads, time, size // heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _joined(self, context: Tensor) -> Tensor:
        return self.output(context.transpose(1, 2).flatten(-2))

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


def _short_attention_pays(q: Tensor, k: Tensor) -> bool:
    """Whether :func:`short_attention` is the faster way to a gradient: on the CPU.

    Without a gradient it never is.
    """
    return q.device.type == "cpu" and q.requires_grad and q.shape[2] * k.shape[2] <= SHORT


def check_heads(size: int, heads: int) -> None:
    """Raise unless ``size`` features can be divided among ``heads``."""
    check_positive("size", size)
    check_positive("heads", heads)
    if size % heads:
        raise ValueError(f"size must be a multiple of heads, got {size} for {heads} heads")
