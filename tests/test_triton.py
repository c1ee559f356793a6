"""The Triton kernels where there is no GPU: they compile for one, and NumPy can run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import INTERPRET

triton = pytest.importorskip("triton")


def test_kernels_under_the_interpreter():
    """Runs tests with TRITON_INTERPRET=1, which has to be set before Triton is imported."""
    files = "tests/gpu", "tests/pooling/test_extreme_values.py"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not cuda", *files],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout
    assert "skipped" not in result.stdout


@pytest.mark.skipif(INTERPRET, reason="interpreted kernels are not compiled")
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_entmax_compiles_for_a_gpu(capability, dtype):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from huashi.seq2seq.entmax import gpu

    pointers = {gpu._forward: ("x_ptr", "y_ptr"), gpu._backward: ("grad_ptr", "y_ptr", "dx_ptr")}
    for kernel, names in pointers.items():
        signature = dict.fromkeys(names, f"*{dtype}") | {"n": "i32", "BLOCK": "constexpr"}
        source = ASTSource(kernel, signature, {"BLOCK": 1024})
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
        assert "cubin" in compiled.asm
