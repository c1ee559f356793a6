"""Learning rates over the steps."""

import math

import pytest
from torch.testing import assert_close

from huashi.training import TrainingSettings, optimizer_of, rate, rise_and_fall

SCHEDULES = ["inverse_sqrt", "linear", "cosine", "constant", "plateau"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rises_in_a_straight_line_and_never_above_one(schedule):
    rates = [rate(schedule, step, warmup=10, steps=100) for step in range(1, 101)]
    assert_close(rates[:10], [step / 10 for step in range(1, 11)])
    assert all(0 < r <= 1 for r in rates)
    falling = rates[9:]
    assert falling == sorted(falling, reverse=True)


def test_falls_as_its_name_says():
    options = {"warmup": 4, "steps": 24}
    assert_close(rate("inverse_sqrt", 16, **options), 0.5)
    assert_close(rate("linear", 15, **options), 0.5)
    assert_close(rate("cosine", 15, **options), 0.5)
    assert_close(rate("cosine", 10, **options), (1 + math.cos(math.pi * 0.25)) / 2)
    assert rate("constant", 24, **options) == rate("plateau", 24, **options) == 1
    assert_close(rate("linear", 24, **options), 1 / 20)
    assert rate("linear", 30, **options) == 0


def test_no_warm_up():
    for schedule in SCHEDULES:
        assert rate(schedule, 1, warmup=0, steps=9) == 1


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"steps": 0}, "steps must be > 0, got 0"),
        ({"optimizer": "adamm"}, "did you mean 'adam'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"ema": 1.0}, "ema must be from 0 to 1, got 1.0"),
        ({"clip": -1.0}, "clip must be >= 0, got -1.0"),
        ({"lr": 0.0}, "lr must be > 0, got 0.0"),
        ({"minutes": -1.0}, "minutes must be > 0, got -1.0"),
    ],
)
def test_wrong_settings_are_refused(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        TrainingSettings(**wrong)
    assert TrainingSettings().optimizer == "adam"
    assert callable(optimizer_of)


def test_rise_and_fall_is_the_lower_of_two_lines():
    shares = [rise_and_fall(step, warmup=4, steps=20) for step in range(1, 21)]
    assert shares[:4] == [1 / 4, 2 / 4, 3 / 4, 1 - 3 / 20]
    assert shares[-1] == 1 - 19 / 20
