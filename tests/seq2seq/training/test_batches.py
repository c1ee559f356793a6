"""The order of training: everything once an epoch, within the size, the same for the same seed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huashi.seq2seq.training import Order, write_store
from huashi.seq2seq.training import batches as planning
from huashi.seq2seq.training.batches import count_longer, epoch, epochs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    draw = np.random.default_rng(0)
    records = [
        (np.arange(draw.integers(1, 12)), np.arange(draw.integers(1, 12))) for _ in range(10_000)
    ]
    folder = tmp_path_factory.mktemp("stores") / "s"
    return write_store(folder, records, sides=("source", "target"), vocabulary_size=99)


@given(max_tokens=st.integers(9, 400), max_length=st.integers(1, 8), buffer=st.integers(1, 4))
def test_an_epoch_has_every_record_once(store, max_tokens, max_length, buffer):
    order = Order(max_tokens, max_length, buffer=buffer)
    found = list(epoch(store, order, np.random.default_rng(1)))
    numbers = np.concatenate([batch.numbers for batch in found])
    lengths = np.concatenate([store.lengths(block) for block in range(store.blocks)])
    assert sorted(numbers) == (lengths.max(1) <= max_length).nonzero()[0].tolist()
    for batch in found:
        assert (batch.lengths == lengths[batch.numbers]).all()
        assert (batch.lengths.max() + 1) * len(batch.numbers) <= max_tokens


def test_batches_are_as_full_as_they_can_be(store):
    found = list(epoch(store, Order(400, 12), np.random.default_rng(0)))
    used = [batch.lengths.max(1).sum() + len(batch.numbers) for batch in found]
    assert np.mean(used) > 0.9 * 400


def test_a_batch_may_be_full_to_the_last_position(tmp_path):
    records = [([1, 2, 3], [4])] * 12
    store = write_store(tmp_path / "s", records, sides=("a", "b"), vocabulary_size=9)
    found = epoch(store, Order(20, 3), np.random.default_rng(0))
    assert sorted(len(batch.numbers) for batch in found) == [2, 5, 5]


def test_epochs_differ_and_a_seed_decides(store):
    order = Order(100, 12)
    size = len(list(epoch(store, order, np.random.default_rng((5, 0)))))
    first = [b.numbers.tolist() for b in itertools.islice(epochs(store, order, seed=5), size + 3)]
    again = [b.numbers.tolist() for b in itertools.islice(epochs(store, order, seed=5), size + 3)]
    assert first == again
    assert first[size:] != first[:3]
    assert first[:3] != [
        b.numbers.tolist() for b in itertools.islice(epochs(store, order, seed=6), 3)
    ]
    shortest_first = sorted(range(size), key=lambda i: max(first[i]))
    assert shortest_first != list(range(size))


def test_goes_on_where_it_stopped_and_reads_no_tokens(store, monkeypatch):
    order = Order(300, 12, buffer=2)
    whole = [b.numbers.tolist() for b in itertools.islice(epochs(store, order, seed=3), 900)]
    for skip in (1, 299, 600):
        rest = epochs(store, order, seed=3, skip=skip)
        assert [b.numbers.tolist() for b in itertools.islice(rest, 5)] == whole[skip : skip + 5]


def test_what_does_not_fit_is_refused(store):
    with pytest.raises(ValueError, match=r"batch_tokens must be >= 13, .* got 12"):
        next(epochs(store, Order(12, 12), seed=0))
    assert count_longer(store, 12) == 0
    assert count_longer(store, 5) > 1000


def test_nothing_short_enough_is_an_error(tmp_path):
    store = write_store(tmp_path / "s", [([1, 2], [3, 4])], sides=("a", "b"), vocabulary_size=9)
    with pytest.raises(ValueError, match="max_length must leave a record, got 1 for 1"):
        next(epochs(store, Order(9, 1), seed=0))
    assert planning.count_longer(store, 1) == 1
