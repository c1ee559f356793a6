"""Groups of weights: slices of parameters, and those that the modules of a model have."""

from huashi.regularization.groups.module_groups import (
    blocks,
    columns,
    embedding_rows,
    filters,
    heads,
    hidden_units,
    kernel_shapes,
    layers,
    norm_scales,
    projected_heads,
)
from huashi.regularization.groups.overlapping import duplicate_weights
from huashi.regularization.groups.slices import Groups, Slices

__all__ = [
    "Groups",
    "Slices",
    "blocks",
    "columns",
    "duplicate_weights",
    "embedding_rows",
    "filters",
    "heads",
    "hidden_units",
    "kernel_shapes",
    "layers",
    "norm_scales",
    "projected_heads",
]
