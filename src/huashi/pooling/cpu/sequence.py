"""The k largest of each row, the largest of each chunk, and what stands at such places."""

import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.memory import in_huge_pages
from huashi.pooling.cpu import top_k
from huashi.pooling.cpu.planning import as_source


def k_largest(x: Tensor, k: int) -> Tensor:
    """Where in each row the k largest stand, in order."""
    rows = as_source(x, 1).tensor.reshape(-1, x.shape[-1])
    indices = torch.empty((len(rows), k), dtype=torch.int64, device=x.device)
    top_k.k_largest(array_of(rows), k, array_of(indices))
    return indices.view(*x.shape[:-1], k)


def chunk_largest(x: Tensor, starts: Tensor, stops: Tensor) -> Tensor:
    """Where in each row the largest of each chunk stands; -1 where a chunk is empty."""
    rows = as_source(x, 1).tensor.reshape(-1, x.shape[-1])
    chunks = starts.shape[-1]
    indices = torch.empty((len(rows), chunks), dtype=torch.int64, device=x.device)
    cuts = (array_of(cut.reshape(-1, chunks).contiguous()) for cut in (starts, stops))
    top_k.chunk_largest(array_of(rows), *cuts, array_of(indices))
    return indices.view(*x.shape[:-1], chunks)


def taken(x: Tensor, indices: Tensor) -> Tensor:
    """The elements of each row at ``indices``."""
    return x.gather(-1, indices)


def put_back(grad: Tensor, indices: Tensor, length: int) -> Tensor:
    """Each gradient to where it was taken from, in rows of ``length``."""
    dx = in_huge_pages(grad.new_empty((*grad.shape[:-1], length)))
    return dx.zero_().scatter_add_(-1, indices, grad)
