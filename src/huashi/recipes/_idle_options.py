"""Options that would do nothing beside others, which is an error."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from huashi.training import TrainingSettings


def refuse_given(settings: Any, idle: Mapping[str, str]) -> None:
    """Raise where an option that could not act is not what it is by default.

    Args:
        settings: a dataclass.
        idle: the names of such fields, and beside what they do nothing.

    Raises:
        ValueError: naming the option.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        default = field.default
        if field.name in idle and default is not MISSING and value != default:
            raise ValueError(
                f"{field.name} must not be given {idle[field.name]}, where it does nothing, got "
                f"{value}"
            )


def refuse_idle(settings: TrainingSettings) -> None:
    """Raise where a setting of a training could not act beside the others."""
    idle = {}
    if settings.schedule != "plateau":
        idle["decay"] = f"with schedule {settings.schedule}"
    if settings.optimizer != "nag":
        idle["momentum"] = f"with optimizer {settings.optimizer}"
    if settings.optimizer not in ("adam", "adamw"):
        idle["betas"] = f"with optimizer {settings.optimizer}"
    if not getattr(settings, "minimum_risk", 0):
        idle |= dict.fromkeys(("risk_samples", "risk_cost"), "without minimum_risk")
    if not getattr(settings, "label_smoothing", 0):
        idle["smoothing"] = "without label_smoothing"
    refuse_given(settings, idle)
