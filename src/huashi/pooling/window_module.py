"""The module that every pool over windows is."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import nn

from huashi._checks import as_bool
from huashi._windows import Padding, Size, axes_of

_ANY_LENGTH = 2**40


class WindowPool(nn.Module):
    """What the pools over windows share: the shape of a window, checked at once, and shown."""

    dims: ClassVar[int]
    function: ClassVar[Callable[..., Any]]
    """That of as many dimensions, which the module is of."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        axes_of([_ANY_LENGTH] * self.dims, kernel_size, stride, padding, dilation)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding: Padding = padding
        self.dilation = dilation
        self.ceil_mode = as_bool("ceil_mode", ceil_mode)

    @property
    def windows(self) -> tuple[Size, Size, Padding, Size, bool]:
        """Kernel size, stride, padding, dilation and ceil mode, in the order of the functions."""
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode

    def extra_repr(self) -> str:
        names = "kernel_size", "stride", "padding", "dilation", "ceil_mode"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
