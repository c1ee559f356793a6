"""The losses of sequence models against sums by hand, and against what projects say of theirs."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation
from huashi._kernel.example import EXAMPLES
from huashi.seq2seq.operations import losses
from huashi.seq2seq.operations.losses import (
    alignment_loss,
    consistency_loss,
    coverage_loss,
    minimum_risk_loss,
    smoothed_nll,
)

PAD = 0


def log_probs(*shape):
    return torch.randn(*shape, dtype=torch.float64).log_softmax(-1)


def test_joeys_example():
    """JoeyNMT's own test of its loss."""
    said = torch.tensor([0.1, 0.1, 0.6, 0.1, 0.1]).log().expand(3, 2, 5)
    target = torch.tensor([[2, 1], [2, 0], [1, 0]])
    options = {"ignore_index": PAD, "padding": PAD, "reduction": "sum"}
    assert_close(
        smoothed_nll(said, target, 0.4, "joey", **options).item(), 2.1326, atol=1e-4, rtol=0
    )
    assert_close(
        smoothed_nll(said, target, 0.0, "joey", **options).item(), 5.6268, atol=1e-4, rtol=0
    )


def labels(kind, gold, size, smoothing):
    """What a smoothed label is, token by token."""
    if kind == "torch":
        label = torch.full((size,), smoothing / size, dtype=torch.float64)
        label[gold] += 1 - smoothing
    elif kind == "fairseq":
        share = smoothing / (size - 1)
        label = torch.full((size,), share, dtype=torch.float64)
        label[gold] = 1 - smoothing
    else:
        label = torch.full((size,), smoothing / (size - 2), dtype=torch.float64)
        label[PAD], label[gold] = 0, 1 - smoothing
    assert_close(label.sum().item(), 1.0)
    return label


@pytest.mark.parametrize("kind", ["torch", "fairseq", "joey"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_is_the_cross_entropy_of_the_labels(kind, smoothing):
    said, target = log_probs(4, 3, 6), torch.randint(1, 6, (4, 3))
    losses = smoothed_nll(said, target, smoothing, kind, reduction="none")
    assert losses.shape == target.shape
    for i in range(4):
        for t in range(3):
            label = labels(kind, target[i, t], 6, smoothing)
            wanted = -(label * said[i, t]).sum()
            if kind == "joey":
                wanted = wanted + torch.special.xlogy(label, label).sum()
            assert_close(losses[i, t], wanted)


def test_is_torchs_cross_entropy():
    logits, target = torch.randn(5, 7, dtype=torch.float64), torch.tensor([1, 2, -100, 6, 0])
    for reduction in ("none", "sum", "mean"):
        ours = smoothed_nll(logits.log_softmax(-1), target, 0.2, reduction=reduction)
        wanted = F.cross_entropy(logits, target, label_smoothing=0.2, reduction=reduction)
        assert_close(ours, wanted)


@pytest.mark.parametrize("kind", ["torch", "fairseq", "joey"])
def test_what_is_ignored_neither_counts_nor_learns(kind):
    logits = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([3, PAD])
    loss = smoothed_nll(logits.log_softmax(-1), target, 0.3, kind, ignore_index=PAD)
    loss.backward()
    assert_close(loss, smoothed_nll(logits[:1].log_softmax(-1), target[:1], 0.3, kind))
    assert not logits.grad[1].any()


def test_joeys_divergence_is_zero_at_its_best():
    label = labels("joey", 3, 6, 0.4)
    loss = smoothed_nll(label.clamp(min=1e-300).log()[None], torch.tensor([3]), 0.4, "joey")
    assert_close(loss, torch.zeros((), dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_wrong_smoothing_is_refused(smoothing):
    with pytest.raises(ValueError, match=r"smoothing must be in \[0, 1\), got"):
        smoothed_nll(log_probs(1, 4), torch.tensor([1]), smoothing)
    with pytest.raises(ValueError, match="did you mean 'fairseq'"):
        smoothed_nll(log_probs(1, 4), torch.tensor([1]), 0.1, "fairsq")


def test_coverage_by_hand():
    attention = torch.rand(2, 4, 3, dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    wanted = torch.zeros((), dtype=torch.float64)
    for b in range(2):
        covered = torch.zeros(3, dtype=torch.float64)
        for t in range(4):
            if mask[b, t]:
                wanted += torch.minimum(attention[b, t], covered).sum()
            covered += attention[b, t]
    assert_close(coverage_loss(attention, mask), wanted)


def test_alignment_loss_by_hand():
    attention = torch.rand(1, 3, 4, dtype=torch.float64)
    links = torch.zeros(1, 3, 4, dtype=torch.bool)
    links[0, 0, 2] = links[0, 2, 0] = links[0, 2, 3] = True
    wanted = -attention[0, 0, 2].log() - (attention[0, 2, 0].log() + attention[0, 2, 3].log()) / 2
    assert_close(alignment_loss(attention, links), wanted)
    sure = torch.zeros(1, 1, 2, requires_grad=True)  # attention that is exactly zero at its link
    loss = alignment_loss(sure, torch.tensor([[[True, False]]]))
    loss.backward()
    assert loss.isfinite()
    assert sure.grad.isfinite().all()


def test_consistency_is_the_mean_of_two_divergences():
    one, other = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    mask = torch.rand(3, 4) > 0.3
    p, q = one.softmax(-1), other.softmax(-1)
    wanted = (p * (p / q).log() + q * (q / p).log()).sum(-1) / 2
    assert_close(consistency_loss(one, other, mask), wanted[mask].sum())
    assert consistency_loss(one, one, mask) == 0


@pytest.mark.parametrize("sharpness", [1.0, 0.25])
def test_risk_by_hand(sharpness):
    log_p = torch.tensor([[-1.0, -2.0, -3.0], [-0.5, -4.0, -math.inf]], dtype=torch.float64)
    costs = torch.tensor([[0.0, 0.5, 1.0], [0.3, 0.9, math.nan]], dtype=torch.float64)
    log_p.requires_grad_()
    risk = minimum_risk_loss(log_p, costs, sharpness)
    p = [math.exp(sharpness * x) for x in (-1, -2, -3)]
    assert_close(risk[0].item(), (0.5 * p[1] + p[2]) / sum(p))
    p = [math.exp(sharpness * x) for x in (-0.5, -4)]
    assert_close(risk[1].item(), (0.3 * p[0] + 0.9 * p[1]) / sum(p))
    risk.sum().backward()
    assert log_p.grad[0, 0] < 0 < log_p.grad[0, 2]  # what costs less becomes likelier


CALLS = [one for one in EXAMPLES if one.function.__module__ == losses.__name__]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.function.__name__)
def test_compiles_in_one_graph_and_has_no_kernel(call):
    given = [torch.randn(shape) for shape in call.shapes]
    torch.compiler.reset()  # all examples share the code of their call, which may be compiled 8 times
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert_close(compiled(*given), call(*given))
    name = call.function.__name__
    with (
        implementation("kernel"),
        pytest.raises(RuntimeError, match=f"no kernel serves {name}: torch's own operators"),
    ):
        call(*given)
