r"""How the learning rate goes over the steps, as a share of its greatest value.

All rise in a straight line for the first ``warmup`` steps w; then, at step t of T:

* ``inverse_sqrt``: :math:`\sqrt{w / t}` (Vaswani 2017), with w at least 1;
* ``linear``: in a straight line to 0 at T;
* ``cosine``: :math:`(1 + \cos(\pi (t - w) / (T - w))) / 2` (Loshchilov 2017, arXiv 1608.03983);
* ``constant``: 1.

What ``plateau`` does (ConvS2S: a tenth when validation gets no better) depends on the validation,
not on the step: see :class:`~huashi.training.settings.TrainingSettings`.
"""

import math
from typing import Literal

Schedule = Literal["inverse_sqrt", "linear", "cosine", "constant", "plateau"]


def rate(schedule: Schedule, step: int, *, warmup: int, steps: int) -> float:
    """The share of the greatest rate at a step.

    Args:
        schedule: how it goes.
        step: which, the first being 1.
        warmup: steps in which it rises.
        steps: of the whole training.

    >>> [round(rate("inverse_sqrt", step, warmup=4, steps=100), 2) for step in (1, 4, 16)]
    [0.25, 1.0, 0.5]
    >>> [rate("linear", step, warmup=0, steps=4) for step in (1, 2, 3, 4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    if step <= warmup:
        return step / warmup
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup, 1) / step)
    if schedule in ("constant", "plateau"):
        return 1.0
    left = 1 - (step - 1 - warmup) / max(steps - warmup, 1)
    left = min(max(left, 0.0), 1.0)
    return left if schedule == "linear" else (1 - math.cos(math.pi * left)) / 2


def rise_and_fall(step: int, *, warmup: int, steps: int) -> float:
    """The share of the greatest rate at a step, where the fall begins with the first step.

    A line that rises to 1 in the warm-up and one that falls from 1 to 0 over the whole training:
    the lower of the two.

    Args:
        step: which, the first being 1.
        warmup: steps in which the rate rises.
        steps: of the whole training.

    >>> [rise_and_fall(step, warmup=2, steps=4) for step in (1, 2, 3, 4)]
    [0.5, 0.75, 0.5, 0.25]
    """
    return min(step / warmup, 1 - (step - 1) / steps)
