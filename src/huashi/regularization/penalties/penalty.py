r"""What a penalty is, to a proximal optimiser: a few numbers and six methods."""

from typing import Protocol, Self

from torch import Tensor


class Penalty(Protocol):
    r"""A penalty R on weights ``w``, (groups, elements), of which each row is a group.

    All penalties of this package have these methods. Results are in the dtype of the weights.
    """

    def value(self, w: Tensor) -> Tensor:
        """R(w), 0-d."""
        ...

    def prox(self, v: Tensor, step: float) -> Tensor:
        r""":math:`\arg\min_x \tfrac12 \|x - v\|^2 + \mathrm{step} R(x)`, shaped like ``v``."""
        ...

    def prox_metric(self, v: Tensor, step: float, h: Tensor) -> Tensor:
        r"""The same with :math:`\tfrac12 \sum_i h_i (x_i - v_i)^2`; ``h`` > 0 is shaped like ``v``.

        It fits an optimiser that divides each element by an h of its own.
        """
        ...

    def distance(self, gradient: Tensor, w: Tensor) -> Tensor:
        """The distance of minus the gradient of the loss to the subdifferential of R, (groups,).

        It is 0 where a group is stationary.
        """
        ...

    def lambda_max(self, gradient: Tensor) -> float:
        """The least factor of R at which 0 is stationary, given the gradient of the loss at 0.

        Raises:
            ValueError: there is none, as for a constraint.
        """
        ...

    def scaled(self, factor: float) -> Self:
        """The penalty ``factor * R``; a constraint stays as it is."""
        ...
