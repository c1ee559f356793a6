"""The proximal step of the norm of groups in a metric as an operator; it has no gradient."""

import torch

from huashi._kernel.operator import declare

metric_threshold_kernel = declare(
    "metric_block_soft_threshold(Tensor v, Tensor t, Tensor h, float l1) -> Tensor",
    example="huashi.regularization.prox.metric_block_soft_threshold",
    fake=lambda v, t, h, l1: v.new_empty(v.shape),
    cpu_dtypes=(torch.float32, torch.float64),
    uncovered={"gradient": "the kernel has no derivative, and one is wanted"},
    cpu="huashi.regularization.cpu.metric_threshold:metric_block_soft_threshold",
)
