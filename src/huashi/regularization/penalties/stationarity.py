"""How far a point is from stationary, and from which strength of a penalty on 0 is stationary."""

from collections.abc import Callable

import torch
from torch import Tensor


def least_factor(holds: Callable[[float], bool]) -> float:
    """The least factor of a penalty at which it holds 0, by halving; infinite if none does.

    >>> round(least_factor(lambda factor: factor >= 2.5), 9)
    2.5
    """
    high = 1.0
    for _ in range(200):
        if holds(high):
            break
        high *= 2
    else:
        return float("inf")
    low = 0.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def radial_distance(gradient: Tensor, w: Tensor, slope: Tensor) -> Tensor:
    """The distance for a penalty of the norm that has this slope at w, (groups,).

    At 0 its subdifferential is a ball, whose radius is the slope.
    """
    norm = w.norm(dim=1)
    direction = w / torch.where(norm > 0, norm, 1)[:, None]
    at_zero = (gradient.norm(dim=1) - slope).clamp(min=0)
    return torch.where(norm > 0, (gradient + slope[:, None] * direction).norm(dim=1), at_zero)


def no_lambda_max(penalty: object, why: str) -> ValueError:
    """What is raised where no least factor of a penalty holds all groups at 0."""
    name = type(penalty).__name__
    return ValueError(f"penalty must have a finite slope at 0 for lambda_max, got {name}: {why}")


def ratio(size: float, threshold: float) -> float:
    """What to multiply a threshold with to reach a size."""
    if threshold > 0:
        return size / threshold
    return 0.0 if size == 0 else float("inf")
