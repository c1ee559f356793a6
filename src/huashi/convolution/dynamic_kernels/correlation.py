"""How alike the kernels of a mixture are."""

import torch
from torch.nn import functional as F

from huashi.convolution.dynamic_kernels.module import DynamicKernelConv

__all__ = ["kernel_correlation"]


def kernel_correlation(layer: DynamicKernelConv) -> float:
    """The mean |cosine| between two fixed kernels of a layer.

    It is what DyNet argues with: channels of a plain network are correlated, and a mixture should
    not need kernels that are. 0 for orthogonal kernels, 1 where all are multiples of one. With
    coefficients by output channel, kernels are compared within the channels of a group.

    Args:
        layer: a convolution of dynamic kernels, of two kernels or more.

    Returns:
        The mean over the pairs of kernels and the groups of coefficients.

    Raises:
        ValueError: the layer has a single kernel.

    >>> from huashi.convolution import DynamicKernelConv1d
    >>> layer = DynamicKernelConv1d(1, 1, 2, kernels=3)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-2.0, 0.0]]))
    >>> round(kernel_correlation(layer), 4)  # 0, 1 and 0
    0.3333
    """
    if layer.kernels < 2:
        raise ValueError(f"layer must have 2 kernels or more, got {layer.kernels}")
    with torch.no_grad():
        weight = layer.weight.unflatten(1, (layer.coefficient_groups, -1)).transpose(0, 1)
        directions = F.normalize(weight.double(), dim=-1)
        cosines = (directions @ directions.mT).abs()
        pairs = torch.ones_like(cosines[0]).triu(1).bool()
        return float(cosines[:, pairs].mean())
