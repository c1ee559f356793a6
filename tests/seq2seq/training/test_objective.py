"""What is minimised is the sum of what was asked for, and each part does what it says."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.seq2seq import (
    Architecture,
    RNNDecoderShape,
    RNNEncoderShape,
    TransformerDecoderShape,
    TransformerEncoderShape,
    entmax15_loss,
    sparsemax_loss,
)
from huashi.seq2seq.operations.losses import (
    alignment_loss,
    consistency_loss,
    coverage_loss,
    smoothed_nll,
)
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD
from huashi.seq2seq.training import Examples, Objective, Training
from huashi.seq2seq.training.data import examples_of

EXAMPLES = examples_of(
    [([4, 5, 6], [6, 5, 4], [0, 2, 2, 0]), ([7], [7], [0, 0]), ([5, 5], [4, 7], [])]
)
SIZE = {"embedding_size": 8, "dropout": 0.0}
HEADS = {"layers": 1, "heads": 2, "feed_forward_size": 16}
PARTS = {
    "rnn": (RNNEncoderShape(hidden_size=8, **SIZE), RNNDecoderShape(hidden_size=8, **SIZE)),
    "transformer": (
        TransformerEncoderShape(**HEADS, **SIZE),
        TransformerDecoderShape(**HEADS, **SIZE),
    ),
}
PLAIN = Training(label_smoothing=0.0)


@pytest.fixture(params=PARTS)
def model(request):
    encoder, decoder = PARTS[request.param]
    return Architecture(encoder=encoder, decoder=decoder).build(8).double()


def logits_and_gold(model):
    inputs, gold = EXAMPLES.target[:, :-1], EXAMPLES.target[:, 1:]
    return model(EXAMPLES.source, EXAMPLES.lengths, inputs), gold


def test_the_likelihood_alone(model):
    loss = Objective(model, PLAIN)(EXAMPLES)
    logits, gold = logits_and_gold(model)
    wanted = F.cross_entropy(
        logits.flatten(0, 1), gold.flatten(), ignore_index=PAD, reduction="sum"
    )
    assert_close(loss.total, wanted)
    assert_close(loss.likelihood, wanted)
    assert not loss.likelihood.requires_grad


@pytest.mark.parametrize("kind", ["torch", "fairseq", "joey"])
def test_smoothed_labels(model, kind):
    loss = Objective(model, Training(label_smoothing=0.2, smoothing=kind))(EXAMPLES)
    logits, gold = logits_and_gold(model)
    options = {"ignore_index": PAD, "reduction": "sum"}
    assert_close(loss.total, smoothed_nll(logits.log_softmax(-1), gold, 0.2, kind, **options))
    assert_close(loss.likelihood, smoothed_nll(logits.log_softmax(-1), gold, 0.0, **options))


@pytest.mark.parametrize(
    ("mapping", "loss_of"), [("sparsemax", sparsemax_loss), ("entmax15", entmax15_loss)]
)
def test_a_sparse_output_has_its_own_loss(mapping, loss_of):
    encoder, decoder = PARTS["rnn"]
    model = Architecture(encoder=encoder, decoder=decoder, mapping=mapping).build(8).double()
    loss = Objective(model, Training(label_smoothing=0.1))(EXAMPLES)
    logits, gold = logits_and_gold(model)
    options = {"ignore_index": PAD, "reduction": "sum"}
    assert_close(loss.total, loss_of(logits, gold, label_smoothing=0.1, **options))
    assert_close(loss.likelihood, loss_of(logits, gold, **options))
    for name, value in (("consistency", 1.0), ("minimum_risk", 0.5), ("smoothing", "joey")):
        with pytest.raises(ValueError, match=f"{name} must be .* for an output by {mapping}"):
            Objective(model, Training(**{name: value}), lambda a, b: 0.0)


def test_losses_of_the_attention(model):
    settings = replace(PLAIN, coverage=0.5, guided_alignment=2.0)
    loss = Objective(model, settings)(EXAMPLES)
    inputs = EXAMPLES.target[:, :-1]
    _, state = model.features(EXAMPLES.source, EXAMPLES.lengths, inputs, aligns=True)
    real = EXAMPLES.target[:, 1:] != PAD
    wanted = loss.likelihood + 0.5 * coverage_loss(state.alignment, real)
    assert_close(loss.total, wanted + 2.0 * alignment_loss(state.alignment, EXAMPLES.links))
    with pytest.raises(ValueError, match="links must be given for guided_alignment"):
        Objective(model, settings)(EXAMPLES._replace(links=None))


def test_consistency_compares_two_passes():
    encoder, decoder = (replace(part, dropout=0.5) for part in PARTS["transformer"])
    model = Architecture(encoder=encoder, decoder=decoder).build(8).double()
    gold = EXAMPLES.target[:, 1:]
    torch.manual_seed(1)
    loss = Objective(model, replace(PLAIN, consistency=3.0))(EXAMPLES)
    torch.manual_seed(1)
    twice = [
        torch.cat([x, x]) for x in (EXAMPLES.source, EXAMPLES.lengths, EXAMPLES.target[:, :-1])
    ]
    logits = model(*twice)
    one, other = logits.chunk(2)
    assert not torch.allclose(one, other)
    likelihoods = [
        F.cross_entropy(x.flatten(0, 1), gold.flatten(), ignore_index=PAD, reduction="sum")
        for x in (one, other)
    ]
    assert_close(loss.likelihood, sum(likelihoods) / 2)
    assert_close(loss.total, sum(likelihoods) / 2 + 3 * consistency_loss(one, other, gold != PAD))
    assert_close(  # without dropout there is no difference
        Objective(model.eval(), replace(PLAIN, consistency=3.0))(EXAMPLES).total,
        Objective(model, PLAIN)(EXAMPLES).total,
    )


def test_scheduled_sampling_feeds_the_models_own_words(model, monkeypatch):
    objective, fed = Objective(model, PLAIN), []
    features = model.features

    def spied(source, lengths, target, **options):
        fed.append(target)
        return features(source, lengths, target, **options)

    monkeypatch.setattr(model, "features", spied)
    inputs = EXAMPLES.target[:, :-1]
    objective(EXAMPLES, sampled=0.0)
    assert torch.equal(fed.pop(), inputs)
    assert not fed
    objective(EXAMPLES, sampled=1.0)
    first, second = fed
    assert torch.equal(first, inputs)
    assert (second[:, 0] == BOS).all()
    assert torch.equal(second == PAD, inputs == PAD)
    drawn = torch.stack([objective._own_words(*EXAMPLES[:2], inputs, 0.5) for _ in range(500)])
    with torch.no_grad():
        logits = model(*EXAMPLES[:2], inputs)[0, 0]
    logits[[PAD, BOS]] = -torch.inf
    kept = 0.5 + 0.5 * logits.softmax(-1)[inputs[0, 1]]
    assert_close((drawn[:, 0, 1] == inputs[0, 1]).double().mean(), kept, atol=0.1, rtol=0)


def test_minimum_risk_is_the_expected_cost_of_what_was_drawn(model):
    seen = []

    def cost(text, reference):
        seen.append((tuple(text), tuple(reference)))
        return len(text) / 10

    objective = Objective(model, replace(PLAIN, minimum_risk=1.0, risk_samples=5), cost)
    torch.manual_seed(3)
    loss = objective(EXAMPLES)
    references = [(6, 5, 4), (7,), (4, 7)]
    wanted = []
    for row, reference in enumerate(references):
        texts = [text for text, beside in seen if beside == reference]
        assert texts[0] == reference
        assert len(texts) == len(set(texts))
        log_p = []
        for text in texts:
            target = torch.tensor([[BOS, *text, EOS]])
            length = EXAMPLES.lengths[row : row + 1]
            logits = model(EXAMPLES.source[row : row + 1, :length], length, target[:, :-1])
            log_p.append(-F.cross_entropy(logits[0], target[0, 1:], reduction="sum"))
        shares = torch.stack(log_p).softmax(0)
        wanted.append((shares * torch.tensor([len(t) / 10 for t in texts])).sum())
    tokens = (EXAMPLES.target[:, 1:] != PAD).sum()
    assert_close(loss.total, torch.stack(wanted).mean() * tokens)
    loss.total.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    with pytest.raises(ValueError, match="cost must be given for minimum_risk"):
        Objective(model, replace(PLAIN, minimum_risk=0.5))


def test_minimum_risk_learns_what_costs_less():
    """Nothing tells this model what to say but the costs of what it says by chance."""
    encoder, decoder = PARTS["rnn"]
    model = Architecture(encoder=encoder, decoder=decoder).build(8)
    settings = replace(PLAIN, minimum_risk=1.0, risk_samples=8)
    objective = Objective(model, settings, lambda text, _: abs(text.count(5) - 2) + len(text) / 20)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    examples = Examples(*EXAMPLES[:3])
    first = objective(examples).total.item()
    for _ in range(60):
        loss = objective(examples).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * first


@pytest.mark.parametrize("name", ["coverage", "guided_alignment"])
@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (PARTS["rnn"][0], RNNDecoderShape(hidden_size=8, attention=None, **SIZE)),
        (None, PARTS["transformer"][1]),
    ],
    ids=["rnn", "language model"],
)
def test_losses_of_the_attention_are_refused_without_it(name, encoder, decoder):
    model = Architecture(encoder=encoder, decoder=decoder).build(8)
    with pytest.raises(ValueError, match=f"{name} must be 0 for a model without attention"):
        Objective(model, replace(PLAIN, **{name: 0.5}))
