"""The output layer: probabilities, and losses whose gradients are what they should be."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi import implementation
from huashi.seq2seq import Architecture, RNNDecoder, RNNEncoder
from huashi.seq2seq.model.output import Output
from huashi.seq2seq.search import beam_search, greedy_search
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD
from tests.seq2seq.architecture.test_parts import reversal

MAPPINGS = ["softmax", "sparsemax", "entmax15", "entmax"]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_gradient_of_the_loss_is_the_error_of_the_probabilities(mapping):
    output = Output(nn.Identity(), mapping, alpha=1.3)
    logits = torch.randn(2, 3, 7, dtype=torch.double, requires_grad=True)
    target = torch.tensor([[1, 6, PAD], [3, 3, 2]])
    probabilities = output.log_probabilities(logits).exp()
    assert_close(probabilities.sum(-1), torch.ones(2, 3).double())
    loss = output.loss(logits, target, ignore_index=PAD, reduction="none")
    assert loss.shape == target.shape
    assert loss[0, 2] == 0
    [gradient] = torch.autograd.grad(loss.sum(), logits)
    error = (probabilities - nn.functional.one_hot(target, 7)) * (target != PAD)[..., None]
    assert_close(gradient, error)
    mean = output.loss(logits, target, ignore_index=PAD)
    assert_close(mean, loss.sum() / 5)


@pytest.mark.parametrize(
    ("mapping", "kernels"),
    [("sparsemax", "auto"), ("entmax15", "auto"), ("entmax15", "reference"), ("entmax", "auto")],
)
def test_a_sparse_output_learns_and_its_search_is_exact(mapping, kernels):
    size = {"embedding_size": 16, "hidden_size": 32, "dropout": 0.0}
    parts = {"encoder": RNNEncoder(**size), "decoder": RNNDecoder(**size)}
    torch.manual_seed(0)
    model = Architecture(**parts, mapping=mapping, alpha=1.3).build(12)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    with implementation(kernels):
        for step in range(300):
            optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 300)
            batch = reversal(generator, 64)
            logits = model(batch.source, batch.lengths, batch.target[:, :-1])
            loss = model.output.loss(logits, batch.target[:, 1:], ignore_index=PAD)
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
