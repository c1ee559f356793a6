"""Training with penalties: an optimiser with proximal steps, strengths over time, certificates."""

from huashi.regularization.optimizer.certificate import (
    Certificate,
    certify,
    exact_zeros,
    kkt_gap,
    lambda_max,
)
from huashi.regularization.optimizer.proximal import Proximal
from huashi.regularization.optimizer.schedules import CubicRamp, LinearWarmUp

__all__ = [
    "Certificate",
    "CubicRamp",
    "LinearWarmUp",
    "Proximal",
    "certify",
    "exact_zeros",
    "kkt_gap",
    "lambda_max",
]
