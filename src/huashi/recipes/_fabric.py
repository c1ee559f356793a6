"""Where a recipe computes: Lightning Fabric, with its complaints in one line."""

import os
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fabric_on(accelerator: str, precision: Any) -> "Fabric":
    """Lightning Fabric on one device, or on as many as torchrun has started processes for.

    Raises:
        ValueError: this machine has no such accelerator, or it cannot compute in that precision.
    """
    from lightning_fabric import Fabric  # takes seconds, which no help text should wait for

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // here
    strategy = "ddp" if here * nodes > 1 else "auto"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*fp16 is not supported on CPU")
            fabric = Fabric(
                accelerator=accelerator,
                devices=here,
                num_nodes=nodes,
                strategy=strategy,
                precision=precision,
            )
    except Exception as error:  # whatever a library for that accelerator says
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"accelerator must be one of this machine, got {accelerator}: {problem}"
        ) from None
    if precision == "16-mixed" and fabric.device.type == "cpu":
        raise ValueError("precision must be bf16-mixed for mixed arithmetic on a CPU, got 16-mixed")
    return fabric
