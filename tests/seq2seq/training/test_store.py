"""Token ids on the disk: what was written is what is read, or it is refused."""

import json

import numpy as np
import pytest

from huashi.seq2seq.training import Store, write_store
from huashi.seq2seq.training.store import BLOCK, check_unchanged, fingerprints


def records(count, sides=2, high=300):
    draw = np.random.default_rng(0)
    return [
        tuple(draw.integers(high, size=draw.integers(0, 6)).tolist() for _ in range(sides))
        for _ in range(count)
    ]


def as_lists(found):
    return [tuple(ids.tolist() for ids in record) for record in found]


@pytest.mark.parametrize(("high", "dtype"), [(300, "uint16"), (70_000, "uint32")])
@pytest.mark.parametrize("sides", [1, 2, 3])
def test_what_is_written_is_read(tmp_path, high, dtype, sides):
    wanted = records(50, sides, high)
    names = ("source", "target", "links")[:sides]
    store = write_store(tmp_path / "s", wanted, sides=names, vocabulary_size=high)
    assert (len(store), store.blocks, store.sides) == (50, 1, names)
    assert json.loads((tmp_path / "s/store.json").read_text())["dtype"] == dtype
    assert as_lists(store.block(0)) == wanted
    some = [49, 0, 7, 7]
    assert as_lists(store.records(some)) == [wanted[i] for i in some]
    assert store.lengths(0).tolist() == [list(map(len, record)) for record in wanted]


def test_more_than_a_block(tmp_path):
    wanted = records(2 * BLOCK + 3)
    store = write_store(tmp_path / "s", iter(wanted), sides=("a", "b"), vocabulary_size=300)
    assert store.blocks == 3
    assert as_lists(store.block(2)) == wanted[2 * BLOCK :]
    some = [2 * BLOCK + 2, 5, BLOCK, BLOCK - 1]
    assert as_lists(store.records(some)) == [wanted[i] for i in some]


def test_an_interrupted_writing_leaves_what_was_there(tmp_path):
    first = write_store(tmp_path / "s", records(3), sides=("a", "b"), vocabulary_size=300)

    def broken():
        yield from records(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "s", broken(), sides=("a", "b"), vocabulary_size=300)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert as_lists(Store(tmp_path / "s").block(0)) == as_lists(first.block(0))
    write_store(tmp_path / "s", records(4), sides=("a", "b"), vocabulary_size=300)
    assert len(Store(tmp_path / "s")) == 4


def test_a_damaged_store_is_refused(tmp_path):
    write_store(tmp_path / "s", records(9), sides=("a", "b"), vocabulary_size=300)
    for name in ("tokens", "lengths"):
        whole = (tmp_path / "s" / name).read_bytes()
        (tmp_path / "s" / name).write_bytes(whole[:-1])
        with pytest.raises(ValueError, match=rf"{name} must have {len(whole)} bytes, got"):
            Store(tmp_path / "s")
        (tmp_path / "s" / name).write_bytes(whole)
    for content in ("{", "[]", "{}"):
        (tmp_path / "s/store.json").write_text(content)
        with pytest.raises(ValueError, match=r"store\.json is damaged"):
            Store(tmp_path / "s")
    with pytest.raises(FileNotFoundError, match="there is no store at"):
        Store(tmp_path / "other")
    with pytest.raises(ValueError, match="must have 2 sequences, got 1"):
        write_store(tmp_path / "t", [([1],)], sides=("a", "b"), vocabulary_size=9)
    assert not (tmp_path / "t").exists()


def test_a_store_knows_the_files_it_was_made_of(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    origin = fingerprints([one, two])
    assert origin["files"][0] == origin["files"][1]
    store = write_store(tmp_path / "s", [([1],)], sides=("a",), vocabulary_size=9, origin=origin)
    check_unchanged(store, [one, two])
    check_unchanged(store, [two, one])
    two.write_bytes(b"Same")
    with pytest.raises(ValueError, match=r"that it was made of, got [^,]*two changed"):
        check_unchanged(store, [one, two])
    with pytest.raises(ValueError, match="got fewer files changed"):
        check_unchanged(store, [one])
