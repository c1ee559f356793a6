r"""Pools of which the size of the output is given: the windows that this makes, and the module.

Of :math:`O` outputs along :math:`L` elements, output :math:`i` has the elements from
:math:`\lfloor i L / O \rfloor` to before :math:`\lceil (i + 1) L / O \rceil`. Where O divides L
these are windows like any others, and the pools over windows serve.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from huashi._kernel.operator import without_kernel
from huashi._windows import each_axis
from huashi.pooling.arguments import check_input, real_elements
from huashi.pooling.bins import bins_of

OutputSize = int | Sequence[int | None] | None
"""One number for all dimensions or one for each; None keeps the size of the input."""


def adaptive_pool(
    dims: int,
    x: Tensor,
    output_size: OutputSize,
    mask: Tensor | None,
    lengths: Tensor | None,
    windows: Callable[..., Any],
    bins: Callable[..., Any],
    torch_pool: Callable[..., Any] | None = None,
    *,
    integers: bool = False,
) -> Any:
    """The pool over ``windows`` where they are regular, else torch's own, else that over bins."""
    check_input(dims, x, integers=integers)
    full = x.shape[-dims:]
    sizes = _adaptive_sizes(output_size, full)
    if torch._C._get_tracing_state() is not None and any(size != 1 for size in sizes):
        plain = mask is None and lengths is None and x.is_floating_point()
        if torch_pool is not None and plain and not torch.onnx.is_in_onnx_export():
            return torch_pool(x, sizes)  # also for inputs of other lengths
        x = x.expand(*x.shape[:-dims], *map(int, full))  # an error for others: bins are fixed
    if all(length % size == 0 for length, size in zip(full, sizes, strict=True)):
        kernel = [length // size for length, size in zip(full, sizes, strict=True)]
        return windows(x, kernel_size=kernel, mask=mask, lengths=lengths)
    real = real_elements(dims, x, mask, lengths)
    return _unequal_bins(x, sizes, real, bins, torch_pool)


@without_kernel("bins of several sizes are left to torch's own pool, or with a mask to a gather")
def _unequal_bins(
    x: Tensor,
    sizes: tuple[int, ...],
    real: Tensor | None,
    bins: Callable[..., Any],
    torch_pool: Callable[..., Any] | None,
) -> Any:
    """The pool over bins that differ in size or overlap: by torch's own where there is one."""
    # on other devices the gradient of torch's own adds up in no certain order
    certain = x.device.type == "cpu" or not (x.requires_grad and torch.is_grad_enabled())
    certain &= not torch.compiler.is_exporting()  # ONNX has no such maximum
    if torch_pool is not None and real is None and x.is_floating_point() and certain:
        return torch_pool(x, sizes)
    return bins(x, tuple(map(bins_of, x.shape[-len(sizes) :], sizes)), mask=real)


def _adaptive_sizes(output_size: OutputSize, full: Sequence[int]) -> tuple[int, ...]:
    """How many bins there are along each dimension."""
    if not isinstance(output_size, Sequence):
        output_size = [output_size] * len(full)
    if len(output_size) == len(full):
        pairs = zip(output_size, full, strict=True)
        output_size = [length if size is None else size for size, length in pairs]
    return each_axis("output_size", output_size, len(full), least=1)  # pyright: ignore[reportArgumentType]


class AdaptivePool(nn.Module):
    """What the adaptive pools share: the size of the output, checked at once, and shown."""

    dims: ClassVar[int]
    function: ClassVar[Callable[..., Any]]
    """That of as many dimensions, which the module is of."""

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        _adaptive_sizes(output_size, [1] * self.dims)
        self.output_size = output_size

    @property
    def options(self) -> dict[str, Any]:
        """What the function takes beside its input and ``output_size``."""
        return {}

    def forward(self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None) -> Any:
        options = {**self.options, "mask": mask, "lengths": lengths}
        return self.function(x, output_size=self.output_size, **options)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
