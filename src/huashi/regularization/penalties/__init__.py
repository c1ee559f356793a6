"""Penalties: a value, an exact proximal step, a distance to stationarity."""

from huashi.regularization.penalties.concave import GroupHalf, GroupMCP, GroupSCAD
from huashi.regularization.penalties.constraints import AtMost, NOfM
from huashi.regularization.penalties.lasso import (
    L1,
    ElasticNet,
    GroupLasso,
    GroupSquaredL2,
    SparseGroupLasso,
)
from huashi.regularization.penalties.penalty import Penalty
from huashi.regularization.penalties.structured_norms import (
    Exclusive,
    GroupMax,
    Nuclear,
    TreeGroupLasso,
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
    "TreeGroupLasso",
]
