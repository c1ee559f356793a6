"""What ``huashi warm-up`` compiles the CPU kernels by: the example calls of all operations."""

import contextlib
import functools
import importlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from huashi._checks import check_choice
from huashi._kernel.example import EXAMPLES, Example
from huashi._kernel.operator import NoKernelError, implementation
from huashi.bench.pools import CHANNELS_LAST, DTYPES

INTEGERS = "int8", "uint8", "int16", "int32", "int64"  # for maximum and minimum
CHAPTERS = "pooling", "entmax", "convolution", "regularization", "seq2seq.training"
ELEMENTS = 2**16  # of a first tensor: more than what a kernel does serially


def kernel_calls(dtypes: Iterable[str] = DTYPES[:2]) -> list[tuple[str, Callable[[], object]]]:
    """Calls that between them compile every CPU kernel, with their names.

    Each kernel has a serial and a parallel form: the calls are made with one thread and with more.
    """
    calls: list[tuple[str, Callable[[], object]]] = []
    for dtype in dtypes:
        check_choice("dtypes", dtype, DTYPES + INTEGERS)
        for threads in (1, max(2, torch.get_num_threads())):
            for name, call in _calls(getattr(torch, dtype)):
                label = f"{name}, {dtype}, {'serial' if threads == 1 else 'parallel'}"
                calls.append((label, functools.partial(_with_threads, threads, call)))
    return calls


def cache_folders() -> list[Path]:
    """Where the kernels called so far keep machine code; none where no folder can be written."""
    from numba.core.dispatcher import Dispatcher

    folders = {
        value.stats.cache_path
        for name, module in list(sys.modules.items())
        if name.startswith("huashi.")
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    }
    return sorted(Path(folder) for folder in folders if folder)


def examples() -> list[Example]:
    """The example calls of all chapters."""
    for chapter in CHAPTERS:
        importlib.import_module(f"huashi.{chapter}")
    return list(EXAMPLES)


def enlarged(example: Example, dtype: torch.dtype, elements: int = ELEMENTS) -> list[Tensor]:
    """Tensors for an example call, the batch of the first so large that it has ``elements``."""
    (batch, *rest), *others = example.shapes
    batch = max(batch, math.ceil(elements / math.prod(rest)))
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(s, generator=generator) for s in ((batch, *rest), *others)]
    if not dtype.is_floating_point:
        tensors = [x.abs().mul(10) for x in tensors]
    return [x.to(dtype) for x in tensors]


def _calls(dtype: torch.dtype) -> Iterator[tuple[str, Callable[[], object]]]:
    """The calls in one dtype, in each layout; arrays are large enough for the parallel form."""
    for number, example in enumerate(examples()):
        if dtype.is_floating_point or example.integers:
            first, *others = enlarged(example, dtype)
            for layout, x in _layouts(first).items():
                name = f"{example.name} ({number}), {layout}"
                yield name, functools.partial(_call, example, [x, *others])


def _layouts(x: Tensor) -> dict[str, Tensor]:
    """``x`` as it is, and with its channels last where it may be a batch of images."""
    if x.ndim - 2 not in CHANNELS_LAST:
        return {"contiguous": x}
    return {
        "contiguous": x,
        "channels last": x.contiguous(memory_format=CHANNELS_LAST[x.ndim - 2]),
    }


def _call(example: Example, tensors: list[Tensor]) -> None:
    """Call it without a gradient, and with one where there is one, up to where no kernel serves."""
    leaves = [x.detach().requires_grad_(x.is_floating_point()) for x in tensors]
    with contextlib.suppress(NoKernelError), implementation("kernel"):
        with torch.no_grad():
            example(*tensors)
        y = example(*leaves)
        if y.requires_grad:
            y.sum().backward()


def _with_threads(threads: int, call: Callable[[], object]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        call()
    finally:
        torch.set_num_threads(before)
