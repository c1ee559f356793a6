"""Unknown tokens are replaced by what they attend to."""

import torch

from huashi.seq2seq.search import Hypothesis, replace_unknown


def test_unknown_tokens_are_what_they_attend_to():
    seen = torch.tensor([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0]])
    scores = {"score": 0.0, "token_scores": [0.0] * 2, "finished": False, "exact": False}
    hypothesis = Hypothesis(tokens=[7, 7], alignment=seen, **scores)
    options = {"unknown": 7, "dictionary": {"Haus": "house"}}
    found = replace_unknown(hypothesis, ["?", "?"], ["Haus", "Wuhan"], **options)
    assert found == ["Wuhan", "house"]  # the last position is beyond the source's tokens
