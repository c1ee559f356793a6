"""Pooling as operators, each declared once with its kernels and its gradient."""

from huashi.pooling.operators.axes import flat
from huashi.pooling.operators.extrema import draw, extremum, extremum_offsets, put
from huashi.pooling.operators.means import average, formula, norm
from huashi.pooling.operators.order import order
from huashi.pooling.operators.sequence import chunk_largest, k_largest, taken

__all__ = [
    "average",
    "chunk_largest",
    "draw",
    "extremum",
    "extremum_offsets",
    "flat",
    "formula",
    "k_largest",
    "norm",
    "order",
    "put",
    "taken",
]
