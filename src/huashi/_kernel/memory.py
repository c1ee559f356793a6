"""Memory for the results of kernels on the CPU, in huge pages where the system offers them.

The first touch of a page costs more than writing it: in pages of 4 KiB a fresh tensor of 100 MB
takes several times as long as a copy, in pages of 2 MiB little more. The allocator of torch gives
memory of this size back to the system each time, so that every call pays again. NumPy asks for huge
pages from 4 MiB on; so does this.
"""

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LARGE = 2**22  # bytes


def empty(
    shape: Sequence[int],
    dtype: torch.dtype,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """:func:`torch.empty` on the CPU."""
    return in_huge_pages(torch.empty(shape, dtype=dtype, memory_format=memory_format, device="cpu"))


def empty_like(
    x: Tensor,
    dtype: torch.dtype | None = None,
    memory_format: torch.memory_format = torch.preserve_format,
) -> Tensor:
    """:func:`torch.empty_like`; on other devices just this."""
    return in_huge_pages(torch.empty_like(x, dtype=dtype, memory_format=memory_format))


def in_huge_pages(t: Tensor) -> Tensor:
    """Ask that the memory of a tensor which nothing was written to yet be mapped in huge pages.

    It is only a hint: small tensors, other devices and systems without huge pages stay as they are.
    """
    if t.nbytes >= LARGE and t.device.type == "cpu" and (advise := _madvise()):
        first = -(-t.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        advise(first, t.data_ptr() + t.nbytes - first, mmap.MADV_HUGEPAGE)
    return t


@functools.cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if not (sys.platform == "linux" and hasattr(mmap, "MADV_HUGEPAGE")):
        return None
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return advise
