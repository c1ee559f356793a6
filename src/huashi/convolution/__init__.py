"""Convolutions: over time, depthwise, lightweight, dynamic and sub-separable."""

from huashi.convolution.depthwise import depthwise_conv1d
from huashi.convolution.lightweight import (
    DynamicConv1d,
    LightweightConv1d,
    dynamic_conv1d,
    lightweight_conv1d,
)
from huashi.convolution.separable import SubSeparableConv1d

__all__ = [
    "DynamicConv1d",
    "LightweightConv1d",
    "SubSeparableConv1d",
    "depthwise_conv1d",
    "dynamic_conv1d",
    "lightweight_conv1d",
]
