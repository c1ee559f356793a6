"""Sixteen numbers of float32 as one value of a CPU kernel, for loops over some tens of features.

In so short a loop a compiler spends most of the time on what surrounds it: on checks whether arrays
overlap, and on what is left over beside the lanes it chose. Here the lanes are explicit, and sums
stay in registers. A processor with narrower lanes uses several of its own. Arrays hold float32, or
bfloat16 as uint16.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

WIDTH = 16
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_BITS = ir.VectorType(ir.IntType(32), WIDTH)
_HALVES = ir.VectorType(ir.IntType(16), WIDTH)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("lanes")


_lanes = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _for_kernels(function: Any) -> Any:
    """An intrinsic; it is called without the first argument, which Numba gives."""
    return intrinsic(function)


@_for_kernels
def load(typing: Any, array: Any, index: Any) -> Any:
    """In a kernel: ``array[index : index + 16]`` of a flat array, unchecked."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = _HALVES if array.dtype == types.uint16 else _VECTOR
        found = builder.load(_address(context, builder, array, kind, *values), align=2)
        if kind is _VECTOR:
            return found
        return builder.bitcast(builder.shl(builder.zext(found, _BITS), _all(16)), _VECTOR)

    return _lanes(array, types.intp), build


@_for_kernels
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """In a kernel: ``array[index : index + 16] = value``, unchecked; rounded to the nearest."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        *place, given = values
        kind = _HALVES if array.dtype == types.uint16 else _VECTOR
        if kind is _HALVES:
            given = _bfloat16(builder, given)
        builder.store(given, _address(context, builder, array, kind, *place), align=2)
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), build


@_for_kernels
def spread(typing: Any, number: Any) -> Any:
    """In a kernel: a number in all lanes."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, values[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, nothing, _all(0))

    return _lanes(types.float32), build


@_for_kernels
def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """In a kernel: ``a * b + c`` in each lane, rounded once."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        return builder.call(_function(builder, kind, f"llvm.fma.v{WIDTH}f32"), values)

    return _lanes(_lanes, _lanes, _lanes), build


@_for_kernels
def add(typing: Any, a: Any, b: Any) -> Any:
    """In a kernel: the sum in each lane."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fadd(*values)

    return _lanes(_lanes, _lanes), build


@_for_kernels
def total(typing: Any, value: Any) -> Any:
    """In a kernel: the sum of all lanes, in any order."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        sum_of = _function(builder, kind, f"llvm.vector.reduce.fadd.v{WIDTH}f32")
        return builder.call(sum_of, [ir.Constant(_FLOAT, -0.0), *values], fastmath=("reassoc",))

    return types.float32(_lanes), build


def _address(context: Any, builder: Any, array_type: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _bfloat16(builder: Any, value: Any) -> Any:
    """The nearest bfloat16 of each number; between two, the even one; NaN stays NaN."""
    bits = builder.bitcast(value, _BITS)
    even = builder.and_(builder.lshr(bits, _all(16)), _all(1))
    rounded = builder.lshr(builder.add(builder.add(bits, even), _all(0x7FFF)), _all(16))
    unordered = builder.fcmp_unordered("uno", value, value)
    return builder.trunc(builder.select(unordered, _all(0x7FC0), rounded), _HALVES)


def _all(number: int) -> Any:
    return ir.Constant(_BITS, [number] * WIDTH)


def _function(builder: Any, kind: Any, name: str) -> Any:
    return cgutils.get_or_insert_function(builder.module, kind, name)
