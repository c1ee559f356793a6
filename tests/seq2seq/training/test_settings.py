"""The settings of a training on text: flat, and checked together with those of any training."""

import math
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
        ({"decay": math.nan}, "decay must be above 0 and at most 1, got nan"),
        ({"decay": -1.0}, "decay must be above 0 and at most 1, got -1.0"),
        ({"decay": math.inf}, "decay must be above 0 and at most 1, got inf"),
        ({"betas": (2.0, 3.0)}, r"betas must be two numbers from 0 to 1, got \(2\.0, 3\.0\)"),
        ({"lr": math.inf}, "lr must be finite, got inf"),
        ({"coverage": math.inf}, "coverage must be finite, got inf"),
        ({"threads": 100_000}, "threads must be at most 1,024, got 100000"),
        ({"batch_tokens": 10**20}, f"batch_tokens must be at most 2,147,483,647, got {10**20}"),
        ({"warmup": 10**20}, "warmup must be at most 2,147,483,647"),
        ({"label_smoothing": 1.0, "smoothing": "joey"}, "label_smoothing must be below 1, .* 1.0"),
    ],
)
def test_wrong_settings_are_refused(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        Training(**wrong)
