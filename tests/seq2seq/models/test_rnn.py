"""The recurrent decoder, in every cell of its configuration."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq import Architecture, AttentionShape, RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.attention import SCORES
from huashi.seq2seq.search import select
from huashi.seq2seq.text.corpus import collate
from huashi.seq2seq.text.tokenizer import BOS

SHAPES = [
    RNNDecoderShape(
        cell=cell,
        attention=AttentionShape(score=score, mapping=mapping),
        attend=attend,
        input_feeding=feeding,
        layers=layers,
        embedding_size=6,
        hidden_size=8,
        dropout=0.0,
    )
    for (cell, score, attend), (feeding, layers, mapping) in zip(
        itertools.product(["gru", "lstm"], SCORES, ["after", "before"]),
        itertools.cycle([(True, 1, "softmax"), (False, 2, "sparsemax"), (True, 2, "entmax15")]),
        strict=False,
    )
]
BATCH = collate([[4, 5, 6, 7], [6], [5, 4]], [[7, 6], [4, 4, 4], [5]])


def model_of(decoder):
    encoder = RNNEncoderShape(
        cell=decoder.cell, layers=decoder.layers, embedding_size=6, hidden_size=8, dropout=0.0
    )
    return Architecture(encoder=encoder, decoder=decoder).build(8).double().eval()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_steps_are_the_full_pass(shape):
    model = model_of(shape)
    with torch.inference_mode():
        full = model(BATCH.source, BATCH.lengths, BATCH.target[:, :-1]).log_softmax(-1)
        state = model.encode(BATCH.source, BATCH.lengths)
        for t in range(full.shape[1]):
            log_probs, state = model.step(BATCH.target[:, t], state)
            assert_close(log_probs, full[:, t])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_state_can_be_taken_apart_by_rows(shape):
    model = model_of(shape)
    rows = torch.tensor([2, 0, 2])
    with torch.inference_mode():
        state = model.encode(BATCH.source, BATCH.lengths)
        tokens = torch.full((3,), BOS)
        log_probs, after = model.step(tokens, state)
        chosen, chosen_after = model.step(tokens, select(state, rows))
    assert_close(chosen, log_probs[rows])
    assert_close(chosen_after.alignment, after.alignment[rows])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_padding_of_the_source_changes_nothing(shape):
    model = model_of(shape)
    with torch.inference_mode():
        together = model(BATCH.source, BATCH.lengths, BATCH.target[:, :-1])
        for i, length in enumerate(BATCH.lengths.tolist()):
            alone = model(
                BATCH.source[i : i + 1, :length],
                BATCH.lengths[i : i + 1],
                BATCH.target[i : i + 1, :-1],
            )
            assert_close(alone[0], together[i])
