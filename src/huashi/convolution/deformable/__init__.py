"""Convolutions whose taps move: deformable, v1 and v2, in one to three dimensions."""

from huashi.convolution.deformable.functions import deform_conv1d, deform_conv2d, deform_conv3d
from huashi.convolution.deformable.modules import (
    DeformableConv1d,
    DeformableConv2d,
    DeformableConv3d,
)

__all__ = [
    "DeformableConv1d",
    "DeformableConv2d",
    "DeformableConv3d",
    "deform_conv1d",
    "deform_conv2d",
    "deform_conv3d",
]
