"""What is held out of a training."""

import pytest

from huashi.seq2seq.training.corpora import held_out


@pytest.mark.parametrize(
    "sizes", [[3], [50], [51, 120], [29_000] * 3, [400_000], [10, 400_000, 70_001]], ids=str
)
def test_what_is_held_out_is_of_every_corpus_and_spread_over_it(sizes):
    pairs = [(corpus, number) for corpus, size in enumerate(sizes) for number in range(size)]
    out = list(held_out(pairs, sizes, kept=False))
    assert sorted(out + list(held_out(pairs, sizes, kept=True))) == pairs
    assert len(out) <= 1000
    for corpus, size in enumerate(sizes):
        numbers = [number for of, number in out if of == corpus]
        assert numbers
        assert len(numbers) <= -(-size // 50)
        gaps = [b - a for a, b in zip(numbers, [*numbers[1:], size], strict=True)]
        assert max(gaps) <= max(50, size / (1000 // len(sizes)) + 1)


def test_earlier_runs_keep_their_split():
    out = list(held_out(range(80_000), None, kept=False))
    assert out == list(range(0, 50_000, 50))


def test_lines_beyond_the_pairs_are_not_lost():
    assert list(held_out(range(7), [3], kept=True)) == [1, 2, 3, 4, 5, 6]
