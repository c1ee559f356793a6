"""Penalties on groups of weights, with exact proximal steps."""

from huashi.regularization import prox
from huashi.regularization.compaction.model_file import export_program, load_compact, save_compact
from huashi.regularization.compaction.report import Report
from huashi.regularization.compaction.smaller_model import Compaction, compact
from huashi.regularization.coupling import channels
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
from huashi.regularization.optimizer.certificate import (
    Certificate,
    certify,
    exact_zeros,
    kkt_gap,
    lambda_max,
)
from huashi.regularization.optimizer.proximal import Proximal
from huashi.regularization.optimizer.schedules import CubicRamp, LinearWarmUp
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
    "Certificate",
    "Compaction",
    "CubicRamp",
    "ElasticNet",
    "Exclusive",
    "GroupHalf",
    "GroupLasso",
    "GroupMCP",
    "GroupMax",
    "GroupSCAD",
    "GroupSquaredL2",
    "Groups",
    "LinearWarmUp",
    "NOfM",
    "Nuclear",
    "Penalty",
    "Proximal",
    "Report",
    "Slices",
    "SparseGroupLasso",
    "TreeGroupLasso",
    "blocks",
    "certify",
    "channels",
    "columns",
    "compact",
    "duplicate_weights",
    "embedding_rows",
    "exact_zeros",
    "export_program",
    "filters",
    "heads",
    "hidden_units",
    "kernel_shapes",
    "kkt_gap",
    "lambda_max",
    "layers",
    "load_compact",
    "norm_scales",
    "projected_heads",
    "prox",
    "save_compact",
]
