"""Scores of held-out pairs against sums by hand."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.seq2seq import Architecture, RNNDecoderShape, RNNEncoderShape, entmax15_loss
from huashi.seq2seq.text.tokenizer import BOS, EOS
from huashi.seq2seq.training.validation import likelihood

PAIRS = [([4, 5, 6], [6, 5]), ([7], [7, 4, 4, 5]), ([5, 5], [])]
SIZE = {"embedding_size": 8, "hidden_size": 8}


@pytest.mark.parametrize("mapping", ["softmax", "entmax15"])
@pytest.mark.parametrize("source_end", [True, False])
def test_the_loss_is_of_a_target_token_its_end_counted(mapping, source_end):
    architecture = Architecture(
        encoder=RNNEncoderShape(**SIZE), decoder=RNNDecoderShape(**SIZE), mapping=mapping
    )
    model = architecture.build(8).double().eval()
    total, tokens = 0.0, 0
    with torch.no_grad():
        for source, target in PAIRS:
            ids = torch.tensor([[*source, *[EOS] * source_end]])
            logits = model(ids, torch.tensor([ids.shape[1]]), torch.tensor([[BOS, *target]]))
            gold = torch.tensor([[*target, EOS]])
            loss = F.cross_entropy if mapping == "softmax" else entmax15_loss
            total += loss(logits[0], gold[0], reduction="sum").item()
            tokens += len(target) + 1
    for batch_tokens in (1, 8000):  # alone, and together
        found = likelihood(model, PAIRS, batch_tokens=batch_tokens, source_end=source_end)
        assert_close(found["loss"], total / tokens)
    if mapping == "softmax":
        assert_close(found["perplexity"], math.exp(total / tokens))
    else:
        assert found.keys() == {"loss"}
