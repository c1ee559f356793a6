"""Convolutions of which each sample has its own mixture of kernels."""

from huashi.convolution.dynamic_kernels.annealing import set_routing_progress
from huashi.convolution.dynamic_kernels.correlation import kernel_correlation
from huashi.convolution.dynamic_kernels.module import (
    DynamicKernelConv1d,
    DynamicKernelConv2d,
    DynamicKernelConv3d,
)

__all__ = [
    "DynamicKernelConv1d",
    "DynamicKernelConv2d",
    "DynamicKernelConv3d",
    "kernel_correlation",
    "set_routing_progress",
]
