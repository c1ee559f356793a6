from huashi._accelerate import accelerate
from huashi._operator import implementation

__version__ = "0.1.0"
__all__ = ["accelerate", "implementation"]
