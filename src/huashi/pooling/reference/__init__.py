r"""Pooling over windows, as formulas. Any device, any dtype, differentiable to any order.

Every window is laid out along a last dimension, beside a mask of which of its elements are
real; padding and masked elements are absent, not zero. A reduction is then one line. This takes
as many times the memory of the input as a window has elements, and is what the kernels are held to.
"""

from huashi.pooling.reference.draws import stochastic, uniform
from huashi.pooling.reference.extrema import extremum, extremum_of, identity
from huashi.pooling.reference.means import average, formula, log_sum_exp, lp, power, soft
from huashi.pooling.reference.order_statistics import order, quantile, sorted_mean
from huashi.pooling.reference.window_elements import Windows, softmax, windows

__all__ = [
    "Windows",
    "average",
    "extremum",
    "extremum_of",
    "formula",
    "identity",
    "log_sum_exp",
    "lp",
    "order",
    "power",
    "quantile",
    "soft",
    "softmax",
    "sorted_mean",
    "stochastic",
    "uniform",
    "windows",
]
