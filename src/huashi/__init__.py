from huashi import _moved
from huashi._accelerate import accelerate
from huashi._kernel.operator import implementation

_moved.install()

__version__ = "0.1.0"
__all__ = ["accelerate", "implementation"]
