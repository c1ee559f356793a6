"""A smaller model with the same outputs: channels that add nothing are cut out."""

from huashi.regularization.compaction.model_file import export_program, load_compact, save_compact
from huashi.regularization.compaction.report import Report
from huashi.regularization.compaction.smaller_model import Compaction, compact

__all__ = [
    "Compaction",
    "Report",
    "compact",
    "export_program",
    "load_compact",
    "save_compact",
]
