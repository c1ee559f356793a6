"""The models that recipes know by name."""

import pytest
import torch
from torch.testing import assert_close

from huashi.recipes._models import MODELS, model_named
from huashi.seq2seq.training import Objective, Training
from huashi.seq2seq.training.data import examples_of


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_learning_rate_and_takes_dropout(name):
    architecture, lr = model_named(name, dropout=0.5)
    assert 0 < lr < 0.1
    assert architecture.encoder.dropout == architecture.decoder.dropout == 0.5
    assert architecture.build(40)


@pytest.mark.parametrize("name", MODELS)
def test_dropout_0_leaves_nothing_to_chance(name):
    torch.manual_seed(0)
    model = model_named(name, dropout=0.0)[0].build(30).train()
    tokens, lengths = torch.randint(4, 30, (4, 9)), torch.full((4,), 9)
    assert torch.equal(model(tokens, lengths, tokens), model(tokens, lengths, tokens))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_mixed_precision(name, dtype):
    torch.manual_seed(0)
    objective = Objective(model_named(name, dropout=0.0)[0].build(20), Training())
    examples = examples_of([([5, 6, 7, 8], [8, 7, 6, 5]), ([9, 10], [10, 9])])
    losses, gradients = [], []
    for mixed in (False, True):
        torch.manual_seed(1)  # SliceNet drops symbols
        with torch.autocast("cpu", dtype, enabled=mixed):
            losses.append(objective(examples).total)
        objective.zero_grad()
        losses[-1].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in objective.parameters()]))
    # Half a unit of the last digit; the deepest of the models has about twenty products in a row.
    rounding = torch.finfo(dtype).eps / 2
    assert_close(losses[1], losses[0], atol=0, rtol=20 * rounding)
    assert gradients[1].dtype == torch.float32
    assert torch.cosine_similarity(*gradients, dim=0) > 1 - 20 * rounding
