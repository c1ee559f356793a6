"""Every encoder with every decoder, held to the one protocol."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.seq2seq import (
    Architecture,
    AttentionShape,
    RNNDecoderShape,
)
from huashi.seq2seq.architecture import DECODERS, ENCODERS, build, describe
from huashi.seq2seq.search import beam_search, sample, select
from huashi.seq2seq.text.corpus import collate
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD
from tests.seq2seq.architecture.small_parts import (
    ADDITIVE,
    SHAPES,
    SIZE,
    SOME_DECODERS,
    SOME_ENCODERS,
)

BATCH = collate([[4, 5, 6, 7], [6], [5, 4]], [[7, 6], [4, 4, 4], [5]])


@pytest.fixture(params=SHAPES)
def model(request):
    encoder, decoder = SHAPES[request.param]
    return Architecture(encoder=encoder, decoder=decoder).build(8).double().eval()


def test_every_part_is_tried():
    assert {type(part) for part in SOME_ENCODERS.values()} == set(ENCODERS.values())
    assert {type(part) for part in SOME_DECODERS.values()} == set(DECODERS.values())


@pytest.mark.parametrize("name", SOME_ENCODERS)
def test_a_memory_has_the_source_that_was_read(name):
    shape = SOME_ENCODERS[name]
    encoder = shape.build(shape.embed(8)).eval()
    memory = encoder(BATCH.source, BATCH.lengths)
    assert torch.equal(memory.source, BATCH.source)
    assert memory.source.shape == memory.mask.shape == memory.keys.shape[:2]


def test_a_memory_of_nothing_has_a_source_of_padding():
    decoder = RNNDecoderShape(hidden_size=6, attention=None, **SIZE)
    model = Architecture(encoder=None, decoder=decoder).build(8)
    memory = model.encoder(BATCH.source, BATCH.lengths)
    assert memory.source.shape == memory.mask.shape == memory.keys.shape[:2]
    assert memory.source.dtype == BATCH.source.dtype
    assert (memory.source == PAD).all()


def test_steps_are_the_full_pass(model):
    with torch.inference_mode():
        full = model(BATCH.source, BATCH.lengths, BATCH.target[:, :-1]).log_softmax(-1)
        state = model.encode(BATCH.source, BATCH.lengths)
        for t in range(full.shape[1]):
            log_probs, state = model.step(BATCH.target[:, t], state)
            assert_close(log_probs, full[:, t])


def test_a_target_can_be_read_in_pieces(model):
    tokens = torch.tensor([[2, 4, 5, 6, 7, 4, 5]] * 3)
    with torch.inference_mode():
        state = model.encode(BATCH.source, BATCH.lengths)
        whole, _ = model.decoder(tokens, state)
        first, state = model.decoder(tokens[:, :3], state)
        second, state = model.decoder(tokens[:, 3:], state)
    assert_close(torch.cat([first, second], 1), whole)


def test_a_state_can_be_taken_apart_by_rows(model):
    rows = torch.tensor([2, 0, 2])
    with torch.inference_mode():
        state = model.encode(BATCH.source, BATCH.lengths)
        for token in (BOS, 4, 5):
            tokens = torch.full((3,), token)
            before = state
            log_probs, state = model.step(tokens, before)
            chosen, chosen_state = model.step(tokens, select(before, rows))
            assert_close(chosen, log_probs[rows])
            assert_close(model.alignment(chosen_state), model.alignment(state)[rows])


def test_padding_of_the_source_changes_nothing(model):
    with torch.inference_mode():
        together = model(BATCH.source, BATCH.lengths, BATCH.target[:, :-1])
        other = BATCH.source.masked_fill(BATCH.source == PAD, 7)
        assert_close(model(other, BATCH.lengths, BATCH.target[:, :-1]), together)
        for i, length in enumerate(BATCH.lengths.tolist()):
            rows = slice(i, i + 1)
            alone = model(BATCH.source[rows, :length], BATCH.lengths[rows], BATCH.target[rows, :-1])
            assert_close(alone[0], together[i])


def test_company_does_not_matter_to_a_search(model):
    """Beams and samples of each source are the same alone and in a batch."""
    options = {"bos": BOS, "eos": EOS, "max_length": 6, "alignment": model.alignment}

    def found(rows):
        length = int(BATCH.lengths[rows].max())
        with torch.inference_mode():
            state = model.encode(BATCH.source[rows, :length], BATCH.lengths[rows])
        beams = beam_search(model.step, state, beam=3, **options)
        drawn = sample(model.step, state, samples=2, generator=1, keys=rows, **options)
        return [[*b, *d] for b, d in zip(beams, drawn, strict=True)]

    together = found(torch.tensor([2, 0, 1]))
    for place, row in enumerate((2, 0, 1)):
        [alone] = found(torch.tensor([row]))
        assert [h.tokens for h in alone] == [h.tokens for h in together[place]]
        scores = [[h.score for h in some] for some in (alone, together[place])]
        assert_close(torch.tensor(scores[0]), torch.tensor(scores[1]), rtol=0, atol=1e-5)


def test_a_token_does_not_know_what_follows(model):
    """Neither do the features, nor their gradients."""
    target = BATCH.target[:, :-1]
    other = target.clone()
    other[:, 2:] = 5
    logits = model(BATCH.source, BATCH.lengths, target)
    assert_close(model(BATCH.source, BATCH.lengths, other)[:, :2], logits[:, :2])
    loss = F.cross_entropy(logits.flatten(0, 1), BATCH.target[:, 1:].flatten(), ignore_index=PAD)
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.grad is None or weight.grad.isfinite().all(), name


def test_alignments_are_weights_of_the_source(model):
    if getattr(model.decoder, "attention", 0) is None:
        return
    with torch.inference_mode():
        state = model.encode(BATCH.source, BATCH.lengths)
        _, state = model.step(torch.full((3,), BOS), state)
    weights = model.alignment(state)
    assert weights.shape == BATCH.source.shape
    assert (weights[BATCH.source == PAD] == 0).all()
    shape = getattr(model.decoder, "shape", None)
    attention = getattr(shape, "attention", None)
    if isinstance(attention, AttentionShape) and (attention.window or attention.monotonic):
        assert (weights.sum(1) < 1 + 1e-9).all()  # some of it may have left the source
        return
    assert_close(weights.sum(1), torch.ones(3).double())


def test_alignments_of_a_whole_target_are_those_of_its_steps(model):
    """In training too, where most parts make none unless they are asked."""
    if getattr(model.decoder, "attention", 0) is None:
        return
    inputs = BATCH.target[:, :-1]
    with torch.inference_mode():
        state = model.encode(BATCH.source, BATCH.lengths)
        for t in range(inputs.shape[1]):
            _, state = model.step(inputs[:, t], state)
            _, whole = model.features(BATCH.source, BATCH.lengths, inputs, aligns=True)
            assert_close(whole.alignment[:, t], model.alignment(state))
    _, trained = model.train().features(BATCH.source, BATCH.lengths, inputs, aligns=True)
    assert trained.alignment.shape == whole.alignment.shape
    assert trained.alignment.requires_grad
    assert trained.alignment[0].sum() > 0


@pytest.mark.parametrize("name", SHAPES)
def test_a_description_builds_the_same_model(name):
    encoder, decoder = SHAPES[name]
    architecture = Architecture(encoder=encoder, decoder=decoder)
    model, again = architecture.build(9), build(describe(architecture), 9)
    again.load_state_dict(model.state_dict())
    assert str(again) == str(model)


def test_what_is_shared_is_one_matrix():
    decoder = RNNDecoderShape(hidden_size=8, attention=ADDITIVE, **SIZE)
    for share, tables in (("nothing", 3), ("embeddings", 2), ("output", 2), ("all", 1)):
        parts = {"encoder": SOME_ENCODERS["rnn"], "decoder": decoder}
        model = Architecture(**parts, share=share).build(11)
        assert sum(weight.shape == (11, 8) for weight in model.parameters()) == tables


def test_two_vocabularies():
    parts = {"encoder": SOME_ENCODERS["rnn"], "decoder": SOME_DECODERS["rnn"]}
    model = Architecture(**parts, share="nothing").build(9, 11)
    assert model(BATCH.source, BATCH.lengths, BATCH.target).shape[-1] == 11
    with pytest.raises(ValueError, match="share must not be 'embeddings' for vocabularies of 9 an"):
        Architecture(**parts).build(9, 11)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"encoder": {"kind": "rmn"}}, "kind must be one of .*, got 'rmn'; did you mean 'rnn'"),
        ({"encoder": {"kind": "rnn", "hiden": 3}}, "a rnn encoder must not have hiden"),
        ({"decoder": {"kind": "rnn", "hidden_size": 0}}, "hidden_size must be > 0, got 0"),
        ({"decoder": 3}, "decoder must be the description of a part, got 3"),
        ({"share": "al"}, "share must be one of .*, got 'al'"),
        ({"colour": 1}, "an architecture must not have colour"),
    ],
)
def test_a_wrong_description_is_refused(change, complaint):
    description = {"encoder": {"kind": "rnn"}, "decoder": {"kind": "rnn"}, **change}
    with pytest.raises(ValueError, match=complaint):
        build(description, 9)


def test_features_that_do_not_fit_are_refused():
    parts = {"encoder": SOME_ENCODERS["rnn"], "decoder": SOME_DECODERS["rnn"]}
    with pytest.raises(ValueError, match="embedding_size must be the decoder's 6 features"):
        Architecture(**parts, share="all").build(9)
