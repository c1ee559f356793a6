"""The Triton kernels where there is no GPU: NumPy can run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

triton = pytest.importorskip("triton")


@pytest.mark.parametrize(
    ("which", "files"),
    [
        ("not slow", ["tests/gpu"]),
        pytest.param("slow", ["tests/gpu"], marks=pytest.mark.slow),
        pytest.param("", ["tests/pooling/test_extreme_values.py"], marks=pytest.mark.slow),
    ],
)
def test_kernels_under_the_interpreter(which, files):
    """Runs tests with TRITON_INTERPRET=1, which has to be set before Triton is imported."""
    options = ["-q", "-p", "no:cacheprovider", "-k", "not cuda", "-m", which]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout
    assert "skipped" not in result.stdout
