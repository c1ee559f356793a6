"""Which channels of a network must vanish together, found by tracing it."""

from huashi.regularization.coupling.coupled_channels import channels

__all__ = ["channels"]
