"""How CPU kernels are compiled, and how many threads run them."""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba.core import cgutils, config
from numba.core import types as machine
from numba.extending import intrinsic
from numba.np.ufunc.parallel import get_num_threads, set_num_threads, threading_layer

SERIAL_BELOW = 8192  # elements; for fewer, starting threads takes about as long as the work

# Sums may be reordered, which lets them run in vector lanes; NaN and infinity keep their meaning.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
}
_one_at_a_time = threading.Lock()
_threads_lost = False  # true in a forked child whose parent had started Numba's threads


def compiled(function: Callable, *, parallel: bool = False, as_written: bool = False) -> Callable:
    """Compile at the first call; keep the machine code on disk where a folder can be written.

    ``as_written``: no sum is reordered, not even where infinities would come out otherwise.
    """
    options: dict[str, Any] = {**_OPTIONS, "parallel": parallel}
    if as_written:
        options["fastmath"] = False
    try:
        kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(**options)(function)
    # Numba itself looks at the kernel's own file only, not at those of the functions that it calls
    with contextlib.suppress(AttributeError):
        cache = kernel._cache  # pyright: ignore[reportAttributeAccessIssue]
        cache._cache_file._source_stamp = _stamp_of(function.__module__)
    return kernel


@functools.cache
def _stamp_of(module: str) -> tuple:
    """Time and size of a module's file and of those in Huashi that its functions come from."""
    found = {__name__, module}
    waiting = list(found)
    while waiting:
        values = list(vars(sys.modules[waiting.pop()]).values())
        names = {getattr(value, "__module__", None) for value in values} - found
        waiting += [name for name in names if name and name.startswith("huashi.")]
        found |= set(waiting)
    files = [os.stat(sys.modules[name].__file__ or "") for name in sorted(found)]
    return tuple((file.st_mtime_ns, file.st_size) for file in files)


def inlined(function: Callable) -> Callable:
    """Compile into the callers: a call updates the reference count of each row it is given.

    For functions of rows. One of numbers alone is better :func:`compiled`: inlined, some have
    made the loop around them a sixth slower.
    """
    return numba.njit(inline="always", **_OPTIONS)(function)


def threaded(function: Callable) -> Callable[..., None]:
    """Compile ``function(part, parts, *arrays)``, which does one of so many parts of its work.

    It is compiled once for each kind of arrays, whether one part is done or many side by side.
    Small work (the size of the first array) is done serially, as one part; so is all work in a
    forked child, where GNU OpenMP would end the process. Else as many parts run side by side as
    torch is set to use threads.

    A NamedTuple reaches the kernel as a plain tuple, whose type Numba finds in a fraction of the
    time; the kernel begins with ``windows = Windows(*windows)`` and reads it by name from there on.
    """
    serial = compiled(function)
    known: dict[tuple, int] = {}  # the address of the machine code for each kind of arrays

    def address_for(arrays: tuple) -> int:
        kinds = tuple(map(_kind, arrays))
        if kinds not in known:
            known[kinds] = _address(serial, (0, 1, *arrays))
        return known[kinds]

    @functools.wraps(function)
    def launch(*given: Any) -> None:
        arrays = tuple([tuple(v) if isinstance(v, tuple) else v for v in given])
        most = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
        threads = min(torch.get_num_threads(), most)
        if threads == 1 or given[0].size < SERIAL_BELOW or _threads_lost:
            serial(0, 1, *arrays)
            return
        address, leaves = address_for(arrays), _leaves(arrays)
        before = get_num_threads()
        set_num_threads(threads)  # for this Python thread
        try:
            if threading_layer() == "workqueue":  # fails when entered by two Python threads
                with _one_at_a_time:
                    _side_by_side(threads, address, leaves)
            else:
                _side_by_side(threads, address, leaves)
        finally:
            set_num_threads(before)

    return launch


@inlined
def part_of(number: Any, part: Any, parts: Any) -> Any:
    """In a kernel: the range of ``number`` tasks that belong to a part."""
    return range(part * number // parts, (part + 1) * number // parts)


def _kind(value: Any) -> Any:
    """What Numba's type of an argument depends on, found in a tenth of the time."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num
    return tuple(map(_kind, value)) if isinstance(value, tuple) else type(value)


def _leaves(arrays: tuple) -> tuple:
    """All in one tuple: machine code takes the fields of a tuple as arguments of their own."""
    return tuple([each for v in arrays for each in (v if isinstance(v, tuple) else (v,))])


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


# The kernel is called by its address: compiled into this loop it would be compiled twice more.
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
