"""What is timed agrees first and takes turns."""

import time

import pytest
import torch

from huashi.bench import compare, timing


@pytest.mark.parametrize(
    "wrong", [torch.tensor([1.0, 2.1]), torch.tensor([1.0]), torch.tensor([1, 2])]
)
def test_contenders_that_disagree_are_not_timed(wrong, monkeypatch):
    monkeypatch.setattr(timing, "_seconds", None)
    runs = {"right": lambda: torch.tensor([1.0, 2.0]), "wrong": lambda: wrong}
    with pytest.raises(ValueError, match=r"^wrong must agree with right: .*$"):
        compare(runs, peer="right", device="cpu")


def test_tolerance_may_be_given():
    runs = {"one": lambda: torch.ones(2), "nearly": lambda: torch.full((2,), 1.01)}
    options = {"peer": "one", "device": "cpu", "rounds": 1}
    with pytest.raises(ValueError, match="nearly must agree"):
        compare(runs, **options)
    assert len(compare(runs, **options, rtol=0.02)) == 2
    assert len(compare(runs, **options, rtol=0.0, atol=0.02)) == 2
    with pytest.raises(ValueError, match="nearly must agree"):
        compare(runs, **options, rtol=0.0, atol=1e-3)


def test_times_medians_and_ratios(monkeypatch):
    monkeypatch.setattr(timing, "copy_bandwidth", lambda device: 10.0)

    def lasting(seconds):
        def run():
            time.sleep(seconds)
            return torch.ones(1)

        return run

    runs = {"slow": lasting(0.06), "fast": lasting(0.02)}
    slow, fast = compare(runs, peer="slow", moved=10**6, device="cpu", rounds=3)
    assert (slow["contender"], slow["times_peer"], slow["rounds"]) == ("slow", 1.0, 3)
    assert 2 < fast["times_peer"] < 3.5
    assert fast["median_us"] >= 2e4
    assert fast["gb_per_s"] == pytest.approx(1e6 / fast["median_us"] / 1e3, abs=0.01)
    assert fast["copy_gb_per_s"] == 10


def test_contenders_take_turns_in_changing_order(monkeypatch):
    order = []
    monkeypatch.setattr(timing, "_seconds", lambda run, repeats, device: order.append(run) or 1.0)
    a, b, c = (lambda n=n: torch.tensor(n * 0.0) for n in range(3))
    compare({"a": a, "b": b, "c": c}, peer="a", device="cpu", rounds=3)
    names = {a: "a", b: "b", c: "c"}
    assert "".join(names[run] for run in order) == "abc" + "abc" + "bca" + "cab"


@pytest.mark.parametrize(("lasts", "rounds"), [(1e-4, 15), (0.15, 10), (0.9, 5), (2.0, 3)])
def test_rounds_are_as_many_as_time_allows(monkeypatch, lasts, rounds):
    calls = []
    monkeypatch.setattr(timing, "_seconds", lambda run, *_: calls.append(run) or lasts)
    [row] = compare({"a": lambda: torch.ones(1)}, peer="a", device="cpu", seconds=1.5)
    assert row["rounds"] == rounds
    assert len(calls) == (rounds + 1 if lasts < timing.LONG else rounds)  # one to know how long
