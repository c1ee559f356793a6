"""Pools over all positions of an input."""

from huashi.pooling.global_pooling.across_channels import (
    GlobalAttentionPool,
    GlobalCovariancePool,
    global_attention_pool,
    global_covariance_pool,
)
from huashi.pooling.global_pooling.classifier_heads import fc_head, gap_head
from huashi.pooling.global_pooling.per_channel import (
    GlobalAvgPool,
    GlobalGeMPool,
    GlobalLogSumExpPool,
    GlobalLPPool,
    GlobalMaxPool,
    GlobalMinPool,
    GlobalSoftPool,
    global_avg_pool,
    global_gem_pool,
    global_log_sum_exp_pool,
    global_lp_pool,
    global_max_pool,
    global_min_pool,
    global_soft_pool,
)

__all__ = [
    "GlobalAttentionPool",
    "GlobalAvgPool",
    "GlobalCovariancePool",
    "GlobalGeMPool",
    "GlobalLPPool",
    "GlobalLogSumExpPool",
    "GlobalMaxPool",
    "GlobalMinPool",
    "GlobalSoftPool",
    "fc_head",
    "gap_head",
    "global_attention_pool",
    "global_avg_pool",
    "global_covariance_pool",
    "global_gem_pool",
    "global_log_sum_exp_pool",
    "global_lp_pool",
    "global_max_pool",
    "global_min_pool",
    "global_soft_pool",
]
