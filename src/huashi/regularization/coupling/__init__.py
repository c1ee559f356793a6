"""Which channels of a network must vanish together, found by tracing it."""

from huashi.regularization.coupling.channel_groups import channels

__all__ = ["channels"]
