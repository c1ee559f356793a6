r"""What a penalty is, to a proximal optimiser.

A penalty is a few numbers and five methods. Weights ``w`` are (groups, elements), each row a group:

- ``value(w)``: 0-d.
- ``prox(v, step)``: :math:`\arg\min_x \tfrac12 \|x - v\|^2 + \mathrm{step} \cdot R(x)`.
- ``prox_metric(v, step, h)``: the same with :math:`\tfrac12 \sum_i h_i (x_i - v_i)^2`, as it fits
  an optimiser that divides each element by an h of its own.
- ``distance(gradient, w)``: of minus the gradient of the loss to the subdifferential, (groups,);
  0 where a group is stationary.
- ``lambda_max(gradient)``: the least factor of the penalty at which 0 is stationary, given the
  gradient of the loss at 0.
"""

from typing import Protocol, Self

from torch import Tensor


class Penalty(Protocol):
    """What a proximal optimiser needs of a penalty."""

    def value(self, w: Tensor) -> Tensor: ...
    def prox(self, v: Tensor, step: float) -> Tensor: ...
    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor: ...
    def distance(self, gradient: Tensor, w: Tensor) -> Tensor: ...
    def lambda_max(self, gradient: Tensor) -> float: ...
    def scaled(self, factor: float) -> Self: ...
