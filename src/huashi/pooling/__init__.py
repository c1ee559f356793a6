"""Pooling: one number, or a few, for each window of an image or a sequence.

A family has in its ``__all__`` what is for users: a name that is added there is public here too.
"""

from huashi.pooling import (
    adaptive,
    average,
    blur,
    downsampling,
    exponentials,
    extrema,
    global_pooling,
    mixture,
    offsets,
    order,
    powers,
    random_regions,
    sequence,
    stochastic,
    unpool,
)
from huashi.pooling.adaptive import *
from huashi.pooling.average import *
from huashi.pooling.blur import *
from huashi.pooling.downsampling import *
from huashi.pooling.exponentials import *
from huashi.pooling.extrema import *
from huashi.pooling.global_pooling import *
from huashi.pooling.mixture import *
from huashi.pooling.offsets import *
from huashi.pooling.order import *
from huashi.pooling.powers import *
from huashi.pooling.random_regions import *
from huashi.pooling.sequence import *
from huashi.pooling.stochastic import *
from huashi.pooling.unpool import *

__all__: list[str] = []
__all__ += adaptive.__all__
__all__ += average.__all__
__all__ += blur.__all__
__all__ += downsampling.__all__
__all__ += exponentials.__all__
__all__ += extrema.__all__
__all__ += global_pooling.__all__
__all__ += mixture.__all__
__all__ += offsets.__all__
__all__ += order.__all__
__all__ += powers.__all__
__all__ += random_regions.__all__
__all__ += sequence.__all__
__all__ += stochastic.__all__
__all__ += unpool.__all__
