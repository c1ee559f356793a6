"""Groups of weights: slices of parameters, and those that the modules of a model have."""

from huashi.regularization.groups.slices import Groups, Slices

__all__ = ["Groups", "Slices"]
