"""A filter for each feature over time: the first half of a separable convolution."""

from huashi.convolution.depthwise.over_time import depthwise_conv1d

__all__ = ["depthwise_conv1d"]
