r"""Losses of sequence models beside cross-entropy: smoothed labels, coverage, alignment, risk.

Three projects smooth labels by :math:`\epsilon` in three ways, for :math:`V` tokens:

.. math::
    q_\text{torch} = (1 - \epsilon) e_y + \tfrac{\epsilon}{V} \mathbf{1}, \quad
    q_\text{fairseq} = (1 - \epsilon - \tfrac{\epsilon}{V - 1}) e_y + \tfrac{\epsilon}{V - 1}
        \mathbf{1}, \quad
    q_\text{joey} = (1 - \epsilon) e_y + \tfrac{\epsilon}{V - 2} (\mathbf{1} - e_y - e_\text{pad})

The loss is the cross-entropy of :math:`q` and the model's :math:`p`; for ``joey`` it is the
divergence :math:`\mathrm{KL}(q \| p)`, which has the same gradient and is 0 at its best.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from huashi._checks import check_choice, check_floating, check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import without_kernel

Smoothing = Literal["torch", "fairseq", "joey"]
Reduction = Literal["none", "sum", "mean"]
SMOOTHINGS = ("torch", "fairseq", "joey")
_FEW_PASSES = "torch's own operators do it in a few passes"


def _targets(x: Tensor) -> Tensor:
    """The tokens in turn, for example calls."""
    return torch.arange(len(x), device=x.device) % x.shape[1]


def _all_but_first(x: Tensor) -> Tensor:
    """A mask of the positions of each row, for example calls."""
    return torch.arange(x.shape[1], device=x.device).expand(x.shape[:2]) > 0


@example((3, 5), call=lambda f, x: f(x.log_softmax(-1), _targets(x), 0.1, ignore_index=1))
@without_kernel(_FEW_PASSES)
def smoothed_nll(
    log_probabilities: Tensor,
    target: Tensor,
    smoothing: float,
    kind: Smoothing = "torch",
    *,
    ignore_index: int = -100,
    padding: int = 0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross-entropy with smoothed labels: the other tokens get a share of the probability.

    Args:
        log_probabilities: of a model, (..., vocabulary), finite.
        target: token ids, int64, (...).
        smoothing: from 0, which is plain cross-entropy, to 1 (not included).
        kind: whose definition: that of ``torch`` (and transformers), ``fairseq`` or ``joey``.
        ignore_index: a target that does not count.
        padding: of ``joey``: the token that never gets a share.
        reduction: ``mean`` is over the targets that count.

    Returns:
        A scalar, or with ``none`` the shape of ``target``; in the dtype of ``log_probabilities``,
        summed in its precision.

    Raises:
        TypeError: ``log_probabilities`` are not of floating point.
        ValueError: ``smoothing`` is not in [0, 1), or ``kind`` or ``reduction`` is unknown.

    >>> log_p = torch.tensor([[0.25, 0.25, 0.5]]).log()
    >>> smoothed_nll(log_p, torch.tensor([2]), 0.3, "fairseq")  # 0.7 ln 2 + 0.3 ln 4
    tensor(0.9011)
    """
    check_floating("log_probabilities", log_probabilities)
    check_choice("kind", kind, SMOOTHINGS)
    check_choice("reduction", reduction, ("none", "sum", "mean"))
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    counted = target != ignore_index
    gold = target.masked_fill(~counted, 0)
    of_gold = log_probabilities.gather(-1, gold[..., None])[..., 0]
    losses = -of_gold
    if smoothing:
        size = log_probabilities.shape[-1]
        kept, share = label_shares(smoothing, kind, size)
        rest = log_probabilities.sum(-1)
        if kind == "joey":
            rest = rest - log_probabilities[..., padding]
        losses = kept * losses - share * rest
        if kind == "joey":
            losses = losses + negative_entropy(smoothing, size - 2)
    losses = losses.masked_fill(~counted, 0.0)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / counted.sum()


@example((2, 3, 4), call=lambda f, x: f(x.softmax(-1), _all_but_first(x)))
@without_kernel(_FEW_PASSES)
def coverage_loss(alignment: Tensor, mask: Tensor) -> Tensor:
    r"""How much attention goes to source tokens that had it before (See 2017, arXiv 1704.04368).

    .. math:: \sum_t \sum_i \min\Bigl(a_i^t, \sum_{s < t} a_i^s\Bigr)

    Args:
        alignment: attention of each target token to the source, (batch, target, source).
        mask: True at real target positions, (batch, target).

    Returns:
        The sum over the real positions, a scalar, in the dtype of ``alignment``; summed in its
        precision.

    Raises:
        ValueError: ``alignment`` does not have three dimensions.

    >>> twice = torch.tensor([[[0.5, 0.5], [1.0, 0.0]]])
    >>> coverage_loss(twice, torch.ones(1, 2, dtype=torch.bool))
    tensor(0.5000)
    """
    check_ndim("alignment", alignment, "B T S")
    before = alignment.cumsum(1) - alignment
    return torch.minimum(alignment, before).sum(-1).masked_fill(~mask, 0.0).sum()


@example((2, 3, 4), call=lambda f, x: f(x.softmax(-1), x > 0).to(x.dtype))
@without_kernel(_FEW_PASSES)
def alignment_loss(alignment: Tensor, links: Tensor) -> Tensor:
    r"""Cross-entropy of the attention and a given alignment (Chen 2016, arXiv 1607.01628).

    A target token that is linked to several source tokens should attend to all alike; one that is
    linked to none does not count.

    Args:
        alignment: attention of each target token to the source, (batch, target, source).
        links: bool, True where source and target token are aligned, of the same shape.

    Returns:
        The sum over the target tokens that have a link, a scalar, in dtype float32, or float64 for
        an ``alignment`` in float64.

    Raises:
        ValueError: ``alignment`` does not have three dimensions.

    >>> sure = torch.tensor([[[0.5, 0.5], [0.0, 1.0]]])
    >>> alignment_loss(sure, torch.tensor([[[True, False], [False, False]]]))
    tensor(0.6931)
    """
    check_ndim("alignment", alignment, "B T S")
    wanted = links / links.sum(-1, keepdim=True).clamp(min=1)
    smallest = torch.finfo(alignment.dtype).tiny
    return -(wanted * alignment.clamp(min=smallest).log()).sum()


@example((2, 3, 5), call=lambda f, x: f(x, x.flip(1), _all_but_first(x)))
@without_kernel(_FEW_PASSES)
def consistency_loss(logits: Tensor, others: Tensor, mask: Tensor) -> Tensor:
    r"""How much two passes with different dropout differ: R-Drop (Liang 2021, arXiv 2106.14448).

    .. math:: \tfrac12 \bigl(\mathrm{KL}(p \| q) + \mathrm{KL}(q \| p)\bigr)

    Args:
        logits: of one pass, (..., vocabulary).
        others: of the other pass, of the same shape.
        mask: bool, True at positions that count, (...).

    Returns:
        The sum over the positions, a scalar, in the dtype of ``logits``; computed in its precision.

    Raises:
        RuntimeError: the shapes do not fit.

    >>> one, other = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 3.0]]).log1p()
    >>> consistency_loss(one, other, torch.ones(1, dtype=torch.bool))  # 0.3 ln 4 / 2
    tensor(0.2079)
    """
    log_p, log_q = logits.log_softmax(-1), others.log_softmax(-1)
    differences = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1) / 2
    return differences.masked_fill(~mask, 0.0).sum()


@example((2, 3), call=lambda f, x: f(x.log_softmax(-1), x.detach().square()))
@without_kernel(_FEW_PASSES)
def minimum_risk_loss(log_probabilities: Tensor, costs: Tensor, sharpness: float = 1.0) -> Tensor:
    r"""Expected cost of some candidates (Shen 2016, arXiv 1512.02433; Edunov 2018, 1711.04956).

    .. math:: \sum_u c_u \frac{p(u)^a}{\sum_v p(v)^a}

    Args:
        log_probabilities: of whole candidates, (sentences, candidates); -inf where a sentence has
            fewer.
        costs: of the candidates, of the same shape.
        sharpness: the exponent a; below 1 differences of probability count less.

    Returns:
        The expected cost of each sentence, (sentences,), in the dtype of ``log_probabilities``;
        computed in its precision.

    Raises:
        RuntimeError: the shapes do not fit.

    >>> minimum_risk_loss(torch.tensor([[0.5, 0.25]]).log(), torch.tensor([[0.0, 3.0]]))
    tensor([1.])
    """
    shares = (sharpness * log_probabilities).softmax(-1)
    return (shares * costs.masked_fill(log_probabilities.isneginf(), 0.0)).sum(-1)


def label_shares(smoothing: float, kind: Smoothing, size: int) -> tuple[float, float]:
    """What the gold token gets of a label beyond the share of every token, and that share.

    In ``joey`` the padding gets no share.
    """
    share = smoothing / (size - {"torch": 0, "fairseq": 1, "joey": 2}[kind])
    return 1 - smoothing - (0.0 if kind == "torch" else share), share


def negative_entropy(smoothing: float, others: int) -> float:
    """Of a label of ``joey``: added to the cross-entropy it gives the divergence."""
    shares = ((1 - smoothing, 1), (smoothing / others, others))
    return sum(count * share * math.log(share) for share, count in shares)
