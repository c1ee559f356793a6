"""Length, coverage and brevity, as the papers and projects have them."""

import torch
from torch.testing import assert_close

from huashi.seq2seq.search import PRESETS, Rules
from huashi.seq2seq.search.beam.scores import brevity_score, coverage_score, length_divisor


def test_length_penalties_are_those_of_the_projects():
    # GNMT's paper: ((5 + n) / 6) ** alpha; Sockeye's: ((beta + n) / (beta + 1)) ** alpha
    assert_close(length_divisor(Rules(length_base=5.0, length_penalty=0.6), 7), 2.0**0.6)
    assert_close(length_divisor(Rules(length_base=1.0, length_penalty=2.0), 3), 4.0)
    # OpenNMT's test: 3, 4, 5 at a generated length of 2, 3, 4
    lengths = torch.tensor([2.0, 3.0, 4.0])
    assert_close(length_divisor(PRESETS["opennmt"], lengths), lengths + 1)


def test_brevity_penalties_are_those_of_sockeye():
    rules = Rules(brevity_penalty=3.5)
    for length, reference, want in ((1, 7.0, -21.0), (2, 2.0, 0.0), (3, 91.0, -3.5 * 88 / 3)):
        assert_close(brevity_score(rules, length, torch.tensor([reference])), torch.tensor([want]))


def test_coverage_counts_positions_that_were_seen():
    seen = torch.tensor([0.5, 2.0, 0.0])
    assert_close(coverage_score(Rules(coverage_penalty=1.0), seen), torch.tensor(0.5).log())
    excess = Rules(coverage_penalty=2.0, coverage="excess")
    assert_close(coverage_score(excess, seen), torch.tensor(-2.0))
