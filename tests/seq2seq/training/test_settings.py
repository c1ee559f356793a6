"""The settings of a training on text: flat, and checked together with those of any training."""

from dataclasses import asdict, fields

import pytest

from huashi.seq2seq.training import Training
from huashi.training import TrainingSettings


def test_the_fields_are_flat():
    of_any = {field.name for field in fields(TrainingSettings)}
    assert of_any < asdict(Training()).keys()
    assert {"batch_tokens", "label_smoothing"} <= asdict(Training()).keys() - of_any


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to 1, got 1.5"),
        ({"coverage": -1.0}, "coverage must be >= 0, got -1.0"),
        ({"batch_tokens": 0}, "batch_tokens must be > 0, got 0"),
        ({"smoothing": "fairsek"}, "did you mean 'fairseq'"),
        ({"clip": -1.0}, "clip must be >= 0, got -1.0"),
    ],
)
def test_wrong_settings_are_refused(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        Training(**wrong)
