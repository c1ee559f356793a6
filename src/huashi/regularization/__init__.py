"""Penalties on groups of weights, with exact proximal steps."""

from huashi.regularization.penalties import (
    L1,
    AtMost,
    ElasticNet,
    Exclusive,
    GroupHalf,
    GroupLasso,
    GroupMax,
    GroupMCP,
    GroupSCAD,
    GroupSquaredL2,
    NOfM,
    Nuclear,
    Penalty,
    SparseGroupLasso,
)

__all__ = [
    "L1",
    "AtMost",
    "ElasticNet",
    "Exclusive",
    "GroupHalf",
    "GroupLasso",
    "GroupMCP",
    "GroupMax",
    "GroupSCAD",
    "GroupSquaredL2",
    "NOfM",
    "Nuclear",
    "Penalty",
    "SparseGroupLasso",
]
