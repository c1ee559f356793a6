r"""Blur before taking every second element: pooling that a small shift of the input hardly changes.

.. math:: y_o = \sum_{j=0}^{n-1} \binom{n-1}{j} 2^{1-n}\, x_{o s - \lfloor (n-1)/2 \rfloor + j}

along each dimension in turn, s the stride. Beyond its ends x is reflected, without its last
element being doubled. Max-blur pooling takes the maximum with stride 1 before it. Zhang: Making
Convolutional Networks Shift-Invariant Again (ICML 2019), https://arxiv.org/abs/1904.11486

The sides are those of its public code, antialiased-cnns: where n is even, one more element after.
Unlike there, an input that is too small for the reflection is refused by name, and sequences and
volumes are served.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._kernel.operator import without_kernel
from huashi._windows import Padding, Size, each_axis
from huashi.pooling.arguments import check_input, checked
from huashi.pooling.dimensions import each_dimension, each_dimension_module
from huashi.pooling.extrema import max_pool
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "blur_pool1d", "blur_pool2d", "blur_pool3d",
    "max_blur_pool1d", "max_blur_pool2d", "max_blur_pool3d",
    "BlurPool1d", "BlurPool2d", "BlurPool3d",
    "MaxBlurPool1d", "MaxBlurPool2d", "MaxBlurPool3d",
]
# fmt: on

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def blur_pool(dims: int, x: Tensor, kernel_size: Size = 4, stride: Size = 2) -> Tensor:
    """Each channel blurred by a binomial filter; every ``stride``-th element of that.

    Linear in ``x``, and the weights add up to 1. Beyond its ends ``x`` is reflected.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        {shared}
        kernel_size: n elements of the filter, one number or one for each dimension: 2 the mean of
            two, 3 (1, 2, 1) / 4, 5 (1, 4, 6, 4, 1) / 16; 1 does not blur.
        stride: from one element that is kept to the next.

    Returns:
        {pooled}, each ``ceil(length / stride)``, in the dtype of ``x``, accumulated in float32 or
        wider.

    Raises:
        ValueError: an argument is out of its range, or ``x`` has not more than n // 2 elements
            along a dimension, so that it cannot be reflected.
        {errors}

    >>> blur_pool1d(torch.tensor([[0.0, 4.0, 8.0, 0.0, 0.0]]), 3)
    tensor([[2., 5., 0.]])
    """
    check_input(dims, x)
    return _blur(dims, x, kernel_size, stride)


def max_blur_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    *,
    blur_size: Size = 4,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The maximum of the window at every place, blurred; every ``stride``-th element of that.

    ``mask`` and ``lengths`` are of the maximum; a window that they, or padding, leave empty is
    -inf, and so is all that it is blurred into.

    Source: Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019.

    Args:
        {shared}
        stride: of the blurred maxima, ``kernel_size`` by default; the maximum itself has stride 1.
        blur_size: n elements of the binomial filter, one number or one for each dimension.

    Returns:
        {pooled}, each ``ceil(maxima / stride)``, in the dtype of ``x``, accumulated in float32 or
        wider.

    Raises:
        ValueError: an argument is out of its range, or there are not more than n // 2 maxima along
            a dimension, so that they cannot be reflected.
        {errors}

    >>> max_blur_pool1d(torch.tensor([[0.0, 4.0, 0.0, 0.0, 8.0]]), 2, blur_size=3)
    tensor([[4., 3.]])
    """
    checked(dims, x, kernel_size, 1, padding, dilation, mask=mask, lengths=lengths)
    high = max_pool(dims, x, kernel_size, 1, padding, dilation, mask=mask, lengths=lengths)
    stride = kernel_size if stride is None else stride
    return _blur(dims, high, blur_size, stride, "blur_size")  # pyright: ignore[reportArgumentType]


class BlurPool(nn.Module):
    """:func:`~huashi.pooling.blur_pool{dims}d` as a module."""

    dims: ClassVar[int]

    def __init__(self, kernel_size: Size = 4, stride: Size = 2) -> None:
        super().__init__()
        each_axis("kernel_size", kernel_size, self.dims, least=1)
        each_axis("stride", stride, self.dims, least=1)
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return blur_pool(self.dims, x, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class MaxBlurPool(WindowPool):
    """:func:`~huashi.pooling.max_blur_pool{dims}d` as a module."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        *,
        blur_size: Size = 4,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation)
        each_axis("blur_size", blur_size, self.dims, least=1)
        self.blur_size = blur_size

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        windows = self.windows[:-1]
        options = {"blur_size": self.blur_size, "mask": mask, "lengths": lengths}
        return max_blur_pool(self.dims, x, *windows, **options)

    def extra_repr(self) -> str:
        names = "kernel_size", "stride", "padding", "dilation", "blur_size"
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


def _blur(
    dims: int, x: Tensor, kernel_size: Size, stride: Size, name: str = "kernel_size"
) -> Tensor:
    kernels = each_axis(name, kernel_size, dims, least=1)
    strides = each_axis("stride", stride, dims, least=1)
    lengths = tuple(x.shape[-dims:])
    if any(n // 2 >= length for n, length in zip(kernels, lengths, strict=True)):
        raise ValueError(
            f"{name} must be less than twice the length of x in each dimension, for its ends to be "
            f"reflected, got {kernel_size} for {lengths}"
        )
    return _blurred(x, kernels, strides)


@without_kernel("it is a convolution, or a sum of slices, of which torch has both")
def _blurred(x: Tensor, kernels: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    # up to eight times as fast there with its gradient; in float64 neither leads
    fast = x.device.type == "cpu" and wide.dtype == torch.float32
    return (_by_convolution if fast else _by_slices)(wide, kernels, strides).to(x.dtype)


def _binomial(n: int) -> tuple[float, ...]:
    return tuple(math.comb(n - 1, j) / 2 ** (n - 1) for j in range(n))


def _by_convolution(x: Tensor, kernels: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """All dimensions at once."""
    channels = x.shape[-len(kernels) - 1]
    weight, sides = x.new_ones(()), []
    for n in kernels:
        weight = weight[..., None] * x.new_tensor(_binomial(n))
        sides = [(n - 1) // 2, n // 2, *sides]
    weight = weight.expand(channels, 1, *kernels)
    x = F.pad(x, sides, mode="reflect")
    return CONVOLUTION[len(kernels)](x, weight, stride=strides, groups=channels)


def _by_slices(x: Tensor, kernels: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """One dimension after the other; on no device does the order of its gradient's sums vary."""
    for dim, n, stride in zip(range(-len(kernels), 0), kernels, strides, strict=True):
        length, before, after = x.shape[dim], (n - 1) // 2, n // 2
        first, last = x.narrow(dim, 1, before), x.narrow(dim, length - 1 - after, after)
        # without what is empty, for the memory format is that of the first
        x = torch.cat([t for t in (first.flip(dim), x, last.flip(dim)) if t.shape[dim]], dim)
        end = (length - 1) // stride * stride + 1
        y = x.new_zeros(())
        for j, share in enumerate(_binomial(n)):
            term = x[(..., slice(j, j + end, stride), *[slice(None)] * (-dim - 1))]
            y = share * term if j == 0 else torch.add(y, term, alpha=share)
        x = y
    return x


blur_pool1d, blur_pool2d, blur_pool3d = each_dimension(blur_pool, lambda f, x: f(x, 3))
max_blur_pool1d, max_blur_pool2d, max_blur_pool3d = each_dimension(
    max_blur_pool, lambda f, x: f(x, 2)
)
BlurPool1d, BlurPool2d, BlurPool3d = each_dimension_module(
    BlurPool, (blur_pool1d, blur_pool2d, blur_pool3d)
)
MaxBlurPool1d, MaxBlurPool2d, MaxBlurPool3d = each_dimension_module(
    MaxBlurPool, (max_blur_pool1d, max_blur_pool2d, max_blur_pool3d)
)
