"""Convolutions: those that stand where ``nn.Conv1d/2d/3d`` stood, and those over time."""

from huashi.convolution.depthwise import depthwise_conv1d
from huashi.convolution.depthwise_separable import (
    DepthwiseSeparableConv1d,
    DepthwiseSeparableConv2d,
    DepthwiseSeparableConv3d,
)
from huashi.convolution.flattened import FlattenedConv1d, FlattenedConv2d, FlattenedConv3d
from huashi.convolution.gated import GLUConv1d
from huashi.convolution.lightweight import (
    DynamicConv1d,
    LightweightConv1d,
    dynamic_conv1d,
    lightweight_conv1d,
)
from huashi.convolution.mixed import MixedConv1d, MixedConv2d, MixedConv3d
from huashi.convolution.separable import SubSeparableConv1d
from huashi.convolution.shuffled import (
    PointwiseGroupedConv1d,
    PointwiseGroupedConv2d,
    PointwiseGroupedConv3d,
    ShuffledConv1d,
    ShuffledConv2d,
    ShuffledConv3d,
)
from huashi.convolution.spatially_separable import (
    SpatiallySeparableConv2d,
    SpatiallySeparableConv3d,
)

__all__ = [
    "DepthwiseSeparableConv1d",
    "DepthwiseSeparableConv2d",
    "DepthwiseSeparableConv3d",
    "DynamicConv1d",
    "FlattenedConv1d",
    "FlattenedConv2d",
    "FlattenedConv3d",
    "GLUConv1d",
    "LightweightConv1d",
    "MixedConv1d",
    "MixedConv2d",
    "MixedConv3d",
    "PointwiseGroupedConv1d",
    "PointwiseGroupedConv2d",
    "PointwiseGroupedConv3d",
    "ShuffledConv1d",
    "ShuffledConv2d",
    "ShuffledConv3d",
    "SpatiallySeparableConv2d",
    "SpatiallySeparableConv3d",
    "SubSeparableConv1d",
    "depthwise_conv1d",
    "dynamic_conv1d",
    "lightweight_conv1d",
]
