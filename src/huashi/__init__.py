from huashi import _moved
from huashi._accelerate import Acceleration, accelerate, acceleration, restore
from huashi._kernel.operator import NoKernelError, implementation

_moved.install()

__version__ = "0.1.0"
__all__ = [
    "Acceleration",
    "NoKernelError",
    "accelerate",
    "acceleration",
    "implementation",
    "restore",
]
