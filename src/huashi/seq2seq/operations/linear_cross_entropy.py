r"""Cross-entropy of a linear layer, without the logits of all positions at once.

For features h, a layer W, b over V tokens, and smoothed labels q that sum to one:

.. math:: l = W h + b, \qquad L = \log \sum_j e^{l_j} - \sum_j q_j l_j, \qquad
    \frac{\partial L}{\partial l} = \operatorname{softmax}(l) - q

The gradients of h, W and b need no more than the rows of l at hand, so they are made together with
the loss, some rows at a time in one buffer: three products of matrices and a few passes over what
fits a cache, where the plain way writes five arrays of (positions, V) to memory. Products are in
the precision of the layer, or in that of autocast; all else is in float32 or wider.
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice
from huashi._kernel.example import example
from huashi._kernel.operator import backward_of, declare, kernel_serves
from huashi.seq2seq.operations.losses import (
    SMOOTHINGS,
    Smoothing,
    label_shares,
    negative_entropy,
    smoothed_nll,
)

_BUFFER = 2**21  # numbers of the logits that are at hand


@example(
    *((3, 4), (6, 4), (6,)),
    call=lambda f, x, w, b: f(
        x,
        SimpleNamespace(weight=w, bias=b),
        torch.arange(len(x), device=x.device) % 6,
        smoothing=0.1,
    )[0],
)
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
        kind: whose definition of it: that of ``torch``, ``fairseq`` or ``joey``.
        padding: of ``joey``: the token that never gets a share; no target may be it.

    Returns:
        Two scalars, of dtype float32 or wider: the loss, and the negative log-likelihood without
        smoothing, which has no gradient. A gradient that is to be differentiated again
        (``create_graph=True``) is made from the logits of all positions.

    Raises:
        ValueError: ``kind`` is none of the three.

    >>> layer = nn.Linear(2, 4)
    >>> features, target = torch.randn(3, 2), torch.tensor([0, 3, 1])
    >>> loss, _ = linear_cross_entropy(features, layer, target)
    >>> torch.allclose(loss, nn.functional.cross_entropy(layer(features), target, reduction="sum"))
    True
    """
    check_choice("kind", kind, SMOOTHINGS)
    weight, device = layer.weight, features.device.type
    narrow = weight.dtype
    if torch.is_autocast_enabled(device):
        narrow = torch.get_autocast_dtype(device)
    serves = kernel_serves("linear_cross_entropy", features, weight, target)
    loss = _linear_cross_entropy if serves else _of_all_logits
    given = features, weight, layer.bias, target
    total, likelihood, *_ = loss(*given, narrow, smoothing, kind, padding)
    return total, likelihood


def _of_all_logits(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    narrow: torch.dtype,
    smoothing: float,
    kind: Smoothing,
    padding: int,
) -> tuple[Tensor, Tensor]:
    """The definition, which needs the logits of all positions."""
    wide = torch.promote_types(weight.dtype, torch.float32)
    logits = F.linear(features.to(narrow), weight.to(narrow)).to(wide)
    log_p = (logits if bias is None else logits + bias).log_softmax(-1)
    total = smoothed_nll(log_p, target, smoothing, kind, padding=padding, reduction="sum")
    return total, smoothed_nll(log_p.detach(), target, 0.0, reduction="sum")


def _by_rows(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    narrow: torch.dtype,
    smoothing: float,
    kind: Smoothing,
    padding: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The loss, the likelihood, and the gradients of features, weight and bias."""
    size = len(weight)
    kept, share = label_shares(smoothing, kind, size)
    wide = torch.promote_types(weight.dtype, torch.float32)
    x, w = features.to(narrow), weight.to(narrow)
    total, likelihood = (torch.zeros((), dtype=wide, device=x.device) for _ in range(2))
    of_features, of_weight = torch.empty_like(x), torch.zeros_like(weight, dtype=wide)
    of_bias = weight.new_zeros(0 if bias is None else size, dtype=wide)
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
        if bias is not None:
            of_bias += gradient.sum(0)
        gradient = gradient.to(narrow)
        torch.mm(gradient, w, out=of_features[first : first + rows])
        if narrow == wide:
            of_weight.addmm_(gradient.t(), part)
        else:
            of_weight += gradient.t() @ part
    if kind == "joey" and smoothing:
        total += len(features) * negative_entropy(smoothing, size - 2)
    gradients = of_weight.to(weight.dtype), of_bias.to(weight.dtype)
    return total, likelihood, of_features.to(features.dtype), *gradients


def _shapes(
    features: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    wide = torch.promote_types(weight.dtype, torch.float32)
    total, likelihood = (weight.new_empty((), dtype=wide) for _ in range(2))
    of_bias = weight.new_empty(0 if bias is None else len(weight))
    return total, likelihood, torch.empty_like(features), torch.empty_like(weight), of_bias


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
    features, weight, bias, target, *ctx.options = inputs
    _, *others = output
    ctx.save_for_backward(features, weight, bias, target, *others[1:])
    ctx.mark_non_differentiable(*others)


def _backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    features, weight, bias, target, *gradients = ctx.saved_tensors
    if not torch.is_grad_enabled():
        of_features, of_weight, of_bias = (part * grad.to(part) for part in gradients)
        return of_features, of_weight, of_bias if bias is not None else None, *[None] * 5

    def loss(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return _of_all_logits(features, weight, bias, target, *ctx.options)[0]

    # create_graph=True: the definition leads to the next order
    inputs = (features, weight) if bias is None else (features, weight, bias)
    return *backward_of(loss, inputs, grad), *[None] * (8 - len(inputs))


_linear_cross_entropy = declare(
    "linear_cross_entropy(Tensor features, Tensor weight, Tensor? bias, Tensor target,"
    " ScalarType narrow, float smoothing, str kind, int padding)"
    " -> (Tensor total, Tensor likelihood, Tensor of_features, Tensor of_weight, Tensor of_bias)",
    example="huashi.seq2seq.operations.linear_cross_entropy.linear_cross_entropy",
    fake=_shapes,
    cpu=_by_rows,
    cuda=_by_rows,
    keep=_keep,
    backward=_backward,
    multiply_adds=lambda features, weight, *others: len(features) * weight.numel(),
)
