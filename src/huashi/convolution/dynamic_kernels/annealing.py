"""The temperature of all softmax routings of a model, which a training brings down."""

from torch import nn

from huashi._checks import check_in
from huashi.convolution.dynamic_kernels.module import DynamicKernelConv

__all__ = ["set_routing_progress"]


def set_routing_progress(model: nn.Module, fraction: float) -> int:
    """Set the temperature of every convolution of dynamic kernels with a softmax in a model.

    Temperatures go down in a line, from 30 to 1 by default; Chen et al. (2020) take the first ten
    epochs for it. Call it with the epoch / 10, at most 1.

    Args:
        model: any module.
        fraction: how much of the annealing is done, from 0 to 1.

    Returns:
        How many layers have such a temperature.

    Raises:
        ValueError: the fraction is not in [0, 1].

    >>> from huashi.convolution import DynamicKernelConv2d
    >>> model = nn.Sequential(DynamicKernelConv2d.dynamic(4, 4, 3), nn.ReLU())
    >>> for epoch in (0, 1, 9, 10, 11):
    ...     _ = set_routing_progress(model, min(1, epoch / 10))
    ...     print(f"{model[0].router.temperature:.1f}", end=" ")
    30.0 27.1 3.9 1.0 1.0
    """
    check_in("fraction", fraction, 0, 1)
    layers = [
        module
        for module in model.modules()
        if isinstance(module, DynamicKernelConv) and module.routing == "softmax"
    ]
    for layer in layers:
        layer.set_progress(fraction)
    return len(layers)
