"""The proximal step of the norm of groups in a metric as an operator; it has no gradient."""

import torch
from torch import Tensor

from huashi._kernel.operator import declare


def _on_cpu(v: Tensor, t: Tensor, h: Tensor, l1: float) -> Tensor:
    from huashi.regularization.cpu import metric_threshold as cpu

    return cpu.metric_block_soft_threshold(v, t, h, l1)


metric_threshold_kernel = declare(
    "metric_block_soft_threshold(Tensor v, Tensor t, Tensor h, float l1) -> Tensor",
    example="huashi.regularization.prox.metric_block_soft_threshold",
    fake=lambda v, t, h, l1: v.new_empty(v.shape),
    cpu_dtypes=(torch.float32, torch.float64),
    cpu=_on_cpu,
)
