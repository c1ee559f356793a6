"""Pools over regions that are drawn at random."""

from huashi.pooling.random_regions.fractional import (
    FractionalMaxPool1d,
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    fractional_max_pool1d,
    fractional_max_pool2d,
    fractional_max_pool3d,
)
from huashi.pooling.random_regions.s3 import (
    S3Pool1d,
    S3Pool2d,
    S3Pool3d,
    s3_pool1d,
    s3_pool2d,
    s3_pool3d,
)

__all__ = [
    "FractionalMaxPool1d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "S3Pool1d",
    "S3Pool2d",
    "S3Pool3d",
    "fractional_max_pool1d",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "s3_pool1d",
    "s3_pool2d",
    "s3_pool3d",
]
