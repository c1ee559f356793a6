"""Configurations of recipes, dataclasses, as JSON and back."""

from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def rebuilt(kind: type[T], values: dict[str, Any]) -> T:
    """A dataclass from JSON, with the dataclasses and tuples in it."""
    hints = get_type_hints(kind)
    read = {}
    for name, value in values.items():
        if name in hints and not fits(value, hints[name]):
            wanted = getattr(hints[name], "__name__", None) or str(hints[name])
            raise TypeError(f"{name} must be of type {wanted}, got {value!r}")
        if isinstance(value, dict) and is_dataclass(hints.get(name)):
            value = rebuilt(hints[name], value)
        read[name] = tuple(value) if isinstance(value, list) else value
    return kind(**read)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON is of a field's type; of unusual types nothing is known."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    if kind is tuple and parts:
        if not isinstance(value, list):
            return False
        parts = parts[:1] * len(value) if parts[-1] is ... else parts
        return len(value) == len(parts) and all(map(fits, value, parts))
    read_as = {float: int | float, Path: str, NoneType: NoneType, int: int, str: str, bool: bool}
    if is_dataclass(kind):
        return isinstance(value, dict)
    if isinstance(value, bool):
        return kind not in read_as or kind is bool
    return isinstance(value, read_as.get(kind, object))


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    found = {}
    for name, value in values.items():
        inner = flat(value) if isinstance(value, dict) else {"": value}
        found |= {f"{name}.{rest}".rstrip("."): part for rest, part in inner.items()}
    return found
