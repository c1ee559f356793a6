r"""Cross-entropy of a linear layer, without the logits of all positions at once.

For features h, a layer W, b over V tokens, and smoothed labels q that sum to one:

.. math:: l = W h + b, \qquad L = \log \sum_j e^{l_j} - \sum_j q_j l_j, \qquad
    \frac{\partial L}{\partial l} = \operatorname{softmax}(l) - q

The gradients of h, W and b need no more than the rows of l at hand, so they are made together with
the loss, some rows at a time in one buffer: three products of matrices and a few passes over what
fits a cache, where the plain way writes five arrays of (positions, V) to memory. Products are in
the precision of the layer, or in that of autocast; all else is in float32 or wider.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from huashi.seq2seq.operations.losses import Smoothing, label_shares, negative_entropy

_BUFFER = 2**21  # numbers of the logits that are at hand


def linear_cross_entropy(
    features: Tensor,
    layer: nn.Linear,
    target: Tensor,
    smoothing: float = 0.0,
    kind: Smoothing = "torch",
    *,
    padding: int = 0,
) -> tuple[Tensor, Tensor]:
    """The sum of :func:`~huashi.seq2seq.operations.losses.smoothed_nll` of a layer's logits.

    Args:
        features: what the layer reads, (positions, features).
        layer: from features to logits.
        target: token ids, (positions,), all of which count.
        smoothing: from 0 to 1 (not included).
        kind: whose definition of it.
        padding: of ``joey``: the token that never gets a share; no target may be it.

    Returns:
        Two scalars: the loss, which can be differentiated once, and the negative log-likelihood
        without smoothing, which has no gradient.

    >>> layer = nn.Linear(2, 4)
    >>> features, target = torch.randn(3, 2), torch.tensor([0, 3, 1])
    >>> loss, _ = linear_cross_entropy(features, layer, target)
    >>> torch.allclose(loss, nn.functional.cross_entropy(layer(features), target, reduction="sum"))
    True
    """
    total, likelihood = _LinearCrossEntropy.apply(
        features, layer.weight, layer.bias, target, smoothing, kind, padding
    )
    return total, likelihood


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        smoothing: float,
        kind: Smoothing,
        padding: int,
    ) -> tuple[Tensor, Tensor]:
        size = len(weight)
        kept, share = label_shares(smoothing, kind, size)
        device, narrow = features.device.type, weight.dtype
        if torch.is_autocast_enabled(device):
            narrow = torch.get_autocast_dtype(device)
        wide = torch.promote_types(weight.dtype, torch.float32)
        x, w = features.to(narrow), weight.to(narrow)
        total, likelihood = (torch.zeros((), dtype=wide, device=x.device) for _ in range(2))
        of_features, of_weight = torch.empty_like(x), torch.zeros_like(weight, dtype=wide)
        of_bias = None if bias is None else torch.zeros_like(bias, dtype=wide)
        rows = max(_BUFFER // size, 1)
        buffer = x.new_empty(min(rows, len(x)), size)
        for first in range(0, len(x), rows):
            part, gold = x[first : first + rows], target[first : first + rows, None]
            logits = torch.mm(part, w.t(), out=buffer[: len(part)]).to(wide)
            if bias is not None:
                logits += bias
            logits -= logits.amax(1, keepdim=True)  # which a softmax does not see
            of_gold = logits.gather(1, gold)
            others = logits.sum(1, keepdim=True) if share else torch.zeros_like(of_gold)
            if kind == "joey":
                others -= logits[:, padding, None]
            sums = logits.exp_().sum(1, keepdim=True)
            likelihood += (sums.log() - of_gold).sum()
            total += (sums.log() - kept * of_gold - share * others).sum()

            gradient = logits.div_(sums).sub_(share)  # softmax(l) - q, from here on
            gradient.scatter_add_(1, gold, torch.full_like(of_gold, -kept))
            if kind == "joey":
                gradient[:, padding] += share
            if of_bias is not None:
                of_bias += gradient.sum(0)
            gradient = gradient.to(narrow)
            torch.mm(gradient, w, out=of_features[first : first + rows])
            if narrow == wide:
                of_weight.addmm_(gradient.t(), part)
            else:
                of_weight += gradient.t() @ part
        if kind == "joey" and smoothing:
            total += len(features) * negative_entropy(smoothing, size - 2)
        ctx.save_for_backward(
            of_features.to(features.dtype),
            of_weight.to(weight.dtype),
            None if of_bias is None else of_bias.to(weight.dtype),
        )
        ctx.mark_non_differentiable(likelihood)
        return total, likelihood

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        parts = (
            None if part is None else part * gradients[0].to(part) for part in ctx.saved_tensors
        )
        return *parts, None, None, None, None
