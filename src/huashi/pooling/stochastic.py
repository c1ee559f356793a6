"""An element drawn from each window, or what a draw is expected to be."""

import torch
from torch import Tensor

from huashi._checks import as_bool, check_choice
from huashi._kernel.operator import kernel_serves
from huashi._windows import Padding, Size
from huashi.pooling import operators, reference
from huashi.pooling.arguments import checked
from huashi.pooling.dimensions import LONG_ROWS, Called, each_dimension, each_dimension_module
from huashi.pooling.window_module import WindowPool

# fmt: off
__all__ = [  # noqa: RUF022  (a line for each pool)
    "stochastic_pool1d", "stochastic_pool2d", "stochastic_pool3d",
    "StochasticPool1d", "StochasticPool2d", "StochasticPool3d",
]
# fmt: on


def stochastic_pool(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    weights: str = "relu",
    training: bool = True,
    generator: torch.Generator | None = None,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``weights="relu"``, ``a = max(x, 0)`` is drawn with probability ``a / sum(a)`` and expected
    to be ``sum(a^2) / sum(a)``; a window without a positive element gives 0. With ``"softmax"`` it
    is x itself, with the softmax of the window. Only the drawn element gets a gradient. A window
    without a real element gives 0.

    Source: Zeiler and Fergus: Stochastic Pooling for Regularization of Deep Convolutional Neural
    Networks, 2013.

    Args:
        {shared}
        weights: ``"relu"`` or ``"softmax"``.
        training: draw; False gives the expectation.
        generator: where the random numbers come from, on the device of ``x``.

    Returns:
        {pooled}, in the dtype of ``x``, accumulated in float32 or wider.
        {windows}

    Raises:
        {errors}

    >>> x = torch.tensor([[1.0, 3.0, 0.0, 0.0]])
    >>> stochastic_pool1d(x, 2, training=False)
    tensor([[2.5000, 0.0000]])
    """
    axes, real = checked(dims, x, kernel_size, stride, padding, dilation, ceil_mode, mask, lengths)
    check_choice("weights", weights, ("relu", "softmax"))
    training = as_bool("training", training)
    kernel = "pool_draw" if training else "pool_formula"
    if kernel_serves(kernel, x, real):
        if training:
            if real is not None:  # what has no weight is not drawn
                x = torch.where(real, x, 0.0 if weights == "relu" else -torch.inf)
            shape = *x.shape[:-dims], *(axis.windows for axis in axes)
            return operators.draw(x, axes, weights, reference.uniform(shape, x, generator))
        kind = "stochastic" if weights == "relu" else "soft"
        return operators.formula(x, axes, kind, x.new_ones(()), mask=real)
    options = {"weights": weights, "training": training, "generator": generator}
    return reference.stochastic(x, axes, real, **options)


class StochasticPool(WindowPool):
    """:func:`~huashi.pooling.stochastic_pool{dims}d` as a module: it draws in training mode."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        weights: str = "relu",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        check_choice("weights", weights, ("relu", "softmax"))
        self.weights = weights
        self.generator = generator

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return stochastic_pool(
            self.dims,
            x,
            *self.windows,
            weights=self.weights,
            training=self.training,
            generator=self.generator,
            mask=mask,
            lengths=lengths,
        )


stochastic_pool1d, stochastic_pool2d, stochastic_pool3d = each_dimension(
    stochastic_pool,
    lambda f, x: f(x, 2),
    lambda f, x: f(x, 2, training=False),
    lambda f, x: f(x, 17, 2, 8),  # of more than 255 elements: offsets of two bytes
    Called(lambda f, x: f(x, 3, 2), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 3, 2, weights="softmax"), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 3, 2, training=False), spatial=LONG_ROWS),
    Called(lambda f, x: f(x, 300, 100), spatial={1: (512,)}),
)


StochasticPool1d, StochasticPool2d, StochasticPool3d = each_dimension_module(
    StochasticPool, (stochastic_pool1d, stochastic_pool2d, stochastic_pool3d)
)
