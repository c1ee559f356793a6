"""A second model on top of a frozen first one: what learns, what does not, and what it is for."""

import itertools
import json

import pytest
import torch
from torch.testing import assert_close

from huashi.run import Run
from huashi.seq2seq import (
    Architecture,
    ConvEncoderShape,
    ConvSelfAttentionDecoderShape,
    Decoding,
    FusedArchitecture,
    RNNDecoderShape,
    RNNEncoderShape,
    TransformerDecoderShape,
    TransformerEncoderShape,
    Translator,
    beam_search,
    fuse,
    train_tokenizer,
)
from huashi.seq2seq.architecture import architecture_of, build, describe
from huashi.seq2seq.search import greedy_search, select
from huashi.seq2seq.text.corpus import collate
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD

RNN = Architecture(
    encoder=RNNEncoderShape(embedding_size=8, hidden_size=6, dropout=0.3),
    decoder=RNNDecoderShape(embedding_size=8, hidden_size=6, dropout=0.3),
)
TRANSFORMER = Architecture(
    encoder=TransformerEncoderShape(embedding_size=8, layers=1, heads=2, feed_forward_size=12),
    decoder=TransformerDecoderShape(embedding_size=8, layers=1, heads=2, feed_forward_size=12),
    share="all",
)
STORIES = Architecture(
    encoder=ConvEncoderShape(embedding_size=8, layers=((6, 3),), attention_layers=2, dropout=0.3),
    decoder=ConvSelfAttentionDecoderShape(
        embedding_size=8, layers=((6, 4), (10, 2)), strides=(1, 2), output_size=5, dropout=0.3
    ),
)
LANGUAGE = Architecture(
    encoder=None, decoder=RNNDecoderShape(embedding_size=8, hidden_size=7, attention=None)
)
PAIRS = {
    "stories on stories": FusedArchitecture(pretrained=STORIES, model=STORIES),
    "transformer on rnn": FusedArchitecture(pretrained=RNN, model=TRANSFORMER),
    "rnn on language model": FusedArchitecture(pretrained=LANGUAGE, model=RNN),
    "on two": FusedArchitecture(
        pretrained=FusedArchitecture(pretrained=RNN, model=STORIES), model=RNN
    ),
}
BATCH = collate([[4, 5, 6, 7], [6], [5, 4]], [[7, 6], [4, 4, 4], [5]])


@pytest.fixture(params=PAIRS)
def architecture(request):
    return PAIRS[request.param]


@pytest.fixture
def model(architecture):
    return architecture.build(8).double().eval()


def loss_of(model, batch):
    gold = batch.target[:, 1:]
    features, state = model.features(batch.source, batch.lengths, batch.target[:, :-1])
    return model.output.loss(features, gold, state).total / (gold != PAD).sum()


def test_both_memories_have_the_source_that_was_read():
    memories = PAIRS["transformer on rnn"].build(8).encoder(BATCH.source, BATCH.lengths)
    assert all(torch.equal(memory.source, BATCH.source) for memory in memories)


def test_the_first_stays_as_it_is(architecture):
    model = architecture.build(8)
    frozen = [model.encoder.first, model.decoder.first]
    of_first = {id(weight) for part in frozen for weight in part.parameters()}
    before = [weight.detach().clone() for part in frozen for weight in part.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for mode in (False, True, True):
        model.train(mode)
        loss_of(model, BATCH).backward()
        for name, weight in model.named_parameters():
            if id(weight) in of_first:
                assert not weight.requires_grad, name
                assert weight.grad is None, name
            else:
                assert weight.grad is not None, name
        optimizer.step()
    after = [weight for part in frozen for weight in part.parameters()]
    assert all(torch.equal(*both) for both in zip(before, after, strict=True))
    for part in frozen:
        assert not any(module.training for module in part.part.modules())
    assert all(module.training for module in model.decoder.second.modules())


def test_dropout_is_that_of_the_second_alone():
    model = fuse(STORIES.build(8), STORIES.build(8)).train()
    start = model.encode(BATCH.source, BATCH.lengths)
    draws = [model.decoder(BATCH.target, start) for _ in range(2)]
    features = [model.decoder.first(BATCH.target, start.first)[0] for _ in range(2)]
    assert torch.equal(*features)
    assert not torch.equal(draws[0][0], draws[1][0])


def test_is_gates_and_joins_written_out():
    """In the dtype of the two models."""
    pretrained, second = RNN.build(8).double().eval(), STORIES.build(8).double().eval()
    inputs = BATCH.source, BATCH.lengths
    with torch.no_grad():
        h, _ = pretrained.decoder(BATCH.target, pretrained.encode(*inputs))
        x, state = second.decoder(BATCH.target, second.encode(*inputs))
    model = fuse(pretrained, second).eval()
    gate_x, gate_h = (gate[0] for gate in model.decoder.gates)
    both = torch.cat([x, h], -1)
    y = torch.cat([torch.sigmoid(gate_x(both)) * x, torch.sigmoid(gate_h(both)) * h], -1)
    for layer, norm in (model.decoder.join[0:2], model.decoder.join[3:5]):
        a, b = torch.nn.functional.layer_norm(layer(y), norm.normalized_shape).chunk(2, -1)
        y = a * torch.sigmoid(b)
    y = torch.nn.functional.layer_norm(model.decoder.join[6](y), (5,))
    features, fused = model.decoder(BATCH.target, model.encode(*inputs))
    assert_close(features, y)
    assert_close(model(*inputs, BATCH.target), second.output.layer(y))
    assert_close(model.alignment(fused), second.alignment(state))


def test_steps_are_the_full_pass(model):
    with torch.inference_mode():
        full = model(BATCH.source, BATCH.lengths, BATCH.target[:, :-1]).log_softmax(-1)
        state = model.encode(BATCH.source, BATCH.lengths)
        for t in range(full.shape[1]):
            log_probs, state = model.step(BATCH.target[:, t], state)
            assert_close(log_probs, full[:, t])


def test_padding_of_the_source_changes_nothing(model):
    with torch.inference_mode():
        together = model(BATCH.source, BATCH.lengths, BATCH.target)
        for i, length in enumerate(BATCH.lengths.tolist()):
            one = slice(i, i + 1)
            alone = model(BATCH.source[one, :length], BATCH.lengths[one], BATCH.target[one])
            assert_close(alone[0], together[i])


def test_a_state_can_be_taken_apart_by_rows(model):
    rows = torch.tensor([2, 0, 2])
    with torch.inference_mode():
        state = model.encode(BATCH.source, BATCH.lengths)
        for token in (BOS, 4, 5):
            tokens, before = torch.full((3,), token), state
            log_probs, state = model.step(tokens, before)
            chosen, chosen_state = model.step(tokens, select(before, rows))
            assert_close(chosen, log_probs[rows])
            assert_close(model.alignment(chosen_state), model.alignment(state)[rows])


def test_a_wide_beam_finds_the_best_of_all(model):
    """All 8 + 7 * 8 ends of two tokens, scored by the full pass."""
    model.output.layer.bias.data[EOS] += 1  # so that both lengths are among the best
    source, lengths = BATCH.source[:1], BATCH.lengths[:1]
    options = {"bos": BOS, "eos": EOS, "max_length": 2, "alignment": model.alignment}
    with torch.inference_mode():
        [found] = beam_search(
            model.step, model.encode(source, lengths), beam=64, nbest=5, **options
        )
        target = torch.tensor([[BOS, first] for first in range(8)])
        first, second = (
            model(source.expand(8, -1), lengths.expand(8), target).log_softmax(-1).unbind(1)
        )
    scored = {(EOS,): first[0, EOS].item()}
    for a, b in itertools.product(range(8), range(8)):
        if a != EOS:
            scored[a, b] = (first[0, a] + second[a, b]).item() / 2
    ended = {tokens: score for tokens, score in scored.items() if tokens[-1] == EOS}
    best = sorted(ended, key=ended.__getitem__, reverse=True)[:5]
    assert [tuple(h.tokens) for h in found] == best
    assert_close(torch.tensor([h.score for h in found]), torch.tensor([ended[t] for t in best]))


def test_a_description_builds_the_same_model(architecture):
    description = json.loads(json.dumps(describe(architecture)))
    assert architecture_of(description) == architecture
    model, again = architecture.build(8).eval(), build(description, 8).eval()
    assert str(again) == str(model)
    again.load_state_dict(model.state_dict())
    inputs = BATCH.source, BATCH.lengths, BATCH.target
    assert torch.equal(again(*inputs), model(*inputs))
    assert {name for name, weight in again.named_parameters() if weight.requires_grad} == {
        name for name, weight in model.named_parameters() if weight.requires_grad
    }


def test_a_run_of_a_fused_model_can_be_loaded(tmp_path):
    architecture = PAIRS["on two"]
    tokenizer = train_tokenizer(["abcd"], "character")
    model = architecture.build(len(tokenizer))
    run = Run.start(tmp_path / "run", "stories", Decoding(), describe(architecture))
    run.keep("tokenizer.json", tokenizer.to_json())
    run.save_model(model)
    options = {"nbest": 2, "max_length": 4}
    wanted, found = (
        translator.search(["abc", "d"], **options)
        for translator in (Translator(model, tokenizer), Translator.load(run.folder))
    )
    for some, others in zip(wanted, found, strict=True):
        assert [(t.text, t.score) for t in some] == [(t.text, t.score) for t in others]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pretrained": 3}, "pretrained must be the description of an architecture, got 3"),
        ({"model": None}, "model must be the description of an architecture, got None"),
        ({"colour": {}}, "encoder must be the description of a part, got None"),
        ({"colour": describe(RNN)}, "a fused architecture must not have colour"),
        ({"model": describe(RNN) | {"source_end": False}}, "source_end of .* False, got True"),
    ],
)
def test_a_wrong_description_is_refused(change, complaint):
    description = {"pretrained": describe(RNN), "model": describe(RNN)} | change
    with pytest.raises(ValueError, match=complaint):
        build(description, 8)
    del description["model"]
    with pytest.raises(ValueError, match="must"):
        build(description, 8)


def test_what_is_shared_cannot_be_frozen():
    first, second = RNN.build(8), RNN.build(8)
    second.decoder.embedding = first.decoder.embedding
    with pytest.raises(ValueError, match="model must share no weights with pretrained, got decod"):
        fuse(first, second)
    assert all(weight.requires_grad for weight in first.parameters())


def copies(generator, count):
    """Two digits and the same again."""
    pairs = torch.randint(4, 10, (count, 2), generator=generator).tolist()
    return collate(pairs, pairs)


def trained(model, steps, generator):
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=2e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model, copies(generator, 32)).backward()
        optimizer.step()
    return model.eval()


def right(model, generator):
    """How many of 100 targets a greedy search finds."""
    batch = copies(generator, 100)
    with torch.inference_mode():
        state = model.encode(batch.source, batch.lengths)
    found = greedy_search(model.step, state, bos=BOS, eos=EOS, max_length=4)
    return sum(
        h.tokens == row for [h], row in zip(found, batch.target[:, 1:].tolist(), strict=True)
    )


READER = Architecture(
    encoder=RNNEncoderShape(embedding_size=16, hidden_size=24, dropout=0.0),
    decoder=RNNDecoderShape(embedding_size=16, hidden_size=24, dropout=0.0),
)
BLIND = Architecture(
    encoder=None,
    decoder=RNNDecoderShape(embedding_size=16, hidden_size=24, dropout=0.0, attention=None),
)


def test_the_second_learns_what_the_first_cannot():
    """A first model that does not see the source knows no more than chance."""
    generator = torch.Generator().manual_seed(0)
    first = trained(BLIND.build(10), 20, generator)
    assert right(first, generator) < 20
    assert right(trained(fuse(first, READER.build(10)), 80, generator), generator) > 95


def test_the_second_builds_on_what_the_first_knows():
    """A second model that does not see the source learns it from the features of the first."""
    generator = torch.Generator().manual_seed(0)
    first = trained(READER.build(10), 60, generator)
    assert right(first, generator) > 95
    assert right(trained(fuse(first, BLIND.build(10)), 25, generator), generator) > 95
