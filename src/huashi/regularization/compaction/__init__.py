"""A smaller network with the same outputs: what is zero is cut out."""

from huashi.regularization.compaction.smaller_model import Compaction, compact

__all__ = ["Compaction", "compact"]
