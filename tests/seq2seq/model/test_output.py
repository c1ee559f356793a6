"""The output layer: probabilities, and losses whose gradients are what they should be."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from huashi import implementation
from huashi.seq2seq import Architecture, RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.model.output import Output
from huashi.seq2seq.search import beam_search, greedy_search
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD
from tests.seq2seq.architecture.test_learning import reversal

MAPPINGS = ["softmax", "sparsemax", "entmax15", "entmax"]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_gradient_of_the_loss_is_the_error_of_the_probabilities(mapping):
    output = Output(nn.Identity(), mapping, alpha=1.3)
    logits = torch.randn(2, 3, 7, dtype=torch.double, requires_grad=True)
    gold = torch.tensor([[1, 6, PAD], [3, 3, 2]])
    probabilities = output.log_probabilities(logits, None).exp()
    assert_close(probabilities.sum(-1), torch.ones(2, 3).double())
    loss = output.loss(logits, gold, None)
    assert loss.total.shape == loss.likelihood.shape == ()
    [gradient] = torch.autograd.grad(loss.total, logits)
    error = (probabilities - F.one_hot(gold, 7)) * (gold != PAD)[..., None]
    assert_close(gradient, error)
    alone = [output.loss(logits[i, t], gold[i, t], None) for i in range(2) for t in range(3)]
    assert alone[2].total == 0
    assert_close(sum(one.total for one in alone), loss.total)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_validation_reports_is_the_loss_without_smoothing(mapping, smoothing):
    output = Output(nn.Linear(5, 7), mapping, alpha=1.3).double()
    features, gold = torch.randn(2, 3, 5).double(), torch.tensor([[1, 6, PAD], [3, 3, 2]])
    loss = output.loss(features, gold, None, label_smoothing=smoothing)
    reported = output.likelihood(features, gold, None)
    assert_close(loss.likelihood, reported)
    assert not loss.likelihood.requires_grad
    assert torch.isclose(loss.total, reported) == (smoothing == 0)
    if mapping == "softmax":
        log_probs = output.log_probabilities(features, None).flatten(0, 1)
        assert_close(reported, -log_probs[[0, 1, 3, 4, 5], [1, 6, 3, 3, 2]].sum())


@pytest.mark.parametrize("smoothing", ["torch", "fairseq", "joey"])
def test_the_loss_of_a_linear_layer_is_that_of_its_logits(smoothing):
    """The layer by itself has a faster way on the CPU, and must agree with any other layer."""
    plain = Output(nn.Linear(5, 7)).double()
    other = Output(nn.Sequential(plain.layer))
    features = torch.randn(2, 3, 5, dtype=torch.double, requires_grad=True)
    gold, inputs = torch.tensor([[1, 6, PAD], [3, 3, 2]]), (features, *plain.parameters())
    options = {"label_smoothing": 0.2, "smoothing": smoothing}
    losses = [output.loss(features, gold, None, **options) for output in (plain, other)]
    assert_close(*losses)
    assert_close(*(torch.autograd.grad(loss.total, inputs) for loss in losses))


def test_a_sparse_output_has_one_kind_of_smoothing():
    features, gold = torch.randn(1, 1, 5), torch.tensor([[3]])
    output = Output(nn.Linear(5, 7), "entmax15")
    with pytest.raises(ValueError, match="smoothing must be 'torch' for an output by entmax15, go"):
        output.loss(features, gold, None, label_smoothing=0.1, smoothing="joey")
    with pytest.raises(ValueError, match=r"smoothing must be one of .*, got 'jo'"):
        Output(nn.Linear(5, 7)).loss(features, gold, None, smoothing="jo")
    assert output.is_sparse
    assert not Output(nn.Linear(5, 7)).is_sparse


@pytest.mark.parametrize(
    ("mapping", "kernels"),
    [
        pytest.param("sparsemax", "auto", marks=pytest.mark.slow),
        pytest.param("entmax15", "auto", marks=pytest.mark.slow),
        pytest.param("entmax15", "reference", marks=pytest.mark.slow),
        ("entmax", "auto"),
    ],
)
def test_a_sparse_output_learns_and_its_search_is_exact(mapping, kernels, one_thread):
    size = {"embedding_size": 16, "hidden_size": 32, "dropout": 0.0}
    parts = {"encoder": RNNEncoderShape(**size), "decoder": RNNDecoderShape(**size)}
    torch.manual_seed(0)
    model = Architecture(**parts, mapping=mapping, alpha=1.3).build(12)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    with implementation(kernels):
        for step in range(300):
            optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 300)
            batch = reversal(generator, 64)
            gold = batch.target[:, 1:]
            features, state = model.features(batch.source, batch.lengths, batch.target[:, :-1])
            loss = model.output.loss(features, gold, state).total / (gold != PAD).sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    batch = reversal(generator, 50)
    options = {"bos": BOS, "eos": EOS, "max_length": 8}
    with torch.inference_mode(), implementation(kernels):
        state = model.eval().encode(batch.source, batch.lengths)
        found = beam_search(model.step, state, beam=4, **options)
        greedy = greedy_search(model.step, state, **options)
    wanted = [[t for t in row[1:] if t != PAD] for row in batch.target.tolist()]
    assert sum(best[0].tokens == row for best, row in zip(found, wanted, strict=True)) >= 47
    assert sum(best[0].exact for best in found) >= 40
    sure = [best for best, one in zip(found, greedy, strict=True) if len(best) == 1]
    assert sure  # nothing else was possible


def test_wrong_mappings_are_refused():
    with pytest.raises(ValueError, match=r"mapping must be one of .*; did you mean 'sparsemax'"):
        Output(nn.Identity(), "sparsmax")
    with pytest.raises(ValueError, match="alpha must be > 0, got 0"):
        Output(nn.Identity(), "entmax", 0)
