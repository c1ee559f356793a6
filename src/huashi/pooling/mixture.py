r"""Max and average pooling in one, in a learned proportion or one that depends on the window.

.. math:: y = a \max_{i \in W} x_i + (1 - a) \frac{1}{n} \sum_{i \in W} x_i

where :math:`a` is a number, or :math:`\sigma(\sum_{i \in W} w_i x_i)`, one weight for each place in
the window. Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
Mixed, Gated, and Tree (AISTATS 2016), https://arxiv.org/abs/1509.08985

Padding and masked elements are absent from all three: from the maximum, from the average, which is
over the n real elements (``count_include_pad=False``), and from the product with the weights.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_floating, check_in
from huashi._kernel.operator import without_kernel
from huashi._windows import Axis, Padding, Size, each_axis
from huashi.pooling.arguments import checked
from huashi.pooling.average import avg_pool
from huashi.pooling.dimensions import Called, each_dimension, each_dimension_module
from huashi.pooling.extrema import mask_pool, max_pool
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "mixed_pool1d", "mixed_pool2d", "mixed_pool3d",
    "gated_pool1d", "gated_pool2d", "gated_pool3d",
    "MixedPool1d", "MixedPool2d", "MixedPool3d",
    "GatedPool1d", "GatedPool2d", "GatedPool3d",
]
# fmt: on

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def mixed_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    a: Tensor | float,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``a max + (1 - a) average`` of each window; 0 for a window without a real element.

    The average is over real elements. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        {shared}
        a: the share of the maximum: a number in [0, 1], or a tensor, 0-d or (channel,), whose
            values are free; differentiable.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> mixed_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, a=0.5)
    tensor([[2.5000, 3.0000]])
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    axes, real = checked(dims, x, *windows, mask, lengths)
    if isinstance(a, Tensor):
        check_floating("a", a)
        channels = x.shape[-dims - 1]
        if a.shape not in ((), (channels,)):
            raise ValueError(f"a must have shape () or ({channels},), got {tuple(a.shape)}")
        a = a.to(_accumulator(x)).view(-1, *[1] * dims)
    else:
        check_in("a", a, 0, 1)
    high, mean = _branches(dims, x.to(_accumulator(x)), axes, real, windows)
    return (a * high + (1 - a) * mean).to(x.dtype)


def gated_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    weight: Tensor,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``a max + (1 - a) average`` of each window, where ``a = sigmoid(weight . window)``.

    The average is over real elements, and absent elements count 0 in the product. A window without
    a real element gives 0. Only the sum of the two is rounded to the dtype of ``x``.

    Source: Lee, Gallagher, Tu: Generalizing Pooling Functions in Convolutional Neural Networks:
    Mixed, Gated, and Tree, AISTATS 2016.

    Args:
        {shared}
        weight: of each element of a window in row-major order, (elements,), or (channel, elements)
            for weights of their own; differentiable.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> gated_pool1d(torch.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, weight=torch.tensor([9.0, -3.0]))
    tensor([[2.5000, 2.0000]])
    """
    windows = kernel_size, stride, padding, dilation, ceil_mode
    axes, real = checked(dims, x, *windows, mask, lengths)
    check_floating("weight", weight)
    elements, channels = math.prod([axis.kernel for axis in axes]), x.shape[-dims - 1]
    if weight.shape not in ((elements,), (channels, elements)):
        raise ValueError(
            f"weight must have shape ({elements},) or ({channels}, {elements}), got "
            f"{tuple(weight.shape)}"
        )
    wide = x.to(_accumulator(x))
    known = wide if real is None else torch.where(real, wide, 0)
    a = _weighted_windows(known, weight.to(wide), axes).sigmoid()
    high, mean = _branches(dims, wide, axes, real, windows)
    return (a * high + (1 - a) * mean).to(x.dtype)


class MixedPool(WindowPool):
    """:func:`~huashi.pooling.mixed_pool{dims}d` as a module with a learned share.

    Args:
        {shared}
        a: the share of the maximum at first, in [0, 1].
        channels: of the input, for shares of their own; None for the same one.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        a: float = 0.5,
        channels: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_in("a", a, 0, 1)
        self.a = nn.Parameter(torch.full(() if channels is None else (channels,), float(a)))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return mixed_pool(self.dims, x, *self.windows, a=self.a, mask=mask, lengths=lengths)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, a={tuple(self.a.shape)}"


class GatedPool(WindowPool):
    """:func:`~huashi.pooling.gated_pool{dims}d` as a module with learned weights, at first 0.

    Args:
        {shared}
        channels: of the input, for weights of their own; None for the same ones.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        channels: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        elements = math.prod(each_axis("kernel_size", kernel_size, self.dims, least=1))
        shape = (elements,) if channels is None else (channels, elements)
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return gated_pool(
            self.dims, x, *self.windows, weight=self.weight, mask=mask, lengths=lengths
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, weight={tuple(self.weight.shape)}"


def _accumulator(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _branches(
    dims: int,
    x: Tensor,
    axes: tuple[Axis, ...],
    real: Tensor | None,
    windows: tuple[Size, Size | None, Padding, Size, bool],
) -> tuple[Tensor, Tensor]:
    """The maximum and the average of each window, both 0 where it is empty."""
    kernel_size, stride, padding, dilation, ceil_mode = windows
    high = max_pool(dims, x, *windows, mask=real)
    mean = avg_pool(
        dims,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad=False,
        dilation=dilation,
        mask=real,
    )
    if real is not None or not all(_always_holds_some(axis) for axis in axes):
        if real is None:
            real = torch.ones((), dtype=torch.bool, device=x.device)
        shape = torch.broadcast_shapes(real.shape, (1, *x.shape[-dims:]))
        held = mask_pool(dims, real.expand(shape), *windows)
        high = torch.where(held, high, 0)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return high, mean  # pyright: ignore[reportReturnType]


def _always_holds_some(axis: Axis) -> bool:
    """Whether no window along the axis can be empty; False where that is not plain to see."""
    reaches_in = axis.before <= axis.dilation * (axis.kernel - 1) and axis.dilation <= axis.length
    return reaches_in and (axis.windows - 1) * axis.stride - axis.before < axis.length


@without_kernel("windows times weights are a convolution, which torch has")
def _weighted_windows(x: Tensor, weight: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Each window times ``weight``, (elements,) or (channels, elements); padding counts 0."""
    dims, channels = len(axes), x.shape[-len(axes) - 1]
    sides = []
    for axis in reversed(axes):
        end = (axis.windows - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1
        sides += [axis.before, end - axis.length - axis.before]  # below 0 where a rest is left over
    x = F.pad(x, sides)
    kernel = [axis.kernel for axis in axes]
    if x.device.type == "cpu" and x.dtype == torch.float32:  # up to ten times as fast there
        kernels = weight.expand(channels, -1).reshape(channels, 1, *kernel)
        steps = [axis.stride for axis in axes], 0, [axis.dilation for axis in axes]
        return CONVOLUTION[dims](x, kernels, None, *steps, groups=channels)
    total = x.new_zeros(())
    for element, place in enumerate(itertools.product(*map(range, kernel))):
        cut = [
            slice(
                start := axis.dilation * j,
                start + (axis.windows - 1) * axis.stride + 1,
                axis.stride,
            )
            for axis, j in zip(axes, place, strict=True)
        ]
        total = total + weight[..., element].view(-1, *[1] * dims) * x[..., *cut]
    return total


mixed_pool1d, mixed_pool2d, mixed_pool3d = each_dimension(
    mixed_pool,
    Called(lambda f, x, a: f(x, 2, a=a), more=lambda dims: ((),)),
    once_first="a",
)
gated_pool1d, gated_pool2d, gated_pool3d = each_dimension(
    gated_pool,
    Called(lambda f, x, w: f(x, 2, weight=w), more=lambda dims: ((2**dims,),)),
    once_first="weight",
)
MixedPool1d, MixedPool2d, MixedPool3d = each_dimension_module(
    MixedPool, (mixed_pool1d, mixed_pool2d, mixed_pool3d)
)
GatedPool1d, GatedPool2d, GatedPool3d = each_dimension_module(
    GatedPool, (gated_pool1d, gated_pool2d, gated_pool3d)
)
