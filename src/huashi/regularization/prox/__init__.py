r"""Proximal steps in closed form: where a penalty moves a point to.

.. math:: \mathrm{prox}(v) = \arg\min_x \tfrac12 \sum_i h_i (x_i - v_i)^2 + t R(x)

with metric h = 1 unless given. Points are (groups, elements): each row is a group. All are exact up
to rounding, on any device.

Parikh and Boyd: Proximal Algorithms (2014). In a diagonal metric: Yun, Lozano, Yang: Adaptive
Proximal Gradient Methods for Structured Neural Networks (2021).
"""

from huashi.regularization.prox import elements, groups, projections
from huashi.regularization.prox.elements import *
from huashi.regularization.prox.groups import *
from huashi.regularization.prox.projections import *

__all__: list[str] = []
__all__ += elements.__all__
__all__ += groups.__all__
__all__ += projections.__all__
