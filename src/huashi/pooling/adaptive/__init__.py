"""Pools of which the size of the output is given."""

from huashi.pooling.adaptive import extrema, means, spatial_pyramid
from huashi.pooling.adaptive.extrema import *
from huashi.pooling.adaptive.means import *
from huashi.pooling.adaptive.spatial_pyramid import *

__all__: list[str] = []
__all__ += extrema.__all__
__all__ += means.__all__
__all__ += spatial_pyramid.__all__
