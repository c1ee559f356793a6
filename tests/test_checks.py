"""Every error names the argument, the rule, and what was given."""

import pytest
import torch

from huashi import _checks as checks


@pytest.mark.parametrize(
    ("check", "error", "text"),
    [
        (lambda: checks.check_floating("x", [1.0]), TypeError, "x must be a tensor, got list"),
        (
            lambda: checks.check_floating("x", torch.arange(3)),
            TypeError,
            "x must be a floating-point tensor, got torch.int64",
        ),
        (
            lambda: checks.check_ndim("x", torch.ones(3, 4), "N C H W"),
            ValueError,
            "x must have shape (N, C, H, W), got (3, 4)",
        ),
        (
            lambda: checks.check_dim("dim", 2, torch.ones(3, 4)),
            ValueError,
            "dim must be in [-2, 1], got 2 for shape (3, 4)",
        ),
        (
            lambda: checks.check_dim("dim", -3, torch.ones(3, 4)),
            ValueError,
            "dim must be in [-2, 1], got -3 for shape (3, 4)",
        ),
        (
            lambda: checks.check_dim("dim", 0, torch.tensor(1.0)),
            ValueError,
            "dim must name a dimension, got 0 for a tensor that has none",
        ),
        (
            lambda: checks.check_dim("dim", True, torch.ones(3)),
            TypeError,
            "dim must be an int, got True",
        ),
        (lambda: checks.check_positive("eps", 0.0), ValueError, "eps must be > 0, got 0.0"),
        (
            lambda: checks.check_positive("eps", float("nan")),
            ValueError,
            "eps must be > 0, got nan",
        ),
        (
            lambda: checks.check_choice("mode", "zeroes", ["zeros", "reflect"]),
            ValueError,
            "mode must be one of 'zeros', 'reflect', got 'zeroes'; did you mean 'zeros'?",
        ),
        (
            lambda: checks.check_choice("mode", "q", ["zeros", "reflect"]),
            ValueError,
            "mode must be one of 'zeros', 'reflect', got 'q'",
        ),
    ],
)
def test_error_texts(check, error, text):
    with pytest.raises(error) as raised:
        check()
    assert str(raised.value) == text


def test_right_arguments_pass():
    checks.check_floating("x", torch.ones(1, dtype=torch.bfloat16))
    checks.check_ndim("x", torch.ones(2, 3), "N C")
    for dim in (-2, -1, 0, 1):
        checks.check_dim("dim", dim, torch.ones(2, 3))
    checks.check_positive("eps", 1e-300)
    checks.check_choice("mode", "zeros", ["zeros", "reflect"])
