"""A changed bit is found and named; the bits of NaN are not held against anyone."""

import math

import pytest
import torch

from benchmarks.same_bits import __main__ as script
from benchmarks.same_bits.cases import Case, seeded, values

NAMES = ("inference 0", "output 0", "gradient 0")


@pytest.fixture
def file(tmp_path, monkeypatch, one_thread):
    """What was written of ``x * factor``, and a way to compare with another factor."""

    def of(factor, **new):
        x = torch.tensor([1.0, 0.0, math.nan])
        case = Case("some/scaled", lambda x: x * torch.tensor(factor), [new.get("x", x)])
        monkeypatch.setattr(script, "GROUPS", {"some": (lambda: iter([case]),)})

    of([1.0, 1.0, 1.0])
    script.write(tmp_path / "bits", [])
    return of, tmp_path / "bits"


def test_what_is_the_same_is_not_named(file, capsys):
    assert script.compare(file[1], []) == 0
    assert capsys.readouterr().out.endswith(
        "3 results compared, 0 differ, 0 others in the bits of NaN\n"
    )


def test_the_last_bit_is_found(file, capsys):
    file[0]([1.0 + 2**-23, 1.0, 1.0])
    assert script.compare(file[1], []) == 3
    out = capsys.readouterr().out
    assert all(f"some/scaled, 1 thread: {name}: 1 of 3 values" in out for name in NAMES)
    assert "at most 1.19e-07 apart" in out


def test_a_sign_of_zero_is_found(file, capsys):
    file[0]([1.0, -1.0, 1.0], x=torch.tensor([1.0, 0.0, math.nan]))
    assert script.compare(file[1], []) == 3
    assert "inference 0: other signs of zero" in capsys.readouterr().out


def test_bits_of_nan_are_counted_apart(file, capsys):
    file[0]([1.0, 1.0, 1.0], x=torch.tensor([1.0, 0.0, -math.nan]))
    assert script.compare(file[1], []) == 0
    assert "0 differ, 2 others in the bits of NaN" in capsys.readouterr().out


def test_shape_dtype_and_what_is_gone_are_found(file, capsys, monkeypatch):
    file[0]([1.0, 1.0], x=torch.ones(2))
    assert script.compare(file[1], []) == 3
    assert "float32 (2,) strides [1], was float32 (3,) strides [1]" in capsys.readouterr().out
    monkeypatch.setattr(script, "GROUPS", {})
    assert script.compare(file[1], []) == 3
    assert capsys.readouterr().out.count("no longer there") == 3


def test_inputs_are_the_same_in_every_run():
    assert torch.equal(
        values("ties", (5, 7), torch.float32, "a"), values("ties", (5, 7), torch.float32, "a")
    )
    assert not torch.equal(
        values("plain", (9,), torch.float32, "a"), values("plain", (9,), torch.float32, "b")
    )
    assert set(values("ties", (99,), torch.float32, "a").tolist()) <= {
        -2.0,
        -1.0,
        -0.0,
        0.0,
        1.0,
        2.0,
    }
    odd = values("odd", (999,), torch.float64, "a")
    assert odd.isnan().any()
    assert odd.isinf().any()
    assert seeded("a").initial_seed() == seeded("a").initial_seed()
