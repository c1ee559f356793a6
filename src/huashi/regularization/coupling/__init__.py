"""Which channels of a network must vanish together, found by tracing it.

A model is traced to a graph (``tracing``), through which labels of its channels run
(``propagation``): by rules for the layers of torch (``layer_rules``, ``sequence_rules``), and by
trying out what any other call does with them (``channelwise_trial``).
"""

from huashi.regularization.coupling.channel_groups import channels

__all__ = [
    "channels",
]
