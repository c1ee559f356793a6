"""Time contenders side by side, after checking that they agree; and the pools of known networks.

What ``huashi bench pooling`` measures is :data:`CASES`; what ``huashi warm-up`` compiles is what
:func:`kernel_calls` calls.
"""

from huashi.bench.pools import (
    CASES,
    DTYPES,
    PASSES,
    Case,
    Setting,
    example,
    measure_pool,
    prepare,
    settings_of,
)
from huashi.bench.progress import tracked
from huashi.bench.timing import check_device, compare, copy_bandwidth, machine
from huashi.bench.warm_up import cache_folders, kernel_calls

__all__ = [
    "CASES",
    "DTYPES",
    "PASSES",
    "Case",
    "Setting",
    "cache_folders",
    "check_device",
    "compare",
    "copy_bandwidth",
    "example",
    "kernel_calls",
    "machine",
    "measure_pool",
    "prepare",
    "settings_of",
    "tracked",
]
