"""What several models say together."""

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import Ensemble, ShallowFusion, greedy_search
from tests.seq2seq.search.sampling.test_ancestral import OPTIONS, TABLE, step


def test_the_means_of_an_ensemble():
    other = torch.tensor([[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]]).double().log()

    def second(tokens, state):
        return other[tokens], state

    tokens = torch.tensor([0, 2])
    p, q = TABLE[tokens].exp(), other[tokens].exp()
    said, _ = Ensemble([step, second], [3.0, 1.0]).step(tokens, (None, None))
    assert_close(said.exp(), 0.75 * p + 0.25 * q)
    said, _ = Ensemble([step, second], mean="log_probabilities").step(tokens, (None, None))
    assert_close(said.exp(), (p * q).sqrt() / (p * q).sqrt().sum(-1, keepdim=True))
    said, _ = ShallowFusion(step, second, 0.3).step(tokens, (None, None))
    assert_close(said, p.log() + 0.3 * q.log())
    both = Ensemble([step, step])
    state = torch.zeros(1), torch.zeros(1)
    assert greedy_search(both.step, state, **OPTIONS)[0][0].tokens == [1]


def test_models_of_two_vocabularies_are_refused():
    wider = lambda tokens, state: (torch.zeros(len(tokens), 9) - 3, state)  # noqa: E731
    with pytest.raises(ValueError, match=r"models must have one vocabulary, got sizes \[\d, 9\]"):
        Ensemble([step, wider]).step(torch.tensor([0]), (None, None))
