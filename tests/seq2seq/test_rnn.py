"""The recurrent encoder-decoder, in every cell of its configuration."""

import itertools

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.seq2seq.corpus import collate
from huashi.seq2seq.models import build, describe
from huashi.seq2seq.rnn import RNN
from huashi.seq2seq.search import greedy_search, select
from huashi.seq2seq.tokenizer import BOS, EOS, PAD

SHAPES = [
    RNN(
        cell=cell,
        score=score,
        attend=attend,
        input_feeding=feeding,
        layers=layers,
        mapping=mapping,
        embedding_size=6,
        hidden_size=8,
        dropout=0.0,
    )
    for (cell, score, attend), (feeding, layers, mapping) in zip(
        itertools.product(
            ["gru", "lstm"], ["dot", "scaled_dot", "general", "additive"], ["after", "before"]
        ),
        itertools.cycle([(True, 1, "softmax"), (False, 2, "entmax15"), (True, 2, "entmax15")]),
        strict=False,
    )
]
BATCH = collate([[4, 5, 6, 7], [6], [5, 4]], [[7, 6], [4, 4, 4], [5]])


def model_of(shape, vocabulary_size=8):
    return shape.build(vocabulary_size).double().eval()


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


def test_description_builds_the_same_model():
    shape = RNN(hidden_size=8, embedding_size=4, cell="lstm")
    model, again = shape.build(9), build(describe(shape), 9)
    again.load_state_dict(model.state_dict())
    assert str(again) == str(model)


@pytest.mark.parametrize(
    ("description", "complaint"),
    [
        ({"kind": "rmn"}, "kind must be one of 'rnn', got 'rmn'; did you mean 'rnn'"),
        ({"kind": "rnn", "hiden": 3}, "the shape of a rnn must not have hiden"),
        ({"kind": "rnn", "hidden_size": 3}, "hidden_size must be even"),
    ],
)
def test_a_wrong_description_is_refused(description, complaint):
    with pytest.raises(ValueError, match=complaint):
        build(description, 9)


def reversal(generator, count):
    """Sequences of digits and the same backwards."""
    lengths = torch.randint(2, 6, (count,), generator=generator).tolist()
    sources = [torch.randint(4, 12, (n,), generator=generator).tolist() for n in lengths]
    return collate(sources, [source[::-1] for source in sources])


@pytest.mark.parametrize(
    ("cell", "attend", "score", "mapping"),
    [
        ("gru", "after", "scaled_dot", "softmax"),
        ("lstm", "before", "additive", "softmax"),
        ("gru", "after", "general", "entmax15"),
    ],
)
def test_learns_to_reverse(cell, attend, score, mapping):
    shape = RNN(
        cell=cell,
        attend=attend,
        score=score,
        mapping=mapping,
        embedding_size=16,
        hidden_size=32,
        dropout=0.0,
    )
    model, generator = shape.build(12), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(250):
        batch = reversal(generator, 64)
        logits = model(batch.source, batch.lengths, batch.target[:, :-1])
        loss = F.cross_entropy(
            logits.flatten(0, 1), batch.target[:, 1:].flatten(), ignore_index=PAD
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    batch = reversal(generator, 100)
    with torch.inference_mode():
        state = model.encode(batch.source, batch.lengths)
    found = greedy_search(model.step, state, bos=BOS, eos=EOS, max_length=8)
    wanted = [[t for t in row[1:] if t != PAD] for row in batch.target.tolist()]
    assert sum(h.tokens == row for [h], row in zip(found, wanted, strict=True)) >= 95
