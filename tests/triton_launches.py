"""Launches of Triton kernels where there is no GPU: each is compiled for one, and not run."""

import pytest
import torch

TYPES = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.bfloat16: "*bf16",
    torch.uint8: "*u8",
    torch.int16: "*i16",
    torch.float16: "*fp16",
    torch.int64: "*i64",
}


@pytest.fixture(params=[80, 90])
def launches(request, monkeypatch):
    """Launches compile the kernel for a GPU of this generation, and leave its name here."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    seen = []

    def compile_only(kernel, *args, grid, warmup, num_warps=4, **kwargs):
        named = dict(zip(kernel.arg_names, args, strict=False)) | kwargs
        values = [named[name] for name in kernel.arg_names]
        fixed = {parameter.name for parameter in kernel.params if parameter.is_constexpr}
        types = {n: "constexpr" if n in fixed else type_of(v) for n, v in named.items()}
        types = {name: types[name] for name in kernel.arg_names}
        source = ASTSource(kernel, types, dict(constants(tuple(types.values()), values)))
        target = GPUTarget("cuda", request.param, 32)
        compiled = triton.compile(source, target=target, options={"num_warps": num_warps})
        assert "cubin" in compiled.asm
        seen.append(kernel.__name__)

    monkeypatch.setattr(triton.runtime.jit.JITFunction, "run", compile_only)
    return seen


def type_of(value):
    """As Triton's launcher has it, which makes a constant of every 1."""
    if isinstance(value, tuple):
        types = map(type_of, value)
        return type(value)(*types) if hasattr(value, "_fields") else tuple(types)
    if isinstance(value, torch.Tensor):
        return TYPES[value.dtype]
    if isinstance(value, float):
        return "fp32"
    constant = value is None or type(value).__name__ == "constexpr" or value == 1
    return "constexpr" if constant else "i32"


def constants(types, values, path=()):
    """What is constant, by its path in the arguments."""
    for number, (kind, value) in enumerate(zip(types, values, strict=True)):
        if isinstance(kind, tuple):
            yield from constants(kind, value, (*path, number))
        elif kind == "constexpr":
            yield (*path, number), getattr(value, "value", value)
