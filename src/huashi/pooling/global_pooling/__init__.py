"""Pools over all positions of an input."""

from huashi.pooling.global_pooling import across_channels, classifier_heads, per_channel
from huashi.pooling.global_pooling.across_channels import *
from huashi.pooling.global_pooling.classifier_heads import *
from huashi.pooling.global_pooling.per_channel import *

__all__: list[str] = []
__all__ += across_channels.__all__
__all__ += classifier_heads.__all__
__all__ += per_channel.__all__
