"""Convolutions: those that stand where ``nn.Conv1d/2d/3d`` stood, and those over time."""

from huashi.convolution.channel_axis import channelwise_conv, convolutional_classifier2d
from huashi.convolution.channelwise import (
    ConvolutionalClassifier2d,
    DepthwiseSeparableChannelwiseConv1d,
    DepthwiseSeparableChannelwiseConv2d,
    DepthwiseSeparableChannelwiseConv3d,
    GroupChannelwiseConv1d,
    GroupChannelwiseConv2d,
    GroupChannelwiseConv3d,
)
from huashi.convolution.conversion import Conversion, ConvertedLayer, convert
from huashi.convolution.cost import Cost, LayerCost, cost
from huashi.convolution.deformable import (
    DeformableConv1d,
    DeformableConv2d,
    DeformableConv3d,
    deform_conv1d,
    deform_conv2d,
    deform_conv3d,
)
from huashi.convolution.depthwise import depthwise_conv1d
from huashi.convolution.depthwise_separable import (
    DepthwiseSeparableConv1d,
    DepthwiseSeparableConv2d,
    DepthwiseSeparableConv3d,
)
from huashi.convolution.dynamic_kernels import (
    DynamicKernelConv1d,
    DynamicKernelConv2d,
    DynamicKernelConv3d,
    kernel_correlation,
    set_routing_progress,
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
from huashi.convolution.plain import Conv1d, Conv2d, Conv3d
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
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Conversion",
    "ConvertedLayer",
    "ConvolutionalClassifier2d",
    "Cost",
    "DeformableConv1d",
    "DeformableConv2d",
    "DeformableConv3d",
    "DepthwiseSeparableChannelwiseConv1d",
    "DepthwiseSeparableChannelwiseConv2d",
    "DepthwiseSeparableChannelwiseConv3d",
    "DepthwiseSeparableConv1d",
    "DepthwiseSeparableConv2d",
    "DepthwiseSeparableConv3d",
    "DynamicConv1d",
    "DynamicKernelConv1d",
    "DynamicKernelConv2d",
    "DynamicKernelConv3d",
    "FlattenedConv1d",
    "FlattenedConv2d",
    "FlattenedConv3d",
    "GLUConv1d",
    "GroupChannelwiseConv1d",
    "GroupChannelwiseConv2d",
    "GroupChannelwiseConv3d",
    "LayerCost",
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
    "channelwise_conv",
    "convert",
    "convolutional_classifier2d",
    "cost",
    "deform_conv1d",
    "deform_conv2d",
    "deform_conv3d",
    "depthwise_conv1d",
    "dynamic_conv1d",
    "kernel_correlation",
    "lightweight_conv1d",
    "set_routing_progress",
]
