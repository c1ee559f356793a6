"""Tensors as the arrays of a CPU kernel, and their numbers as they are computed with: bfloat16 too.

NumPy knows no bfloat16: an array holds its bits as uint16, which a kernel widens to float32.
"""

from typing import Any

import numpy as np
import torch
from numba.core import types as machine
from numba.extending import intrinsic, overload
from torch import Tensor

from huashi._kernel.numba import compiled


def _reinterpreted(given: Any, result: Any) -> Any:
    @intrinsic
    def reinterpret(context: Any, value: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(result))

        return result(given), build

    return reinterpret


float_of_bits = _reinterpreted(machine.uint32, machine.float32)
bits_of_float = _reinterpreted(machine.float32, machine.uint32)


def array_of(x: Tensor) -> Any:
    """The memory of a tensor for a kernel; bfloat16, which NumPy does not know, as uint16."""
    x = x.detach()
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(np.uint16)
    return x.numpy()


def wide(value: Any) -> Any:
    """In a kernel: a number of an array as it is computed with."""
    raise NotImplementedError("only for kernels")


def narrow(value: Any, array: Any) -> Any:
    """In a kernel: a number as ``array`` stores it."""
    raise NotImplementedError("only for kernels")


@overload(wide)
def _wide(value):  # noqa: ANN001, ANN202  (Numba compares this signature with the lambdas')
    if value == machine.uint16:
        return lambda value: float_of_bits(np.uint32(value) << np.uint32(16))
    return lambda value: value


@overload(narrow)
def _narrow(value, array):  # noqa: ANN001, ANN202
    if array.dtype == machine.uint16:
        return lambda value, array: _bfloat16(np.float32(value))
    return lambda value, array: array.dtype.type(value)


@compiled
def _bfloat16(value: Any) -> Any:
    """The nearest bfloat16; between two, the even one."""
    bits = bits_of_float(value)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) >> np.uint32(16)
    return np.uint16(rounded if value == value else np.uint32(0x7FC0))
