"""How strong a penalty is as training goes on: factors by the number of steps done."""

from dataclasses import dataclass

from huashi._checks import check_not_negative, check_positive


@dataclass(frozen=True, kw_only=True)
class LinearWarmUp:
    """From 0 to 1 in equal steps, then 1.

    Args:
        steps: how many it takes to get to 1, > 0.
        start: steps before it rises, >= 0.

    >>> ramp = LinearWarmUp(steps=4)
    >>> [ramp(step) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    >>> LinearWarmUp(steps=4, start=10)(12)
    0.5
    """

    steps: int
    start: int = 0

    def __post_init__(self) -> None:
        check_positive("steps", self.steps)
        check_not_negative("start", self.start)

    def __call__(self, step: int) -> float:
        return min(max((step - self.start) / self.steps, 0.0), 1.0)


@dataclass(frozen=True, kw_only=True)
class CubicRamp:
    """From 0 to 1, fast at first: ``1 - (1 - s)^3`` (Zhu and Gupta: To prune, 2017).

    Args:
        steps: how many it takes to get to 1, > 0.
        start: steps before it rises, >= 0.

    >>> ramp = CubicRamp(steps=4)
    >>> [ramp(step) for step in (0, 2, 4)]
    [0.0, 0.875, 1.0]
    """

    steps: int
    start: int = 0

    def __post_init__(self) -> None:
        check_positive("steps", self.steps)
        check_not_negative("start", self.start)

    def __call__(self, step: int) -> float:
        return 1 - (1 - LinearWarmUp(steps=self.steps, start=self.start)(step)) ** 3
