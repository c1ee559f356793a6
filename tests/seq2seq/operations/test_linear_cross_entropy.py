"""The loss of a linear layer, some rows at a time, is that of its logits, and so is its gradient."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi import implementation
from huashi.seq2seq.operations import linear_cross_entropy as module
from huashi.seq2seq.operations.linear_cross_entropy import linear_cross_entropy
from huashi.seq2seq.operations.losses import smoothed_nll

KINDS = ["torch", "fairseq", "joey"]


@pytest.fixture(autouse=True, params=[2**21, 28, 1], ids=["whole", "four rows", "a row"])
def _rows_at_a_time(request, monkeypatch):
    monkeypatch.setattr(module, "_BUFFER", request.param)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("bias", [True, False])
def test_is_the_loss_of_the_logits(kind, smoothing, bias):
    layer = nn.Linear(5, 7, bias=bias).double()
    features = torch.randn(10, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randint(1, 7, (10,))
    learned = [features, *layer.parameters()]
    total, likelihood = linear_cross_entropy(features, layer, target, smoothing, kind)
    log_p = layer(features).log_softmax(-1)
    wanted = smoothed_nll(log_p, target, smoothing, kind, reduction="sum")
    assert_close(total, wanted)
    assert_close(likelihood, smoothed_nll(log_p, target, 0.0, reduction="sum").detach())
    assert not likelihood.requires_grad
    for ours, theirs in zip(
        torch.autograd.grad(3 * total, learned),
        torch.autograd.grad(3 * wanted, learned),
        strict=True,
    ):
        assert_close(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_second_order_is_that_of_the_logits(kind, bias):
    layer = nn.Linear(5, 7, bias=bias).double()
    features = torch.randn(10, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randint(1, 7, (10,))
    learned = [features, *layer.parameters()]
    direction = [torch.randn_like(x) for x in learned]

    def along(loss):
        slopes = torch.autograd.grad(loss.square(), learned, create_graph=True)
        slope = sum((s * d).sum() for s, d in zip(slopes, direction, strict=True))
        return slopes, torch.autograd.grad(slope, learned)

    wanted = smoothed_nll(layer(features).log_softmax(-1), target, 0.1, kind, reduction="sum")
    total, _ = linear_cross_entropy(features, layer, target, 0.1, kind)
    assert_close(along(total), along(wanted))


def test_great_logits_do_not_overflow():
    layer = nn.Linear(2, 3, bias=False)
    nn.init.constant_(layer.weight, 1e4)
    total, _ = linear_cross_entropy(torch.ones(1, 2), layer, torch.tensor([1]))
    assert_close(total.item(), torch.tensor(3.0).log().item())


def test_a_shared_weight_gets_both_gradients():
    """As where embeddings are the output layer too."""
    embedding, layer = nn.Embedding(6, 4).double(), nn.Linear(4, 6, bias=False).double()
    layer.weight = embedding.weight
    target = torch.tensor([1, 5, 2])
    features = embedding(torch.tensor([3, 3, 1]))
    total, _ = linear_cross_entropy(features, layer, target, 0.1)
    wanted = nn.functional.cross_entropy(
        layer(features), target, label_smoothing=0.1, reduction="sum"
    )
    ours, theirs = (
        torch.autograd.grad(x, embedding.weight, retain_graph=True) for x in (total, wanted)
    )
    assert_close(ours, theirs)


def test_a_weight_normalised_layer_learns():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 6).double())
    features, target = torch.randn(3, 4, dtype=torch.float64), torch.tensor([1, 5, 2])
    total, _ = linear_cross_entropy(features, layer, target)
    wanted = nn.functional.cross_entropy(layer(features), target, reduction="sum")
    learned = list(layer.parameters())
    assert_close(torch.autograd.grad(total, learned), torch.autograd.grad(wanted, learned))


def test_no_positions():
    layer = nn.Linear(2, 3)
    total, likelihood = linear_cross_entropy(
        torch.randn(0, 2), layer, torch.zeros(0, dtype=torch.int64), 0.1
    )
    assert total == likelihood == 0


def test_mixed_precision_rounds_the_products_alone():
    layer, target = nn.Linear(16, 50), torch.randint(50, (40,))
    features = torch.randn(40, 16, requires_grad=True)
    learned = [features, *layer.parameters()]
    exact, _ = linear_cross_entropy(features, layer, target, 0.1)
    for given in (features, features.bfloat16()):
        with torch.autocast("cpu", torch.bfloat16):
            mixed, likelihood = linear_cross_entropy(given, layer, target, 0.1)
        assert mixed.dtype == likelihood.dtype == torch.float32
        assert_close(mixed, exact, atol=0, rtol=2e-3)
        for rounded, one in zip(
            torch.autograd.grad(mixed, learned),
            torch.autograd.grad(exact, learned, retain_graph=True),
            strict=True,
        ):
            assert rounded.dtype == torch.float32
            assert_close(rounded, one, atol=0.02 * one.abs().max().item(), rtol=0)


def test_in_half_precision_sums_are_wide():
    """In bfloat16 a sum of a thousand probabilities would stop to grow."""
    layer, target = nn.Linear(4, 3000).bfloat16(), torch.randint(3000, (9,))
    features = torch.randn(9, 4, dtype=torch.bfloat16, requires_grad=True)
    total, _ = linear_cross_entropy(features, layer, target, 0.1)
    wanted = nn.functional.cross_entropy(
        layer(features).float(), target, label_smoothing=0.1, reduction="sum"
    )
    assert total.dtype == torch.float32
    assert_close(total, wanted, atol=0, rtol=1e-3)
    [grad] = torch.autograd.grad(total, features)
    assert grad.dtype == torch.bfloat16
    assert_close(grad, torch.autograd.grad(wanted, features)[0], atol=0.02, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_operator_is_what_torch_expects(kind, bias):
    layer = nn.Linear(5, 7, bias=bias)
    features = torch.randn(10, 5, requires_grad=True)
    target = torch.randint(1, 7, (10,))
    given = features, layer.weight, layer.bias, target, torch.float32, 0.1, kind, 0
    torch.library.opcheck(torch.ops.huashi.linear_cross_entropy.default, given)


def test_rows_and_all_logits_agree_under_torch_compile_too():
    layer, target = nn.Linear(5, 7), torch.randint(7, (10,))
    features = torch.randn(10, 5, requires_grad=True)
    learned = [features, *layer.parameters()]

    def loss(features):
        return linear_cross_entropy(features, layer, target, 0.1)

    found = []
    for mode in ("kernel", "reference"):
        for run in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
            with implementation(mode):
                total, likelihood = run(features)
            found.append((total, likelihood, *torch.autograd.grad(total, learned)))
    for other in found[1:]:
        assert_close(other, found[0])


def test_autocast_is_the_same_by_all_logits():
    layer, target = nn.Linear(16, 50), torch.randint(50, (40,))
    features = torch.randn(40, 16)
    with torch.autocast("cpu", torch.bfloat16):
        ours = linear_cross_entropy(features, layer, target, 0.1)
        with implementation("reference"):
            assert_close(ours, linear_cross_entropy(features, layer, target, 0.1))


def test_an_unknown_kind_is_named():
    with pytest.raises(
        ValueError, match=r"kind must be one of .*, got 'jeoy'; did you mean 'joey'"
    ):
        linear_cross_entropy(torch.ones(1, 2), nn.Linear(2, 3), torch.tensor([1]), 0.1, "jeoy")
