"""The protocol of models, tried with a model that is not in the package: it copies source tokens.

An output that mixes a layer's probabilities with the source tokens that attention looks at (See
2017) gets all that it needs from search, training and validation alike: features, state, and in the
state the source ids.
"""

import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from huashi.seq2seq import AttentionShape, EncoderDecoder, RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.model.output import Loss
from huashi.seq2seq.search import beam_search, select
from huashi.seq2seq.text.corpus import collate
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD
from huashi.seq2seq.training import Examples, Objective, Training
from huashi.seq2seq.training.validation import likelihood

SIZE = {"embedding_size": 8, "hidden_size": 8, "dropout": 0.0}
PAIRS = [([4, 5, 6], [6, 5, 4]), ([7], [7]), ([5, 5], [4, 7])]
BATCH = collate(*zip(*PAIRS, strict=True))
COPIED = 0.9  # the share of the probability that attention gives


class CopyingState(NamedTuple):
    inner: Any
    source: Tensor

    @property
    def alignment(self):
        return self.inner.alignment


class CopyingDecoder(nn.Module):
    """A decoder whose state remembers what the source was."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def start(self, memory):
        return CopyingState(self.inner.start(memory), memory.source)

    def forward(self, tokens, state):
        features, inner = self.inner(tokens, state.inner)
        return features, state._replace(inner=inner)


class CopyingOutput(nn.Module):
    is_sparse = False

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def check_smoothing(self, smoothing):
        assert smoothing == "torch"

    def log_probabilities(self, features, state):
        said = self.layer(features).softmax(-1)
        where = state.source[:, None].expand_as(state.alignment)
        copied = torch.zeros_like(said).scatter_add(-1, where, state.alignment)
        return ((1 - COPIED) * said + COPIED * copied).log()

    def likelihood(self, features, gold, state):
        log_probs = self.log_probabilities(features, state)
        of_gold = log_probs.gather(-1, gold[..., None])[..., 0]
        return -of_gold.masked_fill(gold == PAD, 0.0).sum()

    def loss(self, features, gold, state, *, label_smoothing, smoothing):
        total = self.likelihood(features, gold, state)
        return Loss(total, total.detach())


@pytest.fixture
def model():
    encoder = RNNEncoderShape(**SIZE)
    decoder = RNNDecoderShape(attention=AttentionShape(score="general"), **SIZE)
    table = encoder.embed(9)
    built = decoder.build(table, 8)
    parts = encoder.build(table), CopyingDecoder(built), CopyingOutput(built.head(9))
    return EncoderDecoder(*parts).double()


def log_probabilities(model):
    """Of each target token after those before it, in one pass."""
    features, state = model.features(BATCH.source, BATCH.lengths, BATCH.target[:, :-1])
    return model.output.log_probabilities(features, state)


def test_a_search_sees_what_was_copied(model):
    model.eval()
    rows = torch.tensor([2, 0, 0, 1])
    with torch.inference_mode():
        wanted = log_probabilities(model)
        state = select(model.encode(BATCH.source, BATCH.lengths), rows)
        for t in range(wanted.shape[1]):
            log_probs, state = model.step(BATCH.target[rows, t], state)
            assert_close(log_probs, wanted[rows, t])
        state = model.encode(BATCH.source, BATCH.lengths)
        found = beam_search(model.step, state, beam=3, bos=BOS, eos=EOS, max_length=4)
    for [best, *_], (source, _) in zip(found, PAIRS, strict=True):
        assert set(best.tokens) <= {*source, EOS}


def test_training_and_validation_see_it_too(model):
    gold = BATCH.target[:, 1:]
    wanted = -log_probabilities(model).gather(-1, gold[..., None])[..., 0][gold != PAD].sum()
    examples = Examples(*BATCH)
    loss = Objective(model, Training(label_smoothing=0.0))(examples, sampled=1e-9)
    assert_close(loss.total, wanted)
    assert_close(loss.likelihood, wanted.detach())
    found = likelihood(model, PAIRS)
    assert_close(found["loss"], wanted.item() / (gold != PAD).sum().item())
    assert_close(found["perplexity"], math.exp(found["loss"]))


def test_minimum_risk_weighs_what_was_copied(model):
    texts = []

    def cost(text, reference):
        texts.append(list(text))
        return float(texts[-1] != reference)

    source, lengths = BATCH.source[:1], BATCH.lengths[:1]
    examples = Examples(source, lengths, BATCH.target[:1])
    settings = Training(label_smoothing=0.0, minimum_risk=1.0, risk_samples=4)
    loss = Objective(model, settings, cost)(examples)
    sums = []
    for text in texts:
        target = torch.tensor([[BOS, *text, EOS]])
        features, state = model.features(source, lengths, target[:, :-1])
        sums.append(-model.output.likelihood(features, target[:, 1:], state))
    assert len(sums) > 1
    shares = torch.stack(sums).softmax(0)
    assert_close(loss.total, shares[1:].sum() * len([*PAIRS[0][1], EOS]))
