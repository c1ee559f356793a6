"""Where a recipe computes: Lightning Fabric, with its complaints in one line."""

from typing import Any

from lightning_fabric import Fabric


def fabric_on(accelerator: str, precision: Any) -> Fabric:
    """Lightning Fabric on one device.

    Raises:
        ValueError: this machine has no such accelerator, or it cannot compute in that precision.
    """
    try:
        return Fabric(accelerator=accelerator, devices=1, precision=precision)
    except (RuntimeError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise ValueError(
            f"accelerator must be one of this machine, got {accelerator}: {problem}"
        ) from None
