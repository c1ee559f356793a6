"""What the CPU kernels share: how they are compiled, and how many threads run them.

Numba's cache on disk sees a change of the kernel's own file only: after a change here, delete it.
"""

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba.core import cgutils, config
from numba.core import types as machine
from numba.extending import intrinsic, overload
from numba.np.ufunc.parallel import get_num_threads, set_num_threads, threading_layer
from torch import Tensor

SERIAL_BELOW = 8192  # elements; for fewer, starting threads takes about as long as the work

# Sums may be reordered, which lets them run in vector lanes; NaN and infinity keep their meaning.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
}
_one_at_a_time = threading.Lock()
_threads_lost = False  # in a forked child whose parent had started Numba's threads


def compiled(function: Callable, *, parallel: bool = False) -> Callable:
    """Compile at the first call; keep the machine code on disk where a folder can be written."""
    try:
        return numba.njit(cache=True, parallel=parallel, **_OPTIONS)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(parallel=parallel, **_OPTIONS)(function)


def inlined(function: Callable) -> Callable:
    """Compile into the callers: there, unlike in a call, a row of an array costs no counting."""
    return numba.njit(inline="always", **_OPTIONS)(function)


def threaded(function: Callable) -> Callable[..., None]:
    """Compile ``function(part, parts, *arrays)``, which does one of so many parts of its work.

    It is compiled once for each kind of arrays, whether one part is done or many side by side.
    Small work (the size of the first array) is done serially, as one part; so is all work in a
    forked child, where GNU OpenMP would end the process. Else as many parts run side by side as
    torch is set to use threads.
    """
    serial = compiled(function)
    known: dict[tuple, int] = {}  # of the kinds of the arrays: where the machine code lies

    def address_for(arrays: tuple) -> int:
        kinds = tuple(map(_kind, arrays))
        if kinds not in known:
            known[kinds] = _address(serial, (0, 1, *arrays))
        return known[kinds]

    @functools.wraps(function)
    def launch(*arrays: Any) -> None:
        most = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
        threads = min(torch.get_num_threads(), most)
        if threads == 1 or arrays[0].size < SERIAL_BELOW or _threads_lost:
            serial(0, 1, *arrays)
            return
        address, before = address_for(arrays), get_num_threads()
        set_num_threads(threads)  # of this Python thread
        try:
            if threading_layer() == "workqueue":  # fails when entered by two Python threads
                with _one_at_a_time:
                    _side_by_side(threads, address, arrays)
            else:
                _side_by_side(threads, address, arrays)
        finally:
            set_num_threads(before)

    return launch


@inlined
def part_of(number: Any, part: Any, parts: Any) -> Any:
    """In a kernel: the range of ``number`` tasks that belong to a part."""
    return range(part * number // parts, (part + 1) * number // parts)


def _kind(value: Any) -> Any:
    """What of an argument Numba's type depends on, found in a tenth of the time."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    return type(value)


def _address(serial: Any, arguments: tuple) -> int:
    """Where the machine code for such arguments lies; compiled if it is not."""
    signature = tuple(map(serial.typeof_pyval, arguments))
    serial.compile(signature)
    result = serial.overloads[signature]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


@intrinsic
def _one_part(context: Any, address: Any, part: Any, parts: Any, arrays: Any) -> Any:
    """Call the machine code at an address, as Numba calls a function of its own."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = machine.int64, machine.int64, *arrays.types
        function = context.call_conv.get_function_type(machine.none, kinds)
        pointer = builder.inttoptr(values[0], function.as_pointer())
        given = values[1], values[2], *cgutils.unpack_tuple(builder, values[3])
        context.call_conv.call_function(builder, pointer, machine.none, kinds, given)
        return context.get_dummy_value()

    return machine.void(machine.int64, machine.int64, machine.int64, arrays), build


def _in_parts(parts: Any, address: Any, arrays: Any) -> None:
    for part in numba.prange(parts):
        _one_part(address, part, parts, arrays)  # pyright: ignore[reportCallIssue]


# The kernel is called where it lies: compiled into this loop it would be compiled twice more.
_side_by_side = compiled(_in_parts, parallel=True)


def _after_fork() -> None:
    global _threads_lost
    try:
        threading_layer()
    except ValueError:  # no threads were started: this process may start its own
        return
    _threads_lost = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _choose(order: str, *, heed_nan: bool) -> Any:
    unordered = () if heed_nan else ("nnan", "nsz")  # of no NaN and no sign of zero to think

    @intrinsic
    def choose(context: Any, a: Any, b: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            one, other = arguments
            if a in machine.integer_domain:
                compare = builder.icmp_signed if a.signed else builder.icmp_unsigned
                return builder.select(compare(order, one, other), one, other)
            first = builder.fcmp_ordered(order, one, other, flags=unordered)
            if heed_nan:
                first = builder.or_(first, builder.fcmp_unordered("uno", one, one))
            return builder.select(first, one, other, flags=unordered)

        return a(a, a), build

    return choose


# The larger and the smaller of two numbers of one dtype; where one is NaN, either of them. A loop
# of these runs in vector lanes, 14 times as fast as one of Python's max, which has to heed NaN.
larger, smaller = _choose(">", heed_nan=False), _choose("<", heed_nan=False)
# The same, but NaN where one is NaN, and the first of equals. Python's own words for it would make
# `a[i] = maximum(a[i], b[i])` a store under a condition, seven times as slow.
maximum, minimum = _choose(">=", heed_nan=True), _choose("<=", heed_nan=True)


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
    """The nearest bfloat16, of two the even one."""
    bits = bits_of_float(value)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) >> np.uint32(16)
    return np.uint16(rounded if value == value else np.uint32(0x7FC0))
