"""Pools over regions that are drawn at random."""

from huashi.pooling.random_regions import fractional, s3
from huashi.pooling.random_regions.fractional import *
from huashi.pooling.random_regions.s3 import *

__all__: list[str] = []
__all__ += fractional.__all__
__all__ += s3.__all__
