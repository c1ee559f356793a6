"""From pairs to the tensors of a step, in one process or shared by several."""

import itertools

import pytest
import torch

from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD, train_tokenizer
from huashi.seq2seq.training import Order, steps, tokenized, write_store
from huashi.seq2seq.training.data import Links, examples_of

PAIRS = [Pair("a b c", "x y"), Pair("b", "y"), Pair("c c", "x x y z")]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["a b c x y z"], "word", 20)


def test_pairs_become_ids(tokenizer):
    found = list(tokenized(PAIRS, tokenizer, tokenizer))
    assert [tuple(map(tokenizer.decode, record)) for record in found] == PAIRS
    found = list(tokenized(PAIRS, tokenizer, tokenizer, ["0-0 2-1", "", "1-3"]))
    assert [record[2] for record in found] == [[0, 0, 2, 1], [], [1, 3]]


def test_links_do_not_count_the_tag(tokenizer):
    places = ("0-0", "one.txt:7"), ("", "one.txt:8"), ("1-3", "one.txt:9")
    links = [Links(*place, before=1 - i) for i, place in enumerate(places[:2])] + [
        Links(*places[2])
    ]
    assert next(tokenized(PAIRS, tokenizer, tokenizer, links))[2] == [1, 0]
    links[0] = Links("2-0", "one.txt:7", before=1)
    with pytest.raises(
        ValueError, match=r"one\.txt:7: .* 2 source and 2 target tokens, .* tag not"
    ):
        list(tokenized(PAIRS, tokenizer, tokenizer, links))


@pytest.mark.parametrize(
    ("links", "complaint"),
    [
        (["0-0", "0-0"], "must have a line for each pair, got 2"),
        (["", "", "", ""], "must have a line for each pair, got more than 3"),
        (["0-0", "1-0", ""], r"alignments:2: .* of 1 source and 1 target tokens, .* got 1-0"),
        (["0-2", "", ""], r"alignments:1: .* 3 source and 2 target .* got 0-2"),
        (["0:0", "", ""], r"alignments:1: a link must be like 0-1, got '0:0'"),
        (["", "", "0-−1"], "a link must be like 0-1"),
    ],
)
def test_wrong_links_are_refused(tokenizer, links, complaint):
    with pytest.raises(ValueError, match=complaint):
        list(tokenized(PAIRS, tokenizer, tokenizer, links))


def test_records_become_tensors():
    examples = examples_of([([5, 6], [7]), ([8], [9, 9])])
    assert examples.source.tolist() == [[5, 6, EOS], [8, EOS, PAD]]
    assert examples.lengths.tolist() == [3, 2]
    assert examples.target.tolist() == [[BOS, 7, EOS, PAD], [BOS, 9, 9, EOS]]
    assert examples.links is None
    unended = examples_of([([5, 6], [7])], source_end=False)
    assert unended.source.tolist() == [[5, 6]]


def test_links_are_of_the_tokens_that_are_predicted():
    examples = examples_of([([5, 6], [7], [1, 0]), ([8], [9, 9], [0, 0, 0, 1])])
    assert examples.links.shape == (2, 3, 3)
    assert examples.links.nonzero().tolist() == [[0, 0, 1], [1, 0, 0], [1, 1, 0]]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    draw = torch.Generator().manual_seed(0)

    def ids():
        return torch.randint(4, 90, (int(torch.randint(1, 9, (), generator=draw)),)).tolist()

    records = [(ids(), ids()) for _ in range(500)]
    folder = tmp_path_factory.mktemp("stores") / "s"
    return write_store(folder, records, sides=("source", "target"), vocabulary_size=99)


def sentences(examples):
    """Sources and targets of a batch without their padding."""
    sources = [row[:n].tolist() for row, n in zip(examples.source, examples.lengths, strict=True)]
    targets = [[t for t in row if t != PAD] for row in examples.target.tolist()]
    return [(tuple(s), tuple(t)) for s, t in zip(sources, targets, strict=True)]


@pytest.mark.parametrize(("processes", "accumulate"), [(2, 1), (1, 2), (2, 3)])
def test_shares_are_together_what_one_process_would_do(store, processes, accumulate):
    parts = processes * accumulate
    whole = steps(store, Order(60 * parts, 8), seed=1)
    shares = [
        steps(
            store,
            Order(60, 8),
            seed=1,
            accumulate=accumulate,
            rank=rank,
            processes=processes,
        )
        for rank in range(processes)
    ]
    for step in itertools.islice(whole, 30):
        of_all = [next(share) for share in shares]
        assert {share.tokens for share in of_all} == {step.tokens}
        found = [
            pair
            for share in of_all
            for examples, weight in zip(share.examples, share.weights, strict=True)
            for pair in sentences(examples)
            if weight
        ]
        assert sorted(found) == sorted(sentences(step.examples[0]))
        assert sum(len(target) - 1 for _, target in found) == step.tokens
        assert all(1 <= len(share.examples) <= accumulate for share in of_all)


def test_a_share_with_nothing_in_it_counts_nothing(tmp_path):
    """Where there are fewer sentences than processes: all of them step, some for nothing."""
    store = write_store(tmp_path / "s", [([5], [6])], sides=("source", "target"), vocabulary_size=9)
    shares = [next(steps(store, Order(9, 5), seed=0, rank=r, processes=3)) for r in range(3)]
    assert sorted(share.weights for share in shares) == [[0.0], [0.0], [1.0]]
    assert all(len(share.examples[0].source) == 1 for share in shares)


def test_batches_with_nothing_in_them_are_not_accumulated(tmp_path):
    records = [([5], [6]), ([5], [7])]
    store = write_store(tmp_path / "s", records, sides=("source", "target"), vocabulary_size=9)
    step = next(steps(store, Order(9, 5), seed=0, accumulate=1000))
    assert (len(step.examples), step.weights) == (2, [1.0, 1.0])


def test_goes_on_after_so_many_steps(store):
    options = {"seed": 2, "accumulate": 2}
    whole = list(itertools.islice(steps(store, Order(60, 8), **options), 12))
    rest = steps(store, Order(60, 8), skip=10, **options)
    for step in whole[10:]:
        again = next(rest)
        assert [sentences(e) for e in again.examples] == [sentences(e) for e in step.examples]
