"""What the CPU kernels share: how they are compiled, and how many threads run them.

Numba's cache on disk sees a change of the kernel's own file only: after a change here, delete it.
"""

import functools
import os
import threading
import types
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba.core import config
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

    Small work (the size of the first array) is done serially, as one part; so is all work in a
    forked child, where GNU OpenMP would end the process. Else as many parts run side by side as
    torch is set to use threads.
    """
    serial = compiled(function)
    parallel = compiled(_in_parts(function, serial), parallel=True)

    @functools.wraps(function)
    def launch(*arrays: Any) -> None:
        most = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
        threads = min(torch.get_num_threads(), most)
        if threads == 1 or arrays[0].size < SERIAL_BELOW or _threads_lost:
            serial(0, 1, *arrays)
            return
        before = get_num_threads()
        set_num_threads(threads)  # of this Python thread
        try:
            if threading_layer() == "workqueue":  # fails when entered by two Python threads
                with _one_at_a_time:
                    parallel(threads, *arrays)
            else:
                parallel(threads, *arrays)
        finally:
            set_num_threads(before)

    return launch


@inlined
def part_of(number: Any, part: Any, parts: Any) -> Any:
    """In a kernel: the range of ``number`` tasks that belong to a part."""
    return range(part * number // parts, (part + 1) * number // parts)


def _side_by_side(parts: Any, *arrays: Any) -> None:
    for part in numba.prange(parts):
        _one_part(part, parts, *arrays)  # noqa: F821  # pyright: ignore[reportUndefinedVariable]


def _in_parts(function: Callable, compiled_function: Callable) -> Callable:
    """The loop over the parts, for Numba's cache a function of its own in the same file."""
    here = function.__code__
    code = _side_by_side.__code__.replace(
        co_filename=here.co_filename, co_firstlineno=here.co_firstlineno
    )
    known = {"numba": numba, "_one_part": compiled_function}
    loop = types.FunctionType(code, known, f"{function.__name__}_parallel")
    loop.__qualname__ = f"{function.__qualname__}_parallel"
    loop.__module__ = function.__module__
    return loop


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
